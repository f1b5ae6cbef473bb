"""Writes events of safety, each decided on everything that was written before it.

The fence is around the whole stream: a decision is stored only if nothing else was since the state that it was made of.
An emergency stop, other limits, another leader or this one's own stop in between make it be decided again. So nobody
can switch something on that an event with a smaller sequence forbids, and a leader whose time is over decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from kaiser.contracts.streams import SAFETY
from kaiser.eventlog import ConcurrencyConflict, EventLog, Expectation, publish_atomically
from kaiser.safety.events import Fact, event_of

_log = structlog.get_logger(__name__)

MOST_CONFLICTS: Final = 20
MOST_AT_ONCE: Final = 500
"""Events of one batch; the server takes 1,000."""
EVERYTHING: Final = SAFETY.subjects[0]

Numbered = tuple[int, Fact]
"""Sequence in SAFETY and event."""
Decide = Callable[[], Sequence[Fact]]
"""Called without waiting in between: what follows from the state as it is at this moment."""


class Known(Protocol):
    """The state that decisions are made of."""

    @property
    def safety_seq(self) -> int:
        """Sequence of the last event of SAFETY that is in it."""
        ...

    def wrote(self, facts: Sequence[Numbered]) -> None:
        """Take in what was written, unless it was read already."""
        ...

    async def catch_up(self) -> None:
        """Return when everything that SAFETY holds now is in it."""
        ...


class Writer:
    """Writes one batch after the other.

    Args:
        log: The connection.
        known: The state.
        trace: Tells the ``traceparent`` that an event follows from; none where nothing is traced.
    """

    def __init__(self, log: EventLog, known: Known, trace: Callable[[Fact], str] | None = None) -> None:
        self._log = log
        self._known = known
        self._trace = trace or _untraced
        self._turn = asyncio.Lock()
        self.conflicts = 0
        """How often somebody else was faster."""

    async def write(self, decide: Decide) -> Sequence[Numbered]:
        """Write what is decided, all of it or nothing.

        Args:
            decide: Asked again if others wrote meanwhile; what it says is cut off at 500 events.

        Returns:
            What was written; empty where nothing follows.

        Raises:
            ConcurrencyConflict: Others were faster every time.
            LogFull: The stream took no more.
            PublishRefused: The server refuses the events.
        """
        async with self._turn:
            for attempt in range(MOST_CONFLICTS):
                facts = decide()[:MOST_AT_ONCE]
                if not facts:
                    return ()
                try:
                    events = [event_of(fact, self._trace(fact)) for fact in facts]
                    expect = Expectation(self._known.safety_seq, EVERYTHING)
                    last = (await publish_atomically(self._log, events, expect=expect)).seq
                except ConcurrencyConflict as conflict:
                    self.conflicts += 1
                    if attempt == MOST_CONFLICTS - 1:
                        raise
                    _log.info("somebody else wrote, deciding again", reason=str(conflict))
                    await self._known.catch_up()
                    continue
                written = [(last - len(facts) + 1 + i, fact) for i, fact in enumerate(facts)]
                self._known.wrote(written)
                return written
        raise AssertionError("unreachable")  # the last round returns or raises


def _untraced(_: Fact) -> str:
    """Stands where nobody traces."""
    return ""
