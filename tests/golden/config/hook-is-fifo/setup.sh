# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
mkfifo "$ROOT/hooks/publish"
