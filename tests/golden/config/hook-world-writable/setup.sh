# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
printf '#!/bin/sh\n' > "$ROOT/hooks/publish"
chmod 755 "$ROOT/hooks" "$ROOT/hooks/publish"
chmod 757 "$ROOT/hooks/publish"
