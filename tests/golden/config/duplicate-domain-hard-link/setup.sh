# SPDX-License-Identifier: BSD-2-Clause
ln "$ROOT/etc/rotated/domains.d/example.com.conf" "$ROOT/etc/rotated/domains.d/example.org.conf"
