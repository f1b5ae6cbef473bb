"""Whether two schemas hold the same: sums of hashes by chunks of time, then minutes, then rows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import msgspec
from psycopg import AsyncConnection, sql

from kaiser.service.rebuilding.projection import Table
from kaiser.timescale import translated

WIDTHS_S: Final = (86_400, 3600, 60)
PARTS: Final = 256
"""Tables without a time are compared in so many parts, by a hash of the key."""
CLOSE: Final = 1e-9
"""Relative difference of two sums that were added in another order."""
MOST: Final = 1000
"""Differences of a table that are looked for."""

_COLUMNS: LiteralString = """
SELECT a.attname, a.atttypid::regtype::text FROM pg_attribute a
WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attname
"""


class Difference(msgspec.Struct, frozen=True):
    """A row that is not the same.

    Attributes:
        table: Its table.
        key: Its key, as PostgreSQL writes a row.
        what: ``only old``, ``only new`` or ``other``.
    """

    table: str
    key: str
    what: str


class Side:
    """One of the two.

    Args:
        connection: On which its tables are as they are to be compared.
        schema: Its name.
    """

    def __init__(self, connection: AsyncConnection, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    async def oldest(self, table: Table) -> float:
        """Unix seconds of the oldest row; infinite for none."""
        asked = sql.SQL("SELECT extract(epoch FROM min({}))::float8 FROM {}").format(
            sql.Identifier(table.time), sql.Identifier(self._schema, table.name)
        )
        ((found,),) = await self._rows(asked, ())
        return math.inf if found is None else float(found)

    async def sums(self, table: Table, bucket: sql.Composable, where: "Where") -> dict[Any, tuple[Any, ...]]:
        """Count, sum of hashes, and sums of floats, by bucket."""
        asked = sql.SQL("SELECT {}, count(*), sum({}){} FROM {} WHERE {} GROUP BY 1").format(
            bucket, await self._hash(table), _summed(table), sql.Identifier(self._schema, table.name), where.text
        )
        return {row[0]: row[1:] for row in await self._rows(asked, where.values)}

    async def rows(self, table: Table, where: "Where") -> dict[Any, tuple[Any, ...]]:
        """The same of each row, by key."""
        asked = sql.SQL("SELECT {}::text, 1, sum({}){} FROM {} WHERE {} GROUP BY 1").format(
            _row(table.key),
            await self._hash(table),
            _summed(table),
            sql.Identifier(self._schema, table.name),
            where.text,
        )
        return {row[0]: row[1:] for row in await self._rows(asked, where.values)}

    async def _hash(self, table: Table) -> sql.Composable:
        left_out = {*table.ignored, *table.sums}
        found = await self._rows(sql.SQL(_COLUMNS), (self._schema, table.name))
        # json has no hash of its own
        columns = [
            sql.SQL("{}::text" if kind == "json" else "{}").format(sql.Identifier(name))
            for name, kind in found
            if name not in left_out
        ]
        return sql.SQL("hash_record_extended(ROW({}), 0)").format(sql.SQL(", ").join(columns))

    async def _rows(self, asked: sql.SQL | sql.Composed, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with translated():
            return await (await self._connection.execute(asked, values)).fetchall()


class Where(msgspec.Struct, frozen=True):
    """A condition and its values."""

    text: sql.Composable
    values: tuple[object, ...]

    def also(self, text: LiteralString, column: sql.Composable, *values: object) -> "Where":
        """This and another one."""
        both = sql.SQL("{} AND {}").format(self.text, sql.SQL(text).format(column))
        return Where(both, (*self.values, *values))


async def compare(old: Side, new: Side, tables: Sequence[Table], now_s: float) -> list[Difference]:
    """Rows that are not the same, at most :data:`MOST` of a table.

    Args:
        old: What is in use.
        new: What is built, at the same position.
        tables: What to compare.
        now_s: Unix seconds, for what is so old that it may be gone.
    """
    found: list[Difference] = []
    for table in tables:
        everything = Where(sql.SQL("true"), ())
        if table.time:
            begins = now_s - table.keep_s + WIDTHS_S[1] if table.keep_s else -math.inf
            if table.grows:
                begins = max(begins, await old.oldest(table))
            if begins > -math.inf:
                column = sql.Identifier(table.time)
                everything = everything.also("{} >= to_timestamp(%s)", column, min(begins, now_s + 86_400 * 36_500))
        found += await _within(old, new, table, everything, 0)
    return found


async def _within(old: Side, new: Side, table: Table, where: Where, level: int) -> list[Difference]:
    if level == (len(WIDTHS_S) if table.time else 1):
        before, after = await old.rows(table, where), await new.rows(table, where)
        keys = sorted(key for key in before.keys() | after.keys() if not same(before.get(key), after.get(key)))
        return [Difference(table.name, key, _what(before.get(key), after.get(key))) for key in keys[:MOST]]
    bucket, narrow = _bucket(table, level)
    before, after = await old.sums(table, bucket, where), await new.sums(table, bucket, where)
    found: list[Difference] = []
    for part in sorted(part for part in before.keys() | after.keys() if not same(before.get(part), after.get(part))):
        found += await _within(old, new, table, where.also(narrow[0], narrow[1], *narrow[2](part)), level + 1)
        if len(found) >= MOST:
            return found[:MOST]
    return found


def _bucket(table: Table, level: int) -> tuple[sql.Composable, tuple[LiteralString, sql.Composable, Any]]:
    """What rows are grouped by, and how one group is asked for."""
    if table.time:
        column, width = sql.Identifier(table.time), WIDTHS_S[level]
        bucket = sql.SQL("extract(epoch FROM time_bucket(make_interval(secs => {}), {}))::bigint").format(
            sql.Literal(width), column
        )
        within: LiteralString = "{0} >= to_timestamp(%s) AND {0} < to_timestamp(%s)"
        return bucket, (within, column, lambda part: (part, part + width))
    part_of = sql.SQL("(hash_record_extended({}, 0) & {})").format(_row(table.key), sql.Literal(PARTS - 1))
    return part_of, ("{} = %s", part_of, lambda part: (part,))


def _row(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))


def _summed(table: Table) -> sql.Composable:
    """Each sum, and that of its absolute values, to which a difference is small."""
    both = sql.SQL(", sum({0}), sum(abs({0}))")
    return sql.Composed([both.format(sql.Identifier(name)) for name in table.sums])


def same(before: tuple[Any, ...] | None, after: tuple[Any, ...] | None) -> bool:
    """Whether count and hashes are equal, and sums of floats close to each other."""
    if before is None or after is None or before[:2] != after[:2]:
        return False
    sums = zip(before[2::2], before[3::2], after[2::2], strict=True)
    return all(_close(mine, size, theirs) for mine, size, theirs in sums)


def _close(mine: float | None, size: float | None, theirs: float | None) -> bool:
    if mine is None or theirs is None or size is None:
        return mine is theirs
    return mine == theirs or (math.isnan(mine) and math.isnan(theirs)) or abs(mine - theirs) <= CLOSE * size


def _what(before: object, after: object) -> str:
    if before is None:
        return "only new"
    return "only old" if after is None else "other"


def persisting(earlier: Sequence[Difference], later: Sequence[Difference]) -> list[Difference]:
    """Those of two rounds that do not pass, as a row does that one side has not seen yet."""
    many = _tables_with_many(earlier) | _tables_with_many(later)
    known = set(earlier)
    return [each for each in later if each in known or each.table in many]


def _tables_with_many(found: Sequence[Difference]) -> set[str]:
    counts: Mapping[str, int] = {
        table: sum(each.table == table for each in found) for table in {e.table for e in found}
    }
    return {table for table, count in counts.items() if count >= MOST}
