# SPDX-License-Identifier: BSD-2-Clause
mkdir "$ROOT/etc/rotated/services.d"
mkfifo "$ROOT/etc/rotated/services.d/billing.conf"
