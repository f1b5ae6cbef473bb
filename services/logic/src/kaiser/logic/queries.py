"""What rules did and why they did not, from the table."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts import cursors
from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleSkipped, RunEnded
from kaiser.contracts.logic import RunsQuery, RunView, Told
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.logic import statements
from kaiser.logic.backtest import begun
from kaiser.logic.recording import decoder
from kaiser.timescale import Instant, Pool

Row = tuple[Any, ...]  # columns of many types

MOST_ITEMS: Final = 1_000
MOST_DECISIONS: Final = 5_000
MOST_BYTES: Final = 700_000
"""A reply is one NATS message of at most 1 MiB, so a page may be shorter than asked for; its cursor leads on."""
_NEWEST: Final = (1 << 63) - 1
_LATEST_US: Final = 253_402_300_799_000_000

_RUNS: Final = statements.read("run_list")
_DECISIONS: Final = statements.read("run_decisions")
_RUN: Final = statements.read("run")


class Queries:
    """Answers from the table; every method raises DatabaseAway while it is away.

    Args:
        pool: Connections.
        most_decisions: On a page.
    """

    def __init__(self, pool: Pool, *, most_decisions: int = MOST_DECISIONS) -> None:
        self._pool = pool
        self._most = most_decisions

    async def runs(self, asked: RunsQuery, now: int) -> Page[RunView]:  # noqa: ARG002  # one face for all
        """Runs and skips, newest first, each with what it decided as far as a page holds it.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        if not 1 <= asked.limit <= MOST_ITEMS:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, f"the limit must be between 1 and {MOST_ITEMS}", "limit")
        at, n = cursors.read(asked.cursor, (int, int)) or (_LATEST_US, _NEWEST)
        span = (Instant(asked.start), Instant(asked.end or _LATEST_US))
        lists = [
            await self._rows(_RUNS, (Instant(at), n, asked.rule_id, outcome, *span, asked.limit + 1))
            for outcome in sorted({*asked.outcomes, asked.outcome} - {None}, key=str) or (None,)
        ]
        found = sorted((row for rows in lists for row in rows), key=_age, reverse=True)[: asked.limit + 1]
        views = [view_of(row) for row in found[: asked.limit]]
        decided = await self._decisions(views, newest=True)
        if len(decided) == self._most:  # whatever began before the oldest of them misses some
            known = sum(row[1] >= decided[0][4] for row in found[: asked.limit])
            views = views[: max(1, known)]
        kept = filled(views, [row[:4] for row in decided])
        more = len(found) > len(kept)
        last = found[len(kept) - 1] if more else None
        return Page(items=kept, next_cursor=cursors.write(last[0], last[1]) if last else None)

    async def run(self, rule_id: str, run_id: str) -> RunView:
        """One run with everything that it decided.

        Raises:
            Refusal: RUN_NOT_FOUND.
        """
        found = await self._rows(_RUN, (run_id, rule_id))
        if not found:
            raise Refusal(Code.RUN_NOT_FOUND, f"there is no run {run_id}, or it is too long ago", "run_id")
        views = [view_of(found[0])]
        return filled(views, [row[:4] for row in await self._decisions(views)])[0]

    async def around(self, rule_id: str, at: int, *, most: int = 20) -> list[RunView]:
        """Runs and skips of a rule that began by a moment, the latest first, without their decisions but the first.

        Args:
            rule_id: Which rule.
            at: Unix microseconds, inclusive.
            most: How many.
        """
        found = await self._rows(_RUNS, (Instant(at), _NEWEST, rule_id, None, Instant(0), Instant(_LATEST_US), most))
        return [view_of(row) for row in found]

    async def _decisions(self, views: Sequence[RunView], *, newest: bool = False) -> list[Row]:
        """What runs decided, in order: run, sequence, type, body, number; the newest of too many, or the oldest."""
        runs = [view.run_id for view in views if view.run_id]
        if not runs:
            return []
        since = Instant(min(view.started_at for view in views))
        found = await self._rows(_DECISIONS, (runs, since, self._most, -1 if newest else 1))
        return found[::-1] if newest else found

    async def _rows(self, statement: LiteralString, parameters: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(statement, parameters, binary=True)
            return await cursor.fetchall()


def _age(row: Row) -> tuple[int, int]:
    at, n, *_ = row
    return at, n


def view_of(row: Row) -> RunView:
    """A run or a skip, from what began it and what ended it."""
    _, _, seq, kind, body, ended = row
    began = decoder.decode(kind, body.encode())
    if isinstance(began, RuleSkipped):
        return RunView(
            rule_id=began.rule_id,
            version=began.version,
            run_id="",
            branch=began.branch,
            outcome="skipped",
            reason=began.reason,
            detail=began.detail,
            started_at=began.at,
            ended_at=began.at,
            cause=began.cause,
            decisions=[told(seq, kind, body)],
        )
    view = begun(began)
    if ended is None:
        return view
    end: RunEnded = decoder.decode(RunEnded.TYPE, ended.encode())
    return msgspec.structs.replace(view, outcome=end.outcome, reason=end.code, detail=end.detail, ended_at=end.at)


def told(seq: int, kind: str, body: str) -> Told:
    """A decision as others read it."""
    return Told(type=kind, decision=msgspec.json.decode(body), seq=seq)


def filled(views: Sequence[RunView], decided: Sequence[Row]) -> list[RunView]:
    """Runs with their decisions, as many as a reply holds; at least the first, as far as it goes.

    Args:
        views: In the order of the page.
        decided: Run, sequence, type and body, in order.
    """
    by_run: dict[str, list[tuple[int, str, str]]] = {}
    for run_id, *decision in decided:
        by_run.setdefault(run_id, []).append(tuple(decision))
    kept: list[RunView] = []
    room = MOST_BYTES
    for view in views:
        for seq, kind, body in by_run.get(view.run_id, ()):
            room -= len(body) + 100
            if room < 0:
                break
            view.decisions.append(told(seq, kind, body))
        room -= len(msgspec.json.encode(msgspec.structs.replace(view, decisions=view.decisions[:1])))
        if room < 0 and kept:
            break
        kept.append(view)
    return kept
