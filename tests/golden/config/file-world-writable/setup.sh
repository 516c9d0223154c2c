# SPDX-License-Identifier: BSD-2-Clause
chmod o+w "$ROOT/etc/rotated/services.d/billing.conf"
