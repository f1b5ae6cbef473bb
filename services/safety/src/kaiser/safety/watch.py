"""Looks at what runs, whenever something changed and whenever a time has come, and stops what must not go on."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.eventlog import EventLogError, now_us
from kaiser.safety import watching, worries
from kaiser.safety.agenda import Agenda
from kaiser.safety.clocks import RunClock
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.metrics import SafetyMetrics
from kaiser.safety.stints import Stint
from kaiser.safety.watching import Look
from kaiser.safety.writing import MOST_AT_ONCE, Writer

_log = structlog.get_logger(__name__)

TICK_S: Final = 0.25
"""Longest wait between two looks at the clock, by the monotonic one: a wall clock that was set is noticed then."""
EVERYTHING_S: Final = 5.0
"""Every actuator is looked at so often, a few at a time, whatever was overlooked."""
AGAIN_S: Final = 1.0


class Watch:
    """Watches while this instance leads.

    Args:
        followed: What is known.
        writer: Where stops go.
        metrics: Where to count.

    Attributes:
        stint: How long what it has found waits to be stored.
    """

    def __init__(self, followed: Followed, writer: Writer, metrics: SafetyMetrics) -> None:
        self.stint = Stint()
        self._followed = followed
        self._writer = writer
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._clock = RunClock()
        self._turn: list[ActuatorRef] = []
        self._turn_at = 0.0
        self._agenda = Agenda()
        followed.on_change.append(self._wake.set)

    async def run(self) -> None:
        """Watch, until cancelled."""
        everything = True
        self.stint.done()
        while True:
            try:
                self.stint.begin(time.monotonic())
                # What one batch had no room for was looked at, and is not stopped
                everything = await self._step(self._all() if everything else self._some()) >= MOST_AT_ONCE
                self.stint.done()
            except EventLogError as error:
                _log.warning("stops wait for the log", reason=repr(error))
                everything = True
                await asyncio.sleep(AGAIN_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _step(self, refs: Collection[ActuatorRef]) -> int:
        """Store what is found, and return how many events that was."""
        if not refs:
            return 0
        looked = sorted(refs)
        written = await self._writer.write(lambda: self._found(looked))
        self._metrics.wrote(written)
        for _, fact in written:
            _log.info("safety acts", what=fact.TYPE, rule=getattr(fact, "rule", ""), esp_id=getattr(fact, "esp_id", ""))
        return len(written)

    def _all(self) -> Collection[ActuatorRef]:
        self._agenda.clear()
        self._followed.touched()
        return tuple(self._followed.state.actuators())

    def _some(self) -> Collection[ActuatorRef]:
        """What changed and what it concerns, whose time has come, and a few of all in turn."""
        state, now, clock = self._followed.state, now_us(), time.monotonic()
        found = set(watching.concerned(state, self._followed.touched())) | self._agenda.due(now)
        if clock >= self._turn_at:
            self._turn_at = clock + TICK_S
            if not self._turn:
                self._turn = list(state.actuators())
            share = 1 + len(state.views) * TICK_S // EVERYTHING_S
            found.update(self._turn.pop() for _ in range(min(int(share), len(self._turn))))
        return found

    def _found(self, refs: Sequence[ActuatorRef]) -> Sequence[Fact]:
        state, now, clock = self._followed.state, now_us(), time.monotonic_ns() // 1000
        facts: list[Fact] = []
        for ref in refs:
            seen = watching.look(state, ref, self._clock.now(ref, state.view(ref).since, now, clock))
            if seen.stop is not None:
                facts.append(self._stop(seen, now))
            elif seen.next_at:
                self._agenda.plan(ref, seen.next_at)
        facts += worries.alarms(state, self._followed.alerts, refs, now)
        return facts

    def _stop(self, seen: Look, now: int) -> Fact:
        state, ref = self._followed.state, seen.ref
        assert seen.stop is not None
        name = watching.stop_id(ref, state.guard(ref), state.view(ref), seen.stop.rule)
        return watching.stopped(state, seen, now, stop_id=name)
