# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
ln -s nowhere "$ROOT/hooks/publish"
