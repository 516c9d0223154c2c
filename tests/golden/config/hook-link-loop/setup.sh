# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
ln -s publish "$ROOT/hooks/publish"
