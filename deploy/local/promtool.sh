#!/usr/bin/env bash
# Check the alert rules, and hold them to examples, with promtool out of Debian's package of Prometheus (20 MB).
#
#   promtool.sh DEST     unpacks it into DEST the first time; nothing is installed
set -euo pipefail
readonly dest=$1 root=$(dirname "$(readlink -f "$0")")/../..
readonly rules=$root/deploy/kubernetes/components/monitoring promtool=$dest/usr/bin/promtool
# It runs on this machine's own C library, so it is this machine's own release
KAISER_DEBIAN_SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# shellcheck source=apt.sh
. "$root/deploy/local/apt.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -x "$promtool" ]; then
  configure_apt "$work/apt"
  say "downloading Prometheus ($suite), for its promtool"
  apt-get "${apt_options[@]}" update
  (cd "$work" && apt-get "${apt_options[@]}" download prometheus)
  mkdir -p "$dest"
  dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -C "$dest" -x --no-same-owner ./usr/bin/promtool
fi
"$root/.venv/bin/python" - "$rules/alerts.yaml" >"$work/rules.yaml" <<'PY'
import sys, yaml
print(yaml.safe_dump(yaml.safe_load(open(sys.argv[1]))["spec"]))
PY
cp "$rules/alerts.test.yaml" "$work/"
"$promtool" check rules "$work/rules.yaml"
"$promtool" test rules "$work/alerts.test.yaml"
