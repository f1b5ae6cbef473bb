"""What a rule or a run was at a past time: by its events up to then, and the folds of today."""

from typing import Any, Final, NamedTuple

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleDefined, RunEnded, RunStarted
from kaiser.contracts.logic import RunView
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Rule
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import Delivery, EventLog
from kaiser.logic.backtest import begun
from kaiser.logic.definitions import UNBORN, Life, evolve
from kaiser.logic.queries import Queries, told
from kaiser.logic.recording import decoder
from kaiser.logic.rules import fact_of
from kaiser.service.past import Fold, Past, never, unknown_kind

CLOCKS_DIFFER_US: Final = 60_000_000
MOST_BYTES: Final = 700_000
"""A reply is one NATS message of at most 1 MiB; decisions of a longer run are in its events."""


class RuleThen(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as far as the log has it; what its condition was is ``query.logic.explain``'s to say.

    Attributes:
        rule: The live version, else the newest.
        version: Of ``rule``.
        live: The one that was live; 0 for none.
        removed: Whether it was gone.
    """

    rule_id: str
    rule: Rule
    version: int
    newest: int
    live: int
    author: str
    defined_at: int
    reason: str
    removed: bool


class _RunThen(NamedTuple):
    """A run, and the bytes of the decisions that are shown of it."""

    run: RunView | None = None
    shown: int = 0


class AsOf:
    """Says what was.

    Args:
        log: The connection.
        queries: Know when runs began, from the table.
    """

    def __init__(self, log: EventLog, queries: Queries) -> None:
        self._queries = queries
        self._past = Past(log)

    async def state_at(self, asked: StateAtQuery, now: int) -> StateAt:  # noqa: ARG002  # one face for all
        """What a ``rule`` or a ``run`` was.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE, EVENT_NOT_FOUND, EVENTS_GONE, TOO_MANY_EVENTS, SERVICE_ERROR.
            DatabaseAway: It is a run, and the table is away.
        """
        match asked.kind:
            case "rule":
                return await self._past.answer(asked, _rule(asked.name), lambda life: _then(asked.name, life))
            case "run":
                return await self._past.answer(asked, await self._run(asked), lambda then: then.run)
            case _:
                raise unknown_kind(asked, "logic")

    async def _run(self, asked: StateAtQuery) -> Fold[_RunThen]:
        rule_id, _, _ = asked.name.rpartition(".")[0].rpartition(".")
        try:
            known = await self._queries.run(rule_id, asked.name)
        except Refusal as refusal:
            raise never(asked) if refusal.code == Code.RUN_NOT_FOUND else refusal from None
        return Fold(
            stream=LOGIC.name,
            subjects=(subjects.run(rule_id),),
            initial=_RunThen(),
            decode=lambda delivery: (decoder.decode(delivery.type, delivery.data), delivery),
            evolve=_gone_on,
            begins=lambda told_: isinstance(told_[0], RunStarted),
            about=lambda told_: getattr(told_[0], "run_id", "") == asked.name,
            since=max(1, known.started_at - CLOCKS_DIFFER_US),
        )


def _rule(rule_id: str) -> Fold[Life]:
    return Fold(
        stream=LOGIC.name,
        subjects=(subjects.rule_of(rule_id),),
        initial=UNBORN,
        decode=fact_of,
        evolve=lambda life, fact, _: evolve(life, fact),
        begins=lambda fact: isinstance(fact, RuleDefined),
    )


def _then(rule_id: str, life: Life) -> RuleThen:
    number = life.live or life.newest
    defined = life.versions[number]
    return RuleThen(
        rule_id=rule_id,
        rule=defined.rule,
        version=number,
        newest=life.newest,
        live=life.live,
        author=defined.by,
        defined_at=defined.at,
        reason=defined.reason,
        removed=life.removed,
    )


def _gone_on(then: _RunThen, event: tuple[Any, Delivery], seq: int) -> _RunThen:
    """A run with one decision more."""
    (run, shown), (fact, delivery) = then, event
    if isinstance(fact, RunStarted):
        run = run or begun(fact)
    if run is None:
        return then
    if MOST_BYTES - shown - delivery.size > 0:
        decision = told(seq, delivery.type, delivery.data.decode())
        shown += len(msgspec.json.encode(decision))
        run.decisions.append(decision)
    if isinstance(fact, RunEnded):
        run = msgspec.structs.replace(run, outcome=fact.outcome, reason=fact.code, detail=fact.detail, ended_at=fact.at)
    return _RunThen(run, shown)
