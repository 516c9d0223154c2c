# SPDX-License-Identifier: BSD-2-Clause
mkdir -p "$ROOT/hooks"
printf '#!/bin/sh\n' > "$ROOT/hooks/publish"
chmod 755 "$ROOT/hooks" "$ROOT/hooks/publish"
mkdir "$ROOT/bin"
mv "$ROOT/hooks/publish" "$ROOT/bin/publish"
ln -s ../bin/publish "$ROOT/hooks/publish"
chmod 777 "$ROOT/bin"
