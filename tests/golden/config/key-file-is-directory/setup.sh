# SPDX-License-Identifier: BSD-2-Clause
mkdir "$ROOT/etc/rotated/auth.key"
