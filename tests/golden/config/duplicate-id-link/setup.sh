# SPDX-License-Identifier: BSD-2-Clause
ln -s billing.conf "$ROOT/etc/rotated/services.d/accounts.conf"
