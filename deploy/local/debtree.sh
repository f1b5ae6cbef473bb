#!/usr/bin/env bash
# Unpack PostgreSQL 17 with TimescaleDB, and Mosquitto, from Debian packages into a folder of their own.
#
#   debtree.sh DEST
#
# Nothing outside DEST is touched and nothing is installed; any user may run it. The packages come from the Debian
# mirror that the machine's own apt is configured for, and their signatures are checked with Debian's keyring.
# Every program keeps its name but becomes a small wrapper that starts it under the tree's own dynamic loader, so that
# a program built for Debian 13 runs on an older C library, nothing is patched, and DEST may be moved or copied.
set -euo pipefail

readonly wanted=(postgresql-17-timescaledb mosquitto)
readonly programs=('usr/lib/postgresql/17/bin/*' usr/sbin/mosquitto)
# Of everything the packages depend on, only libraries (and the servers themselves) are needed to run them ...
readonly take='^(lib|zlib1g|tzdata$|postgresql-[0-9]+$|postgresql-client-[0-9]+$|postgresql-17-timescaledb$|mosquitto$)'
# ... and not those of Perl, of the package system, or of LLVM: just-in-time compilation would add 120 MB and is off.
readonly leave='-perl$|^libperl|^libllvm|^libz3|modules|^libgdbm|^libdb5|^libsemanage|^libsepol|^libc-|debconf|-common$|^libproc2|^libmd0|^libbsd0|^libacl|^libattr'

# shellcheck source=apt.sh
. "$(dirname "$(readlink -f "$0")")/apt.sh"

download() {
  local packages
  say "reading Debian's package lists ($suite)"
  apt-get "${apt_options[@]}" update
  packages=$(apt-get "${apt_options[@]}" -s --no-install-recommends install "${wanted[@]}" |
    awk '$1 == "Inst" { print $2 }' | grep -E "$take" | grep -vE -- "$leave")
  say "downloading $(wc -w <<<"$packages") packages (about 40 MB)"
  # shellcheck disable=SC2086  # a list of names
  (cd "$apt/debs" && apt-get "${apt_options[@]}" download $packages)
}

unpack() {
  local deb
  say "unpacking"
  for deb in "$apt"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -C "$fresh" -x --no-same-owner \
      --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./usr/share/lintian \
      --exclude='./usr/lib/postgresql/*/lib/bitcode' --exclude='./usr/lib/postgresql/*/lib/llvmjit*'
  done
  [ -e "$fresh/lib" ] || ln -s usr/lib "$fresh/lib"
  (cd "$apt/debs" && printf '%s\n' *.deb) >"$fresh/PACKAGES"
}

# Start every program under the tree's own loader, with the tree's own libraries, wherever the tree lies.
wrap_programs() {
  local loader libraries triplet program up
  loader=$(find "$fresh/usr/lib" -path '*-linux-gnu*/ld-linux*' | head -n 1)
  [ -n "$loader" ] || fail "the packages hold no dynamic loader: this kind of machine ($(uname -m)) is not supported."
  libraries=$(dirname "$loader") triplet=$(basename "$(dirname "$loader")")
  /sbin/ldconfig -n "$libraries" # the soname links that an installation would make; -n: this folder only, no cache
  cd "$fresh"
  # shellcheck disable=SC2068  # the patterns are meant to expand
  for program in ${programs[@]}; do
    [ -f "$program" ] && [ "$(head -c4 "$program" | tail -c3)" = ELF ] || continue
    up=$(dirname "$program" | sed 's#[^/][^/]*#..#g')
    mv "$program" "$(dirname "$program")/.$(basename "$program").elf"
    cat >"$program" <<WRAPPER
#!/bin/sh
here=\$(CDPATH= cd -- "\${0%/*}" && pwd -P) name=\${0##*/} lib=\$here/$up/usr/lib/$triplet
exec "\$lib/$(basename "$loader")" --inhibit-cache --library-path "\$lib" --argv0 "\$here/\$name" "\$here/.\$name.elf" "\$@"
WRAPPER
    chmod 755 "$program"
  done
  cd - >/dev/null
}

[ $# = 1 ] || fail "usage: debtree.sh DEST"
dest=$(readlink -m "$1")
readonly dest apt=$dest.apt fresh=$dest.new
rm -rf "$apt" "$fresh"
mkdir -p "$fresh"
trap 'rm -rf "$apt" "$fresh"' EXIT
configure_apt "$apt"
download
unpack
wrap_programs
rm -rf "$dest"
mv "$fresh" "$dest"
