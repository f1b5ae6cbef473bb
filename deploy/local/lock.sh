#!/usr/bin/env bash
# Resolve the workspace's dependencies anew and write them with hashes and without the name of any index:
# requirements.lock (everything), deploy/images/requirements.lock (what the image holds of it), deploy/local/uv.lock.txt
# (the installer) and deploy/images/sbom.lock.txt (what lists the image's contents).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
readonly uv=.venv/bin/uv

"$uv" lock --quiet "$@"
"$uv" export --quiet --frozen --all-packages --all-groups --all-extras --no-emit-workspace \
  --format requirements.txt --no-header --output-file requirements.lock
services=(services/*)
"$uv" export --quiet --frozen --package kaiser-local --package kaiser-ctl "${services[@]/#services\//--package=kaiser-}" --no-dev \
  --no-emit-workspace --format requirements.txt --no-header --no-annotate --output-file deploy/images/requirements.lock
"$uv" --version | awk '{ print "uv==" $2 }' |
  "$uv" pip compile --quiet --universal --generate-hashes --no-header --no-annotate --output-file deploy/local/uv.lock.txt -
echo cyclonedx-bom | "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate --output-file deploy/images/sbom.lock.txt -
if grep -H '://' requirements.lock deploy/local/uv.lock.txt deploy/images/*lock*; then
  echo "kaiser: a lock file names a package index, which ties it to one machine: see the lines above." >&2
  exit 1
fi
