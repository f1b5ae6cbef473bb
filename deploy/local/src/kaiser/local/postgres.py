"""PostgreSQL with TimescaleDB: its cluster, its configuration, and one role and schema for each service."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from string import Template
from typing import Final

import psycopg
from psycopg import sql

from kaiser.local.account import hand_over, unprivileged
from kaiser.local.errors import LocalError
from kaiser.local.tree import Tree

SUPERUSER: Final = "postgres"
OWNER: Final = "kaiser_admin"
SCHEMAS: Final = {
    "ingest": "kaiser_ingest",
    "actuator": "kaiser_actuator",
    "safety": "kaiser_safety",
    "logic": "kaiser_logic",
    "gateway": "kaiser_gateway",
}
"""The role that owns each schema; it reaches no other."""
ROLES: Final = (SUPERUSER, OWNER, *SCHEMAS.values())
DATABASE: Final = "kaiser"

CONFIGURATION: Final = Template("""\
# Written by kaiser.local at every start; change deploy/local/src/kaiser/local/postgres.py instead.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = $port
password_encryption = 'scram-sha-256'
max_connections = 100
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '

shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = $background_workers
max_worker_processes = 24

# Durability stays at PostgreSQL's defaults (fsync, synchronous_commit and full_page_writes on) unless a test says
# otherwise; checkpoints are spread out so that sustained inserts do not write every page twice.
fsync = $fsync
wal_compression = lz4
max_wal_size = '4GB'
checkpoint_timeout = '15min'
shared_buffers = '$shared_buffers'
# The tree holds no LLVM, and the queries are short.
jit = off
""")

HOST_BASED_AUTHENTICATION: Final = "host all all 127.0.0.1/32 scram-sha-256\n"

# The one built-in job needs the Community licence and would log an error at every retry.
PARK_LICENSED_JOB: Final = "UPDATE _timescaledb_config.bgw_job SET scheduled = false WHERE id < 1000 AND scheduled"


def initialise(tree: Tree, folder: Path, *, password: str) -> None:
    """Make a new cluster in the folder if there is none; it needs nothing of the host's locales.

    Args:
        tree: Where the programs are.
        folder: The cluster's own folder.
        password: The superuser's password.

    Raises:
        LocalError: ``initdb`` failed.
    """
    if (folder / "PG_VERSION").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    hand_over([folder])
    with tempfile.NamedTemporaryFile("w", suffix=".password") as password_file:
        password_file.write(password)
        password_file.flush()
        hand_over([Path(password_file.name)])
        done = subprocess.run(
            [
                *(*unprivileged(), str(tree.postgres_bin / "initdb"), "--pgdata", str(folder)),
                *("--username", SUPERUSER, "--auth", "scram-sha-256", "--pwfile", password_file.name),
                *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                "--no-sync",
            ],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise LocalError(f"PostgreSQL's data folder could not be made in {folder}: {done.stderr.strip()}")


def configure(
    folder: Path, *, port: int, shared_buffers: str = "256MB", fsync: bool = True, background_workers: int = 8
) -> None:
    """Write the configuration of an existing cluster.

    Args:
        folder: The cluster's folder.
        port: TCP port on the loopback address.
        shared_buffers: Memory for pages, in PostgreSQL's notation.
        fsync: Off only for tests that do not crash the machine.
        background_workers: TimescaleDB's own; 0 keeps it from connecting to every database by itself.
    """
    configuration = CONFIGURATION.substitute(
        port=port,
        shared_buffers=shared_buffers,
        fsync="on" if fsync else "off",
        background_workers=background_workers,
    )
    (folder / "postgresql.conf").write_text(configuration)
    (folder / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION)
    hand_over([folder])


def command(tree: Tree, folder: Path) -> list[str]:
    """The command that runs the server in the foreground."""
    return [*unprivileged(), str(tree.postgres_bin / "postgres"), "-D", str(folder)]


def conninfo(
    *,
    port: int,
    user: str,
    password: str | None = None,
    database: str = DATABASE,
    host: str = "127.0.0.1",
    ca_file: Path | None = None,
) -> str:
    """A connection string; with a CA file the connection is TLS, and the server has to be whom it says it is."""
    tls = {"sslmode": "verify-full", "sslrootcert": str(ca_file)} if ca_file else {}
    return psycopg.conninfo.make_conninfo(host=host, port=port, user=user, password=password, dbname=database, **tls)


def prepare(
    *,
    port: int,
    passwords: Mapping[str, str],
    database: str = DATABASE,
    host: str = "127.0.0.1",
    ca_file: Path | None = None,
) -> None:
    """Create roles, database, extension and schemas on a running server, or bring them up to date.

    Args:
        port: Its TCP port.
        passwords: Password of each of :data:`ROLES`.
        database: Name of the database.
        host: Where the server is.
        ca_file: For TLS.
    """
    as_superuser = partial(
        conninfo, host=host, port=port, user=SUPERUSER, password=passwords[SUPERUSER], ca_file=ca_file
    )
    with psycopg.connect(as_superuser(database="postgres"), autocommit=True) as connection:
        for role in (OWNER, *SCHEMAS.values()):
            _ensure_role(connection, role, passwords[role])
        for role in SCHEMAS.values():
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(OWNER)))
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(OWNER))
            )
    with psycopg.connect(as_superuser(database=database), autocommit=True) as connection:
        _prepare_database(connection, database)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(role), sql.Literal(password)
        )
    )


def _prepare_database(connection: psycopg.Connection, database: str) -> None:
    connection.execute("SET client_min_messages = warning")
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    connection.execute(PARK_LICENSED_JOB)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    for schema, role in SCHEMAS.items():
        names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role), "database": sql.Identifier(database)}
        for statement in (
            "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
            "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}",
            "ALTER ROLE {role} SET search_path = {schema}, public",
        ):
            connection.execute(sql.SQL(statement).format(**names))
