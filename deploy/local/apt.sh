# shellcheck shell=bash
# Sourced: an apt of our own, which reads and downloads Debian packages without installing any and without root.
#
#   KAISER_DEBIAN_SUITE    suite to take the packages from (default: trixie)
#   KAISER_DEBIAN_MIRROR   mirror to use where the machine's own apt has none for Debian

readonly suite=${KAISER_DEBIAN_SUITE:-trixie}
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say()  { printf '%s\n' "  $*" >&2; }
fail() { printf 'kaiser: %s\n' "$*" >&2; exit 1; }

require_host_tools() {
  local tool
  for tool in apt-get dpkg-deb tar awk; do
    command -v "$tool" >/dev/null ||
      fail "$tool is missing: the local servers need a Debian machine, or Ubuntu with its tools."
  done
}

# The mirror of the host's own Debian, "URI-of-main URI-of-security"; the security one may be absent. Nothing on
# Ubuntu, whose archive has no TimescaleDB.
debian_mirrors() {
  if [ -n "${KAISER_DEBIAN_MIRROR:-}" ]; then echo "$KAISER_DEBIAN_MIRROR"; return; fi
  grep -qx 'ID="\?debian"\?' /etc/os-release || return 0
  apt-get indextargets --format '$(ORIGIN)|$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u | awk -F'|' '
    $1 != "" && $1 != "Debian" { next }
    { split($2, repo, " ") }
    repo[2] ~ /-security/ { security = repo[1] }
    repo[2] !~ /-/ && main == "" { main = repo[1] }
    END { print main, security }'
}

# configure_apt FOLDER: own sources, own lists, an empty list of installed packages, the host's keys. Sets apt_options.
configure_apt() {
  local folder=$1 main security
  require_host_tools
  read -r main security <<<"$(debian_mirrors)"
  [ -n "$main" ] || fail "this machine's apt knows no Debian mirror (Ubuntu's has no TimescaleDB): set KAISER_DEBIAN_MIRROR to one."
  [ -r "$keyring" ] || fail "Debian's signing keys are missing: run 'apt-get install debian-archive-keyring' first."
  mkdir -p "$folder"/{lists/partial,cache/archives/partial,state,debs}
  : >"$folder/status"
  {
    echo "deb [signed-by=$keyring] $main $suite main"
    case $suite in sid | unstable) ;; *)
      echo "deb [signed-by=$keyring] $main $suite-updates main"
      [ -z "$security" ] || echo "deb [signed-by=$keyring] $security $suite-security main" ;;
    esac
  } >"$folder/sources.list"
  apt_options=(
    -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State="$folder/state" -o Dir::State::lists="$folder/lists" -o Dir::State::status="$folder/status"
    -o Dir::Cache="$folder/cache" -o APT::Sandbox::User= -o Acquire::Languages=none
    -o Acquire::Retries=3 -o APT::Update::Error-Mode=any -qq
  )
}
