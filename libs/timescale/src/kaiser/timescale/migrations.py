"""Migrations: the plain ``.sql`` files of a service's package, applied in order at its start by yoyo.

Two instances may start at once: an advisory lock lets one through, and the other then finds everything applied. yoyo
keeps its own tables in the service's schema, since services share a database and nothing else.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Final

import psycopg
import xxhash
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kaiser.timescale.connecting import Database
from kaiser.timescale.errors import translated

_SEARCH_PATH: Final = "{}, public"


async def migrate(database: Database, *, package: str, schema: str, only: Collection[str] | None = None) -> list[str]:
    """Bring a schema up to date.

    Args:
        database: Where; the role must own the schema, or may create it.
        package: Package whose ``migrations`` folder holds the files.
        schema: Schema that holds the service's tables and yoyo's.
        only: Ids of the migrations to apply, where rows of an older release are to find the tables that they know; all
            by default.

    Returns:
        The ids of the migrations that were applied now.

    Raises:
        DatabaseAway: The database is away, or refused a migration.
    """
    return await asyncio.to_thread(_migrate, database, package, schema, only)


def _migrate(database: Database, package: str, schema: str, only: Collection[str] | None) -> list[str]:
    with translated(), _alone(database, schema), as_file(files(package) / "migrations") as folder:
        return _apply(database, str(folder), schema, only)


@contextmanager
def _alone(database: Database, schema: str) -> Iterator[None]:
    """Hold the schema's advisory lock, which ends with the connection even if the process is killed."""
    key = xxhash.xxh3_64_intdigest(f"kaiser.migrations.{schema}".encode()) >> 1
    with psycopg.connect(database.conninfo(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (key,))
        if connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        yield


def _apply(database: Database, folder: str, schema: str, only: Collection[str] | None) -> list[str]:
    # yoyo costs 15 MB of memory for these milliseconds, so it is imported late.
    from yoyo import read_migrations  # noqa: PLC0415
    from yoyo.connections import DatabaseURI  # noqa: PLC0415

    from kaiser.timescale.applying import AtomicBackend  # noqa: PLC0415

    given = conninfo_to_dict(database.conninfo())
    uri = DatabaseURI(
        scheme="postgresql+psycopg",
        username=given.pop("user", None),
        password=given.pop("password", None),
        hostname=given.pop("host", None),
        port=given.pop("port", None),
        database=given.pop("dbname", None),
        args={**given, "schema": _SEARCH_PATH.format(f'"{schema}"')},
    )
    with AtomicBackend(uri, "_yoyo_migration") as backend:
        backend.init_database()
        backend.break_lock()  # of a process that was killed amid a migration: the advisory lock says it is gone
        known = read_migrations(folder)
        pending = backend.to_apply(known if only is None else known.filter(lambda each: each.id in only))
        with backend.lock():
            backend.apply_migrations(pending)
        return [migration.id for migration in pending]
