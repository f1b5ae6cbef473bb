"""The database: versions, settings, TimescaleDB's jobs, connections, and who may read what."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import psycopg.types.json

from kaiser.ctl.findings import Finding, note, ok, wrong
from kaiser.local.postgres import SCHEMAS

OLDEST_POSTGRES: Final = 15
OLDEST_TIMESCALE: Final = (2, 19)
BUSY: Final = 0.8

JOBS: Final = """
SELECT j.proc_name, s.last_run_started_at::text
FROM timescaledb_information.jobs j JOIN timescaledb_information.job_stats s USING (job_id)
WHERE j.scheduled AND s.last_run_status = 'Failed'
ORDER BY j.job_id
"""
CONNECTIONS: Final = """
SELECT count(*), current_setting('max_connections')::int, count(*) FILTER (WHERE state = 'idle in transaction'
    AND now() - state_change > interval '1 minute')
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
RIGHTS: Final = """
SELECT r.role, s.schema FROM unnest(%(roles)s::text[]) AS r(role), unnest(%(schemas)s::text[]) AS s(schema)
WHERE to_regnamespace(s.schema) IS NOT NULL AND to_regrole(r.role) IS NOT NULL
  AND NOT r.role = (%(owners)s::jsonb ->> s.schema) AND has_schema_privilege(r.role, s.schema, 'USAGE')
"""
SUPERUSERS: Final = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolcreaterole)"


def database_findings(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Everything about the database."""
    yield versions(connection)
    yield durability(connection)
    yield jobs(connection)
    yield connections(connection)
    yield rights(connection)


def versions(connection: psycopg.Connection[Any]) -> Finding:
    """Whether PostgreSQL and TimescaleDB are new enough."""
    check = "database versions"
    server = connection.info.server_version // 10_000
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row is None:
        return wrong(check, "there is no extension timescaledb", "make it with kaiser.local.site database, see deploy/")
    words = f"PostgreSQL {server}, TimescaleDB {row[0]}"
    newer = tuple(int(part) for part in row[0].split("-")[0].split(".")[:2]) >= OLDEST_TIMESCALE
    if server < OLDEST_POSTGRES or not newer:
        return wrong(check, words, "Kaiser needs PostgreSQL 15 and TimescaleDB 2.19 or newer: upgrade")
    return ok(check, words)


def durability(connection: psycopg.Connection[Any]) -> Finding:
    """Whether a commit survives a crash."""
    check = "database sync"
    names = ("fsync", "full_page_writes", "synchronous_commit")
    row = connection.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}").fetchone()
    assert row is not None
    off = [name for name, value in zip(names, row, strict=True) if value == "off"]
    if "fsync" in off or "full_page_writes" in off:
        words = f"{' and '.join(off)} off: a crash of the machine may leave tables that cannot be read"
        return wrong(check, words, "switch them on; what can be made anew from the log is made so by a rebuild")
    if off:
        return note(check, "synchronous_commit is off: a crash loses the last commits, which come again from the log")
    return ok(check, "commits survive a crash")


def jobs(connection: psycopg.Connection[Any]) -> Finding:
    """Whether TimescaleDB's own jobs fail."""
    check = "database jobs"
    try:
        failed = connection.execute(JOBS).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
        return note(check, f"jobs of TimescaleDB cannot be seen: {str(error).splitlines()[0]}")
    if failed:
        words = "; ".join(f"{name} failed at {at}" for name, at in failed)
        return wrong(check, words, "the database's log says why; timescaledb_information.job_errors has the last ones")
    return ok(check, "no job of TimescaleDB fails")


def connections(connection: psycopg.Connection[Any]) -> Finding:
    """Whether connections run out."""
    check = "database connections"
    row = connection.execute(CONNECTIONS).fetchone()
    assert row is not None
    used, limit, idle = row
    words = f"{used} of {limit} connections"
    if used > BUSY * limit:
        return wrong(check, words, "raise max_connections, or find out in pg_stat_activity who holds them")
    if idle:
        words = f"{words}, {idle} idle in a transaction for more than a minute"
        return wrong(check, words, "find out in pg_stat_activity who holds them: they keep tables from being cleaned")
    return ok(check, words)


def rights(connection: psycopg.Connection[Any]) -> Finding:
    """Whether a service may reach another one's tables."""
    check = "database permissions"
    owners = psycopg.types.json.Jsonb(dict(SCHEMAS))
    asked = {"roles": list(SCHEMAS.values()), "schemas": list(SCHEMAS), "owners": owners}
    faults = [f"{role} may use schema {schema}" for role, schema in connection.execute(RIGHTS, asked)]
    faults += [f"{role} may do everything" for (role,) in connection.execute(SUPERUSERS, [list(SCHEMAS.values())])]
    if faults:
        return wrong(check, "; ".join(faults), "REVOKE it: a service owns its schema and reaches no other")
    return ok(check, "each service reaches its own schema alone")
