# SPDX-License-Identifier: BSD-2-Clause
printf x > "$ROOT/etc/rotated/ca.pem"
chmod 666 "$ROOT/etc/rotated/ca.pem"
