# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
printf '#!/bin/sh\n' > "$ROOT/hooks/publish"
chmod 755 "$ROOT/hooks" "$ROOT/hooks/publish"
printf x > "$ROOT/etc/rotated/auth.key"
chmod 600 "$ROOT/etc/rotated/auth.key"
printf x > "$ROOT/etc/rotated/ca.pem"
chmod 644 "$ROOT/etc/rotated/ca.pem"
