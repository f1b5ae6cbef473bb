"""Writes what the engine decides, fenced: whoever leads no more writes nothing more.

Each term begins with an event of ``logic.order``, stored only if nothing else was in all of LOGIC since the last that
this instance knows. From then on everything is stored only if that is still the last event of the order, or one that
this instance wrote itself: with the next term it is not.

What is decided at one look is sent without waiting in between: the server takes it in that order. (An atomic batch
would be forced to the disk, which takes fifty times as long as to store it.) Whoever dies in the middle leaves the
beginning of it. Each event has the mark of the whole look, so that the next leader comes to the same decisions, and
writes those that are missing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.logic import Decision, EngineResumed, OfRun, TakenLate
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import (
    ConcurrencyConflict,
    Event,
    EventLog,
    Expectation,
    LogFull,
    new_id,
    replay,
)
from kaiser.logic import marks
from kaiser.logic.following import LostTrackError
from kaiser.logic.marks import Mark
from kaiser.logic.written import SUBJECTS

_log = structlog.get_logger(__name__)

ORDER, RUN = KINDS = (False, True)
"""Events of the order go before decisions, so that no decision is there without what led to it."""
EVERYTHING: Final = LOGIC.subjects[0]
SOURCE: Final = "kaiser/logic"
AGAIN_S: Final = 0.5


class Writer:
    """Writes for one term.

    Args:
        log: The connection.
        mark: Where the instance is that begins to lead.
        ttl_s: How long decisions are kept, seconds.
        trace: Tells the ``traceparent`` of a run; none where nothing is traced.

    Attributes:
        order_seq: Sequence of the last event of the order.
        seq: Sequence of the last event that was written.
        written: Events so far.
    """

    def __init__(self, log: EventLog, mark: Mark, ttl_s: int, trace: Callable[[str], str] | None = None) -> None:
        self.order_seq = mark.order_seq
        self.seq = mark.seq
        self.written = 0
        self._log = log
        self._ttl_s = ttl_s
        self._term = new_id()
        self._trace = trace

    async def begin(self, decisions: Sequence[Decision], mark: Mark, known_to: int) -> None:
        """Write the first decisions of a term.

        Args:
            decisions: ``EngineResumed`` first.
            mark: Where the engine is behind them.
            known_to: Sequence up to which everything in LOGIC is known.

        Raises:
            LostTrackError: Something came in between.
        """
        await self._write(decisions, mark, Expectation(known_to, EVERYTHING))

    async def write(self, decisions: Sequence[Decision], mark: Mark) -> None:
        """Write decisions, and return when they are stored, which may take as long as an outage.

        Raises:
            LostTrackError: Another instance leads.
        """
        await self._write(decisions, mark, None)

    async def _write(self, decisions: Sequence[Decision], mark: Mark, fence: Expectation | None) -> None:
        events = {kind: [self._event(each, mark) for each in decisions if _is_run(each) is kind] for kind in KINDS}
        for event in events[ORDER]:
            # One after the other: each is fenced by the one before
            self.seq = self.order_seq = await self._store([event], fence or self._fence())
            fence = None
        if events[RUN]:
            self.seq = await self._store(events[RUN], self._fence())
        self.written += len(decisions)

    def _event(self, decision: Decision, mark: Mark) -> Event:
        """A decision as an event of the log, with the mark of its write.

        Its id names the term: whoever comes to the fence looks whether its own events are stored after all. With the
        number alone, a leader that was frozen would find another's decision and take it for its own.
        """
        if isinstance(decision, TakenLate | EngineResumed):
            subject, name = subjects.LOGIC_ORDER, new_id()
        else:
            subject, name = subjects.run(decision.rule_id), f"logic-{decision.n}-{self._term}"
        return Event(
            id=name,
            subject=subject,
            type=decision.TYPE,
            data=encode(decision),
            source=SOURCE,
            time=decision.at,
            headers=marks.headers(mark, self._ttl_s),
            traceparent=self._trace(decision.run_id) if self._trace and isinstance(decision, OfRun) else "",
        )

    def _fence(self) -> Expectation:
        return Expectation(self.order_seq, subjects.LOGIC_ORDER)

    async def _store(self, events: list[Event], expect: Expectation) -> int:
        """Store events; the sequence of the last one."""
        while True:
            try:
                acks = await self._log.publish_all(events, expect=[expect] * len(events))
            except ConcurrencyConflict as conflict:
                last = await self._stored_after_all({event.id for event in events})
                if last:
                    return last
                raise LostTrackError(f"another instance has written: {conflict}") from conflict
            except LogFull as full:
                _log.error("decisions wait, the log takes no more", reason=str(full))
                await asyncio.sleep(AGAIN_S)
            else:
                return max(ack.seq for ack in acks)

    async def _stored_after_all(self, ids: set[str]) -> int:
        """Sequence of the last of these events, where only answers were lost; 0 where one is not stored."""
        found: dict[str, int] = {}
        messages = replay(self._log, LOGIC.name, subjects=SUBJECTS, from_seq=self.seq + 1, headers_only=True)
        async for delivery in messages:
            if delivery.id in ids:
                found[delivery.id] = delivery.seq
        return max(found.values()) if found.keys() == ids else 0


def _is_run(decision: Decision) -> bool:
    return not isinstance(decision, TakenLate | EngineResumed)
