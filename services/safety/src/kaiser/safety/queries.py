"""What was rejected and stopped, from the table, and what was decided, from the log."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import msgspec
from nats.js.errors import NotFoundError
from psycopg import AsyncRawCursor

from kaiser.contracts import cursors
from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import CommandApproved, CommandRejected
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import DecisionQuery, DecisionView, Violation, ViolationsQuery
from kaiser.contracts.streams import SAFETY
from kaiser.eventlog import EventLog
from kaiser.safety import statements
from kaiser.safety.events import decoder
from kaiser.timescale import Instant, Pool

Row = tuple[Any, ...]  # columns of many types

MOST: Final = 1_000
MOST_IN_REPLY: Final = 500
"""A reply is one NATS message of at most 1 MiB; a violation has a kilobyte at the most."""
_NEWEST: Final = (1 << 63) - 1
_LATEST_US: Final = 253_402_300_799_000_000
_LIST: Final = statements.read("violation_list")


class Queries:
    """Answers from the table and the log.

    Args:
        pool: Connections.
        log: Where decisions are.
    """

    def __init__(self, pool: Pool, log: EventLog) -> None:
        self._pool = pool
        self._log = log

    async def violations(self, asked: ViolationsQuery, now: int) -> Page[Violation]:  # noqa: ARG002  # one face for all
        """Violations, newest first.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
            DatabaseAway: The table is away.
        """
        limit = page_size(asked.limit)
        (before,) = cursors.read(asked.cursor, (int,)) or ((asked.seq + 1) if asked.seq else _NEWEST,)
        wanted = (asked.esp_id, asked.gpio, asked.kind, asked.rule)
        span = (Instant(asked.start), Instant(asked.end or _LATEST_US))
        found = await self._rows(_LIST, (before, *wanted, *span, limit + 1))
        if asked.seq:
            return Page(items=[each for each in map(_violation, found) if each.seq == asked.seq], next_cursor=None)
        items = [_violation(row) for row in found[:limit]]
        return Page(items=items, next_cursor=cursors.write(items[-1].seq) if len(found) > limit else None)

    async def decision(self, asked: DecisionQuery, now: int) -> DecisionView:  # noqa: ARG002  # one face for all
        """What was decided on a command, from the log, which keeps it for ever.

        Raises:
            Refusal: COMMAND_NOT_FOUND.
        """
        try:
            message = await self._log.js.get_msg(SAFETY.name, asked.seq)
            fact = decoder.decode((message.headers or {}).get("ce-type", ""), message.data or b"")
        except (NotFoundError, ValueError):
            fact = None
        if not isinstance(fact, CommandApproved | CommandRejected):
            raise Refusal(Code.COMMAND_NOT_FOUND, f"event {asked.seq} of safety is no decision on a command", "seq")
        approved = isinstance(fact, CommandApproved)
        return DecisionView(
            seq=asked.seq,
            at=fact.at,
            command_id=fact.command_id,
            esp_id=fact.esp_id,
            gpio=fact.gpio,
            approved=approved,
            rule=fact.rule,
            code="" if isinstance(fact, CommandApproved) else fact.code,
            detail="" if isinstance(fact, CommandApproved) else fact.detail,
            saw=fact.saw,
        )

    async def _rows(self, statement: LiteralString, parameters: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(statement, parameters, binary=True)
            return await cursor.fetchall()


def page_size(asked: int) -> int:
    """How many items a page has.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE.
    """
    if not 1 <= asked <= MOST:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"the limit must be between 1 and {MOST}", "limit")
    return min(asked, MOST_IN_REPLY)


def _violation(row: Row) -> Violation:
    seq, at, kind, esp_id, gpio, rule, code, detail, saw, reference, correlation_id, who = row
    return Violation(
        seq=seq,
        at=at,
        kind=kind,
        esp_id=esp_id,
        gpio=gpio,
        rule=rule,
        code=code,
        detail=detail,
        saw=msgspec.json.decode(saw),
        reference=reference,
        correlation_id=correlation_id,
        by=who,
    )
