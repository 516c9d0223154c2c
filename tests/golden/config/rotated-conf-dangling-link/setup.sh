# SPDX-License-Identifier: BSD-2-Clause
ln -s nowhere "$ROOT/etc/rotated/rotated.conf"
