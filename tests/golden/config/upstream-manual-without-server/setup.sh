# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
printf '#!/bin/sh\n' >"$ROOT/hooks/upstream-manual"
chmod 755 "$ROOT/hooks" "$ROOT/hooks/upstream-manual"
