"""The schemas of a projection: the one in use, the one that is built, the one that is kept."""

from collections.abc import Mapping
from typing import Final, LiteralString

import msgspec
import xxhash
from psycopg import AsyncConnection, sql

from kaiser.timescale import translated

NEXT: Final = "_next"
OLD: Final = "_old"
_PASSING: Final = "_passing"

LOCK_MS: Final = 700
"""Patience with writers that are to be kept out: less than what PostgreSQL waits before it looks for a deadlock."""

_FIND: LiteralString = """
SELECT n.nspname, n.nspowner::regrole::text, obj_description(n.oid, 'pg_namespace'),
       coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
                 WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'm')), 0)::bigint
       + coalesce((SELECT sum(pg_total_relation_size(format('%%I.%%I', h.chunk_schema, h.chunk_name)::regclass))
                   FROM timescaledb_information.chunks h WHERE h.hypertable_schema = n.nspname), 0)::bigint
FROM pg_namespace n
WHERE n.nspname = ANY(%s)
"""
_TABLES: LiteralString = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relname LIKE '%%yoyo%%'
ORDER BY c.relname
"""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is noted on a schema, as its comment.

    Attributes:
        built_by: Digest of the code that fills it; what other code began is not gone on with.
        lives: When each stream was made, unix microseconds: sequences of another life mean something else.
    """

    built_by: str
    lives: dict[str, int]


class Schema(msgspec.Struct, frozen=True):
    """A schema that is there.

    Attributes:
        name: Its name.
        owner: The service's role.
        note: What is noted on it; None for nothing that can be read.
        size_bytes: Of its tables, with indexes.
    """

    name: str
    owner: str
    note: Note | None
    size_bytes: int


async def find(connection: AsyncConnection, name: str) -> dict[str, Schema]:
    """What there is of a projection, by name."""
    names = [name, name + NEXT, name + OLD]
    with translated():
        rows = await (await connection.execute(_FIND, (names,))).fetchall()
    return {row[0]: Schema(row[0], row[1], _note(row[2]), row[3]) for row in rows}


def _note(comment: str | None) -> Note | None:
    try:
        return msgspec.json.decode(comment or "", type=Note)
    except msgspec.DecodeError:
        return None


async def create(connection: AsyncConnection, name: str, owner: str, note: Note) -> None:
    """Make an empty schema of the service's role."""
    made, text = sql.Identifier(name), sql.Literal(msgspec.json.encode(note).decode())
    with translated():
        async with connection.transaction():
            await connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(made, sql.Identifier(owner)))
            await connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(made, text))


async def drop(connection: AsyncConnection, name: str) -> None:
    """Drop a schema and everything in it, table by table: all at once would need more locks than there are."""
    with translated():
        for table in await tables(connection, name):
            await connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(name, table)))
        await connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


async def tables(connection: AsyncConnection, name: str) -> list[str]:
    """Its tables, without those of the migrations."""
    with translated():
        return [row[0] for row in await (await connection.execute(_TABLES, (name,))).fetchall()]


async def analyse(connection: AsyncConnection, name: str) -> None:
    """Let the planner know the tables before anybody asks for them."""
    with translated():
        for table in await tables(connection, name):
            await connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name, table)))


async def positions(connection: AsyncConnection, name: str) -> dict[str, int]:
    """How far each consumer is in the tables of a schema."""
    asked = sql.SQL("SELECT consumer, stream_seq FROM {}").format(sql.Identifier(name, "progress"))
    with translated():
        return {row[0]: row[1] for row in await (await connection.execute(asked)).fetchall()}


async def alone(connection: AsyncConnection, name: str) -> bool:
    """Whether nobody else rebuilds this projection; from now on until the connection ends nobody else can."""
    key = xxhash.xxh3_64_intdigest(f"kaiser.rebuild.{name}".encode()) >> 1
    with translated():
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (key,))).fetchone()
    return row == (True,)


async def keep_writers_out(connection: AsyncConnection, name: str) -> None:
    """Within a transaction: return when nobody writes to the schema and nobody can until it ends; readers can.

    Raises:
        DatabaseAway: Somebody writes for longer than is waited for.
    """
    locked = sql.SQL(", ").join(
        sql.SQL("ONLY {}").format(sql.Identifier(name, t)) for t in await tables(connection, name)
    )
    with translated():
        await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_MS)))
        await connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(locked))


async def set_back(connection: AsyncConnection, name: str, floors: Mapping[str, int]) -> None:
    """Within a transaction: note from where a schema that is put away can be caught up.

    Args:
        connection: In the transaction.
        name: Of the schema.
        floors: Sequence by consumer up to which everything was acknowledged; what is behind may be in it or not.
    """
    update = sql.SQL("UPDATE {} SET stream_seq = least(stream_seq, %s) WHERE consumer = %s").format(
        sql.Identifier(name, "progress")
    )
    with translated():
        for consumer, floor in floors.items():
            await connection.execute(update, (floor, consumer))


async def exchange(connection: AsyncConnection, name: str, coming: str, note: Note) -> None:
    """Within a transaction: put a schema in the place of the one in use, which becomes the old one.

    Args:
        connection: In the transaction.
        name: The one in use.
        coming: The one that is to be.
        note: For the one that is put away.
    """
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    steps = ((name, name + _PASSING), (coming, name), (name + _PASSING, name + OLD))
    with translated():
        for before, after in steps:
            await connection.execute(rename.format(sql.Identifier(before), sql.Identifier(after)))
        text = sql.Literal(msgspec.json.encode(note).decode())
        await connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(name + OLD), text))
