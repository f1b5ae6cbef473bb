#!/usr/bin/env bash
# Resolve the workspace's dependencies anew and write them with hashes and without the name of any index:
# requirements.lock (everything) and deploy/local/uv.lock.txt (the installer).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
readonly uv=.venv/bin/uv

"$uv" lock --quiet "$@"
"$uv" export --quiet --frozen --all-packages --all-groups --no-emit-workspace --format requirements.txt --no-header \
  --output-file requirements.lock
"$uv" --version | awk '{ print "uv==" $2 }' |
  "$uv" pip compile --quiet --universal --generate-hashes --no-header --no-annotate --output-file deploy/local/uv.lock.txt -
if grep -H '://' requirements.lock deploy/local/uv.lock.txt; then
  echo "kaiser: a lock file names a package index, which ties it to one machine: see the lines above." >&2
  exit 1
fi
