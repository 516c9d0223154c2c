# SPDX-License-Identifier: BSD-2-Clause
mkdir "$ROOT/etc/rotated/services.d"
ln -s nowhere "$ROOT/etc/rotated/services.d/billing.conf"
