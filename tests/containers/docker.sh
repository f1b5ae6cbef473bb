#!/usr/bin/env bash
# A Docker daemon for the container tests, and the images that they need.
#
#   docker.sh up         prints the variables that the tests want, for eval
#   docker.sh run CMD    runs a command where the published ports of the containers are
#   docker.sh down       stops the daemon, if it is our own
#
# Where a Docker daemon with compose answers already, it is used, with the public images of the servers. Elsewhere, and
# with KAISER_TEST_DOCKER=private, one of our own is started: Debian's docker.io, unpacked into .kaiser/containers and not
# installed, in a network and mount namespace of its own, so that nothing of the machine's network is touched. Its
# images are made here, of Debian packages and wheels. That takes root. Exit code 75 says, in a sentence, that no daemon can run.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

readonly checkout=$PWD
readonly home=${KAISER_HOME:-$checkout/.kaiser}
readonly dir=${KAISER_CONTAINERS:-$home/containers}
readonly root=$dir/docker socket=$dir/run/docker.sock
readonly python=$checkout/.venv/bin/python

# shellcheck source=../../deploy/local/apt.sh
. deploy/local/apt.sh

cannot() {
  echo "kaiser: container tests skipped: $1" >&2
  exit 75
}

# The variables under which our own client finds our own daemon, its plugins and the libraries of both.
private_environment() {
  export PATH=$root/usr/sbin:$root/usr/bin:$PATH DOCKER_HOST=unix://$socket DOCKER_CONFIG=$dir/config
  export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu XTABLES_LIBDIR=$root/usr/lib/x86_64-linux-gnu/xtables
}

unpack_docker() {
  [ ! -x "$root/usr/sbin/dockerd" ] || return 0
  local scratch=$dir/debs debs t s
  say "unpacking Debian's docker.io"
  mkdir -p "$scratch" "$root.new"
  (
    cd "$scratch"
    apt-get update -qq
    debs=$(apt-get -s --no-install-recommends install docker.io 2>/dev/null | awk '$1 == "Inst" { print $2 }')
    [ -n "$debs" ] || debs=docker.io
    # shellcheck disable=SC2086  # a list of names
    apt-get -qq -o APT::Sandbox::User=root download $debs debootstrap
  )
  for deb in "$scratch"/*.deb; do dpkg -x "$deb" "$root.new"; done
  for t in iptables ip6tables; do
    for s in "" -restore -save; do ln -sf "$t-nft$s" "$root.new/usr/sbin/$t$s"; done
  done
  mv "$root.new" "$root"
}

# Debian 12 has no compose 2; Debian 13's plugin is a program without libraries.
unpack_compose() {
  [ ! -x "$dir/config/cli-plugins/docker-compose" ] || return 0
  say "unpacking docker-compose"
  mkdir -p "$dir/config/cli-plugins"
  configure_apt "$dir/apt"
  apt-get "${apt_options[@]}" update
  (cd "$dir/apt/debs" && apt-get "${apt_options[@]}" download docker-compose && dpkg -x docker-compose_*.deb tree)
  mv "$dir/apt/debs/tree/usr/libexec/docker/cli-plugins/docker-compose" "$dir/config/cli-plugins/"
  rm -rf "$dir/apt"
}

start_daemon() {
  [ "$(id -u)" = 0 ] || cannot "no Docker daemon answers, and one of our own needs root."
  command -v apt-get >/dev/null || cannot "no Docker daemon answers, and one of our own is made of Debian packages, which this machine has not."
  unshare -m -n true 2>/dev/null || cannot "no Docker daemon answers, and this machine lets nobody make namespaces."
  unpack_docker
  unpack_compose
  private_environment
  docker info >/dev/null 2>&1 && return 0
  mkdir -p "$dir/run"
  # What it makes outside of its own folders, whatever it is told; taken away again with it
  for t in /etc/docker /opt/containerd /run/docker /run/containerd; do [ -e "$t" ] || echo "$t"; done >"$dir/made"
  setsid unshare -m -n --propagation private sh -c "ip link set lo up; exec dockerd -H unix://$socket --data-root $dir/data \
    --exec-root $dir/run/exec --pidfile $dir/run/docker.pid --storage-driver overlay2 --bip 172.29.0.1/24" \
    >"$dir/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 150); do
    docker info >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  tail -n 5 "$dir/dockerd.log" >&2
  cannot "a daemon of our own does not start on this machine (its last lines are above)."
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

make_base() {
  ! have_image kaiser-test/base || return 0
  say "making a base image (Debian 13, half a minute)"
  rm -rf "$dir/base"
  mirror=$(debian_mirrors | cut -d' ' -f1)
  DEBOOTSTRAP_DIR=$root/usr/share/debootstrap bash "$root/usr/sbin/debootstrap" --variant=minbase --keyring="$keyring" \
    --include=python3,python3-venv,ca-certificates,wget,netcat-openbsd trixie "$dir/base" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
    { tail -n 5 "$dir/debootstrap.log" >&2; fail "the base image could not be made: see the lines above."; }
  rm -rf "$dir"/base/var/cache/apt/* "$dir"/base/var/lib/apt/lists/* "$dir"/base/usr/share/{doc,man,locale}
  tar -C "$dir/base" -c . | docker import - kaiser-test/base >/dev/null
  rm -rf "$dir/base"
}

make_servers() {
  local context=$dir/servers tree target stamp
  tree=$("$python" -c 'from kaiser.local.tree import ensure_tree; print(ensure_tree().root)')
  stamp=$(cat tests/containers/infrastructure/* deploy/local/debtree.sh | sha256sum)
  [ "$(cat "$dir/servers.stamp" 2>/dev/null)" != "$stamp" ] || ! have_image kaiser-test/timescaledb || return 0
  rm -rf "$context"
  mkdir -p "$context"
  cp -a "$tree/usr" "$tree/lib" "$context"
  cp "$("$python" -c 'from kaiser.local import nats; from pathlib import Path; print(nats.command(Path())[0])')" "$context/nats-server"
  cp tests/containers/infrastructure/docker-entrypoint.sh "$context"
  for target in mosquitto nats timescaledb; do
    say "building kaiser-test/$target"
    docker build --quiet --target $target -t kaiser-test/$target -f tests/containers/infrastructure/Dockerfile "$context" >/dev/null
  done
  rm -rf "$context"
  echo "$stamp" >"$dir/servers.stamp"
}

# The image is built without a network: a build container of ours has none. The wheels are those of its own Python.
fetch_wheels() {
  local wheels=deploy/images/wheels locks=(deploy/images/requirements.lock deploy/images/sbom.lock.txt deploy/local/uv.lock.txt)
  local stamp
  stamp=$(cat "${locks[@]}" | sha256sum)
  [ "$(cat "$wheels/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  say "downloading the wheels of the image"
  [ -x "$dir/pip/bin/pip" ] || python3 -m venv "$dir/pip"
  rm -rf "$wheels"
  mkdir -p "$wheels"
  for lock in "${locks[@]}"; do
    "$dir/pip/bin/pip" download -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -d "$wheels" \
      --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
      --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
      --platform manylinux2014_x86_64 --platform any -r "$lock"
  done
  echo "$stamp" >"$wheels/.stamp"
}

up() {
  mkdir -p "$dir"
  if [ "${KAISER_TEST_DOCKER:-}" != private ] && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
    echo "export KAISER_TEST_SERVERS=containers"
    return
  fi
  start_daemon >&2
  make_base >&2
  make_servers >&2
  fetch_wheels >&2
  cat <<VARIABLES
export DOCKER_HOST=$DOCKER_HOST DOCKER_CONFIG=$DOCKER_CONFIG DOCKER_BUILDKIT=1 PATH=$root/usr/bin:\$PATH
export TESTCONTAINERS_RYUK_DISABLED=true KAISER_TEST_SERVERS=containers KAISER_BASE_IMAGE=kaiser-test/base KAISER_BUILD_NO_INDEX=1
export KAISER_MOSQUITTO_IMAGE=kaiser-test/mosquitto KAISER_NATS_IMAGE=kaiser-test/nats KAISER_TIMESCALEDB_IMAGE=kaiser-test/timescaledb
VARIABLES
}

case ${1:-} in
up) up ;;
run)
  shift
  if [ -S "$socket" ]; then exec nsenter -t "$(cat "$dir/run/docker.pid")" -n "$@"; else exec "$@"; fi
  ;;
down)
  [ -f "$dir/run/docker.pid" ] || exit 0
  pid=$(cat "$dir/run/docker.pid")
  kill "$pid"
  for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  xargs -r rm -rf <"$dir/made"
  ;;
*) sed -n '2,12p' "$0" >&2; exit 2 ;;
esac
