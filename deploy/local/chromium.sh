#!/usr/bin/env bash
# Debian's Chromium in a folder of its own, for the tests of the console; nothing is installed (about 130 MB to download).
#
#   chromium.sh DEST     unpacks it into DEST the first time; DEST/chromium starts it
set -euo pipefail
readonly dest=$(readlink -m "$1")
[ ! -x "$dest/chromium" ] || exit 0
# It runs on this machine's own C library, so it is this machine's own release
KAISER_DEBIAN_SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# shellcheck source=apt.sh
. "$(dirname "$(readlink -f "$0")")/apt.sh"

readonly fresh=$dest.new work=$dest.apt
rm -rf "$fresh" "$work"
mkdir -p "$fresh"
trap 'rm -rf "$fresh" "$work"' EXIT
configure_apt "$work"
say "reading Debian's package lists ($suite)"
apt-get "${apt_options[@]}" update
# Of all that it depends on, what it needs to run: libraries, but not the C library and what comes with it, and a font
packages=$(apt-get "${apt_options[@]}" -s --no-install-recommends install chromium fonts-dejavu-core |
  awk '$1 == "Inst" { print $2 }' | grep -E '^(lib|zlib1g$|chromium|fonts-dejavu-core$|fontconfig-config$)' |
  grep -vE '^libc6$|^libc-bin$|^libcrypt1$|^libgcc-s1$|-perl$|^libperl|^libllvm|^libz3|^libsystemd-shared')
say "downloading Chromium ($(wc -w <<<"$packages") packages)"
# shellcheck disable=SC2086  # a list of names
(cd "$work/debs" && apt-get "${apt_options[@]}" download $packages)
for deb in "$work"/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -C "$fresh" -x --no-same-owner \
    --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
done
cat >"$fresh/fonts.conf" <<'XML'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
XML
cat >"$fresh/chromium" <<'WRAPPER'
#!/bin/sh
here=$(CDPATH= cd -- "${0%/*}" && pwd -P)
libraries=$(find "$here/usr/lib" "$here/lib" -maxdepth 2 '(' -name '*-linux-gnu' -o -name pulseaudio ')' -type d 2>/dev/null | tr '\n' ':')
export FONTCONFIG_FILE="$here/fonts.conf" LD_LIBRARY_PATH="$libraries"
exec "$here/usr/lib/chromium/chromium" "$@"
WRAPPER
chmod 755 "$fresh/chromium"
rm -rf "$dest"
mv "$fresh" "$dest"
