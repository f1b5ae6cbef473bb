#!/bin/sh
# As the public image's: makes the cluster at the first start, with the superuser's password from a file or a variable.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -n "${POSTGRES_PASSWORD:-}" ]; then
    POSTGRES_PASSWORD_FILE=/tmp/password
    printf %s "$POSTGRES_PASSWORD" >"$POSTGRES_PASSWORD_FILE"
  fi
  initdb --pgdata "$PGDATA" --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" --auth-local trust --auth-host scram-sha-256 \
    --encoding UTF8 --locale C --locale-provider builtin --builtin-locale C.UTF-8 --no-sync >/dev/null
  printf "listen_addresses = '*'\nshared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\njit = off\n" \
    >>"$PGDATA/postgresql.conf"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
[ "${1#-}" = "$1" ] || set -- postgres "$@"
exec "$@"
