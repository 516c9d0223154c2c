# SPDX-License-Identifier: BSD-2-Clause
if [ "$(id -u)" != 0 ]; then
	exit 77
fi
mkdir -p "$ROOT/hooks"
printf '#!/bin/sh\n' > "$ROOT/hooks/publish"
chmod 755 "$ROOT/hooks" "$ROOT/hooks/publish"
chown 12345 "$ROOT/hooks"
