# SPDX-License-Identifier: BSD-2-Clause
# not even root can look into what is no directory
printf x > "$ROOT/hooks"
