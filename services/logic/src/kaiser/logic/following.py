"""An engine that is where the one of the leader is, or a moment behind: the same messages in the same order.

Every instance has one. It goes on from a checkpoint, and from mark to mark of whoever leads. To lead is to go on from
the last mark in the log: what comes behind it happened while nobody decided.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Self

import structlog

from kaiser.contracts.events.logic import Decision, EngineResumed, RunDecision, TakenLate
from kaiser.contracts.rules.parts import FRESH_S
from kaiser.eventlog import Delivery, EventLog, now_us
from kaiser.logic.checkpoints import Checkpoint
from kaiser.logic.conditions import Evaluator
from kaiser.logic.engine import Engine
from kaiser.logic.inflow import Hear, Inflow
from kaiser.logic.marks import Mark
from kaiser.logic.ordering import Order, replay
from kaiser.logic.recollecting import Recollection
from kaiser.logic.times import SECOND
from kaiser.logic.written import Written, recollected

_log = structlog.get_logger(__name__)

LOOK_BACK: Final = FRESH_S * SECOND
"""Whoever has no checkpoint reads readings from so long before the oldest run under way, or before now, on: as long as
they count unless a rule says otherwise."""
MOST_LOOK_BACK: Final = 6 * 3600 * SECOND
LOOK_S: Final = 0.5
"""Longest wait for more between two looks at whether there is any."""


class LostTrackError(Exception):
    """This engine is not where those are that wrote the log: it has to begin anew."""


class Following:
    """One engine and what feeds it; an async context.

    Args:
        log: The connection.
        plugins: Conditions of others.
        checkpoint: Where to go on from; None to begin with what the log holds.
        on_readings: Told of readings as they come.
        on_delivery: Told of every message as it comes.

    Attributes:
        engine: The engine.
        inflow: What comes.
        written: What instances have written.
    """

    def __init__(
        self,
        log: EventLog,
        plugins: Mapping[str, Evaluator],
        checkpoint: Checkpoint | None,
        on_readings: Hear,
        on_delivery: Callable[[Delivery], None] | None = None,
    ) -> None:
        mark = None if checkpoint is None else checkpoint.mark
        self.engine = Engine(plugins) if checkpoint is None else Engine.restore(bytes(checkpoint.engine), plugins)
        self.inflow = Inflow(log, {} if mark is None else mark.taken, on_readings, on_delivery=on_delivery)
        self.written = Written(log, mark)
        self.mark = mark
        self._log = log
        self._on_readings = on_readings
        self._on_delivery = on_delivery
        self._told = Recollection()
        self._unpublished: list[RunDecision] = []
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self.mark is None:
            await self._begin()
        self._reading = asyncio.create_task(self.inflow.run(), name="logic.inflow")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    @property
    def here(self) -> Mark:
        """Where this engine is."""
        written = self.written
        return Mark(
            clock=self.engine.clock,
            n=self.engine.core.n,
            order_seq=written.order_seq,
            seq=written.seq,
            taken=self.inflow.taken,
        )

    async def reach(self, mark: Mark) -> None:
        """Take what the leader has taken, as it has; nothing where that is known already.

        Raises:
            LostTrackError: This engine came to other decisions, or took what nobody else did.
        """
        if mark.seq > self.written.seq:
            await self.written.catch_up()
        self._check_gaps()
        if mark.order_seq < self.written.term_seq or mark.clock < self.engine.clock:
            return  # of somebody who does not know yet that another one leads
        await self._go_to(mark)
        if self.engine.core.n != mark.n:
            raise LostTrackError(f"{self.engine.core.n} decisions, where the leader came to {mark.n}")
        self._unpublished.clear()
        self.written.forget(mark.clock, mark.n)

    async def take_over(self, *, anyhow: bool = False) -> list[Decision]:
        """Go on where the log ends: take in what happened since, and decide from now on.

        Args:
            anyhow: Go on from here though this is not where the log is, and number on from there. For an engine of
                another release, say, which would have decided something else: better that than to lose the runs.

        Returns:
            What is to be written, as long as nobody else has written anything: ``EngineResumed``, messages that were
            taken late, and decisions.

        Raises:
            LostTrackError: As of :meth:`reach`.
        """
        await self.written.catch_up()
        if not anyhow:
            self._check_gaps()
        if self.written.mark is not None and self.written.mark.seq > (self.mark.seq if self.mark else 0):
            await self._go_to(self.written.mark)
        left = [decision for decision in self._unpublished if decision.n not in self.written.numbers]
        self._unpublished.clear()
        if anyhow:
            left, self.engine.core.n = [], self.written.n
        elif self.engine.core.n < self.written.n:
            raise LostTrackError(f"{self.engine.core.n} decisions, where the log has {self.written.n}")
        self._note(self.engine.tick(self.engine.clock), left)
        self.engine.hold()
        decided = await self._backlog()
        resumed = self.engine.resume(self.inflow.clock.now(now_us()))
        order = [each for each in (*resumed, *decided) if isinstance(each, EngineResumed | TakenLate)]
        runs = [each for each in (*decided, *resumed) if not isinstance(each, EngineResumed | TakenLate)]
        return [*order, *left, *runs]

    async def _begin(self) -> None:
        """Nothing to go on from but the log: what was decided tells where runs are, and readings how things are."""
        told = self._told = await recollected(self._log)
        await self.written.catch_up()
        mark, self.written.mark = self.written.mark, None
        self.engine.recalling.begin(told, 0 if mark is None else mark.clock)
        now = now_us()
        since = max(min(told.oldest or now, now) - LOOK_BACK, now - MOST_LOOK_BACK)
        self.inflow = Inflow(self._log, {}, self._on_readings, on_delivery=self._on_delivery, readings_since=since)

    async def _backlog(self) -> list[Decision]:
        """Take in everything that has come by now."""
        decided: list[Decision] = []
        until = now_us()
        told = deque(self._told.runs)
        while True:
            self.inflow.changed.clear()
            before = self.engine.clock, len(decided)
            for message in self.inflow.due(until):
                while told and told[0].started.at < message.at:
                    self.engine.recalling.run(told.popleft())
                decided += self.engine.take(message.stream, message.seq, message.at, message.event)
            if self.inflow.caught_up and not 0 < self.inflow.next_at() <= until:
                break
            if (self.engine.clock, len(decided)) == before:
                await self.inflow.news(LOOK_S)
            else:
                await asyncio.sleep(0)
        for each in told:
            self.engine.recalling.run(each)
        self.engine.recalling.settle(self._told)
        self._told = Recollection()
        self.inflow.settle()
        return decided

    async def _go_to(self, mark: Mark) -> None:
        """Take what is before a mark, a piece at a time: it may be a lot, and the process has else to do."""
        order = self.written.order()
        gaps = Order(gaps=order.gaps)
        while True:
            self.inflow.changed.clear()
            complete = self.inflow.has(mark.taken)
            piece = list(self.inflow.up_to(mark.taken, order.late))
            if piece:
                self._note(replay(self.engine, piece, order=gaps, until=piece[-1].at), self._unpublished)
                await asyncio.sleep(0)
            elif complete:
                break
            else:
                await self.inflow.news(LOOK_S)
        self._note(replay(self.engine, (), order=gaps, until=mark.clock), self._unpublished)
        self.mark = mark

    def _check_gaps(self) -> None:
        """Nobody may have decided anything at a time that this engine holds for settled."""
        for gap in self.written.order().gaps:
            if gap.since < self.engine.clock < gap.at:
                raise LostTrackError(f"another instance went on from {gap.since}, before {self.engine.clock}")

    @staticmethod
    def _note(decisions: Iterable[Decision], into: list[RunDecision]) -> None:
        into += [each for each in decisions if not isinstance(each, EngineResumed | TakenLate)]
