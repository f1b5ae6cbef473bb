#!/usr/bin/env bash
# Make the checkout's virtual environment from pinned, hashed requirements; a second run takes a tenth of a second.
#
#   KAISER_PYTHON   the Python to use (default: the first of python3, python3.13, python3.12, python3.11 that fits)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

readonly venv=$PWD/.venv
readonly stamp=$venv/.kaiser-stamp
readonly lock=requirements.lock installer_lock=deploy/local/uv.lock.txt
readonly members=(libs/* services/* deploy/local tools/*)

# shellcheck source=apt.sh
. deploy/local/apt.sh

find_python() {
  local candidate
  for candidate in ${KAISER_PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is needed: install it (apt-get install python3) or set KAISER_PYTHON to one."
}

# What the environment holds; when any of this changes, it is brought up to date.
fingerprint() {
  cat "$lock" "$installer_lock" deploy/local/bootstrap.sh "${members[@]/%//pyproject.toml}" | sha256sum | cut -d' ' -f1
}

# Debian keeps the venv module's pip in a package of its own, python3-venv; without it, pip is read from Debian's wheel.
make_environment() {
  rm -rf "$venv"
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$venv"
    pip=("$venv/bin/python" -m pip)
    return
  fi
  "$python" -m venv --without-pip "$venv" || fail "Python's venv module is missing: run 'apt-get install python3-venv'."
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  configure_apt "$scratch/apt"
  apt-get "${apt_options[@]}" update
  (cd "$scratch" && apt-get "${apt_options[@]}" download python3-pip-whl && dpkg-deb -x python3-pip-whl*.deb pip)
  pip=("$venv/bin/python" "$(echo "$scratch"/pip/usr/share/python-wheels/pip-*.whl)/pip")
}

# uv does in two seconds what takes pip twenty.
install_with_uv() {
  local uv=$venv/bin/uv
  export VIRTUAL_ENV=$venv
  { [ -x "$uv" ] || "${pip[@]}" install --quiet --disable-pip-version-check --require-hashes -r "$installer_lock"; } &&
    "$uv" pip sync --quiet --require-hashes "$lock" "$installer_lock" &&
    "$uv" pip install --quiet --no-deps "${members[@]/#/-e}"
}

# Where uv does not run, or does not find the packages that this machine's pip is configured for. The members are
# put on the path by name, since building them would need uv, too.
install_with_pip() {
  "${pip[@]}" install --quiet --disable-pip-version-check --require-hashes -r "$lock" || return
  printf '%s\n' "${members[@]/#/$PWD/}" | sed 's#$#/src#' >"$("$venv/bin/python" -c \
    'import sysconfig; print(sysconfig.get_path("purelib"))')/kaiser.pth"
}

python=$(find_python)
contents=$(fingerprint)
{ { read -r of; read -r holds; } <"$stamp"; } 2>/dev/null || of='' holds=''
[ "$of $holds" != "$PWD:$python $contents" ] || exit 0

printf 'kaiser: setting up the virtual environment (once)\n' >&2
[ "$(uname -s)" = Linux ] || fail "the local servers need Linux."
[ "$of" = "$PWD:$python" ] && [ -x "$venv/bin/uv" ] || make_environment # an environment cannot be moved
say "installing $(grep -c '^[a-z0-9].*==' "$lock") packages"
if ! install_with_uv; then
  say "uv did not work here, trying pip"
  install_with_pip || fail "the packages of $lock could not be installed: see the lines above (is a package index reachable?)."
fi
printf '%s\n' "$PWD:$python" "$contents" >"$stamp"
