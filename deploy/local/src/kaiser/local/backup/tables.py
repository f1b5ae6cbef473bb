"""Tables of all services: copied out in one transaction, and copied in again.

Not by pg_dump: the rows of a hypertable are in chunks outside of its schema, so that a dump of a schema has none of
them, and a dump of the whole database goes with TimescaleDB's version, licence and catalogue. Rows as text go into any
of them, and tables are made by the migrations that made them at first. No table has a sequence of its own.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.manifest import Piece, TablePart, read_piece, write_pieces
from kaiser.local.postgres import SCHEMAS
from kaiser.storage import Store
from kaiser.timescale import Database, TimescaleError, migrate

LEVEL: Final = 3
MIGRATIONS: Final = "_yoyo_migration"

_TABLES: Final = """
SELECT n.nspname, c.relname,
    array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND c.relname !~ '^_?yoyo_'
GROUP BY 1, 2
ORDER BY 1, 2
"""


class Snapshot:
    """The database as it is at one moment.

    Args:
        connection: A connection in a transaction of its own, which sees nothing that comes later.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def migrations(self) -> dict[str, tuple[str, ...]]:
        """Migrations that were applied, by schema."""
        return {schema: found for schema in SCHEMAS if (found := applied(self._connection, schema))}

    def copy(self, store: Store, id_: str) -> tuple[TablePart, ...]:
        """Write all tables into a backup.

        Raises:
            StoreError: The store cannot be written.
            psycopg.Error: The database is away.
        """
        found = self._connection.execute(_TABLES, (list(SCHEMAS),)).fetchall()
        return tuple(self._table(store, id_, schema, name, columns) for schema, name, columns in found)

    def _table(self, store: Store, id_: str, schema: str, name: str, columns: Sequence[str]) -> TablePart:
        query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_columns(columns), sql.Identifier(schema, name))
        with self._connection.cursor() as cursor:
            with cursor.copy(query) as copy:
                pieces = write_pieces(store, id_, f"tables/{schema}.{name}", _compressed(copy))
            rows = cursor.rowcount
        return TablePart(schema=schema, name=name, columns=tuple(columns), rows=rows, pieces=pieces)


def applied(connection: psycopg.Connection, schema: str) -> tuple[str, ...]:
    """Migrations of a schema that were applied; none where it was never used."""
    table = sql.Identifier(schema, MIGRATIONS)
    if connection.execute("SELECT to_regclass(%s)", (f"{schema}.{MIGRATIONS}",)).fetchone() == (None,):
        return ()
    query = sql.SQL("SELECT migration_id FROM {} ORDER BY 1").format(table)
    return tuple(row[0] for row in connection.execute(query).fetchall())


def full_tables(connection: psycopg.Connection) -> list[str]:
    """Tables that have rows."""
    found = connection.execute(_TABLES, (list(SCHEMAS),)).fetchall()
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})")
    return [
        f"{schema}.{name}"
        for schema, name, _ in found
        if connection.execute(query.format(sql.Identifier(schema, name))).fetchone() == (True,)
    ]


async def make_tables(database: Database, migrations: dict[str, Sequence[str]]) -> None:
    """Make the tables as they were: by the migrations that had been applied, and no later one.

    Args:
        database: Where; the role may become each service's.
        migrations: By schema.

    Raises:
        BackupError: This release does not know one of them, or the database refuses.
    """
    for schema, wanted in migrations.items():
        # As the schema's owner, so that its service owns what is made
        of_service = _as_role(database, SCHEMAS[schema])
        try:
            await migrate(of_service, package=f"kaiser.{schema}", schema=schema, only=wanted)
        except TimescaleError as error:
            raise BackupError(f"the tables of {schema} cannot be made: {error}") from error
        with psycopg.connect(database.conninfo()) as connection:
            missing = sorted(set(wanted) - set(applied(connection, schema)))
        if missing:
            raise BackupError(f"this release does not know {', '.join(missing)} of {schema}: take a newer one")


def fill(connection: psycopg.Connection, store: Store, id_: str, tables: Sequence[TablePart]) -> None:
    """Write rows into tables that are there, in the connection's transaction.

    Raises:
        BackupError: A piece is not what it was, or other rows arrived than were there.
        psycopg.Error: The database is away, or refuses.
    """
    for table in tables:
        with connection.cursor() as cursor:
            target = sql.Identifier(table.schema, table.name)
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(target, _columns(table.columns))) as copy:
                for block in _expanded(store, id_, table.pieces):
                    copy.write(block)
            query = sql.SQL("SELECT count(*) FROM {}").format(target)
            if cursor.execute(query).fetchone() != (table.rows,):
                raise BackupError(f"{table.schema}.{table.name} does not have its {table.rows} rows")


def _columns(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _as_role(database: Database, role: str) -> Database:
    dsn = psycopg.conninfo.make_conninfo(database.dsn, options=f"-c role={role}")
    return Database(dsn=dsn, password=database.password, application_name=database.application_name)


def _compressed(blocks: Any) -> Iterator[bytes]:  # a psycopg.Copy, which is no iterator by its types
    press = zlib.compressobj(LEVEL)
    for block in blocks:
        yield press.compress(bytes(block))
    yield press.flush()


def _expanded(store: Store, id_: str, pieces: Sequence[Piece]) -> Iterator[bytes]:
    press = zlib.decompressobj()
    for piece in pieces:
        yield press.decompress(read_piece(store, id_, piece))
    yield press.flush()
