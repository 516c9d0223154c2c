# SPDX-License-Identifier: BSD-2-Clause
head -c 1100000 /dev/zero | tr "\0" "\n" >> "$ROOT/etc/rotated/services.d/billing.conf"
