"""Answers why a rule ran, or did not, in the past: what was recorded of it, and what the log shows that it saw."""

from typing import Final

import structlog

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleFact
from kaiser.contracts.logic import ExplainQuery, Explanation, RunView
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Rule
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import EventLog, replay
from kaiser.logic.definitions import Life, folded
from kaiser.logic.past.jobs import Job, Tried
from kaiser.logic.past.processes import Processes
from kaiser.logic.queries import Queries
from kaiser.logic.retelling import judged, why_it_ran, without_a_version
from kaiser.logic.rules import fact_of
from kaiser.logic.times import SECOND
from kaiser.service.settings import NatsSettings
from kaiser.timescale import DatabaseAway

_log = structlog.get_logger(__name__)

LOOK_S: Final = 6 * 3600
"""What a condition remembers without a span of its own, as the side of a hysteresis, is looked for so far back."""


class Hindsight:
    """Explains the past.

    Args:
        queries: Runs and skips.
        log: Which version was live.
        processes: Where the log is looked at.
        nats: The log, for the processes.
    """

    def __init__(self, queries: Queries, log: EventLog, processes: Processes, nats: NatsSettings) -> None:
        self._queries = queries
        self._log = log
        self._processes = processes
        self._nats = nats

    async def explain(self, asked: ExplainQuery, now: int) -> Explanation:
        """Why a run was, or why a rule did what it did at a moment. What it does now, the engine knows.

        Raises:
            Refusal: RUN_NOT_FOUND, VALUE_OUT_OF_RANGE; what is wrong where the past is not to be had.
            DatabaseAway: A run is asked for, and the table is away.
        """
        if asked.run_id is not None:
            return why_it_ran(await self._queries.run(asked.rule_id, asked.run_id))
        if not 0 < asked.at <= now:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, "the moment has to be past", "at")
        life = await self._life(asked.rule_id, asked.at)
        absent = without_a_version(life, asked.rule_id, asked.at)
        if absent is not None:
            return absent
        rule = life.versions[life.live].rule
        look = await self._look(asked.rule_id, life.live, rule, asked.at)
        return judged(look, await self._recorded(asked.rule_id, asked.at), rule, asked.at)

    async def _life(self, rule_id: str, at: int) -> Life:
        """What had become of a rule by a moment."""
        facts: list[RuleFact] = []
        async for delivery in replay(self._log, LOGIC.name, subjects=(subjects.rule_of(rule_id),)):
            if delivery.stored_at > at:
                break
            facts.append(fact_of(delivery))
        return folded(facts)

    async def _look(self, rule_id: str, version: int, rule: Rule, at: int) -> Explanation:
        job = Job(
            nats_url=self._nats.url,
            nats_user=self._nats.user,
            nats_password=self._nats.password,
            what="explain",
            rule_id=rule_id,
            tried=(Tried(version, rule),),
            start=at - LOOK_S * SECOND,
            end=at + 1,
        )
        return await self._processes.do(job, Explanation)

    async def _recorded(self, rule_id: str, at: int) -> list[RunView]:
        """Runs and skips; none while the table is away, for what the condition was is an answer, too."""
        try:
            return await self._queries.around(rule_id, at)
        except DatabaseAway as away:
            _log.warning("a moment is explained without what was recorded", rule=rule_id, reason=str(away))
            return []
