#!/usr/bin/env bash
# Everything that needs a Docker daemon: the image and compose, then integration tests whose servers are containers.
#
#   run.sh [PYTEST ARGUMENTS]    default: all of it
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

# Those that use the fixtures of tests/conftest.py in every way: NATS, Mosquitto and PostgreSQL, restarted, killed and frozen
readonly integration=(
  tests/integration/local/test_ephemeral_servers.py
  tests/integration/local/test_broker_access.py
  tests/integration/eventlog/test_permissions.py
  tests/integration/timescale
  tests/e2e/test_reading.py
)

variables=$(tests/containers/docker.sh up) || { code=$?; [ $code = 75 ] && exit 0; exit $code; }
trap 'tests/containers/docker.sh down' EXIT
eval "$variables"
if [ $# = 0 ]; then set -- tests/containers "${integration[@]}"; fi
tests/containers/docker.sh run .venv/bin/pytest "$@"
