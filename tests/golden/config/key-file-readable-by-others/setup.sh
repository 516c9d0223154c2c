# SPDX-License-Identifier: BSD-2-Clause
printf x > "$ROOT/etc/rotated/auth.key"
chmod 644 "$ROOT/etc/rotated/auth.key"
