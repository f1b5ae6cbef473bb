"""Aggregates: state that is what its events made of it, and commands that become events or are refused.

The functions are pure; time, ids and randomness come in with the command. The shell loads the events of one aggregate
(a subject filter such as ``device.k1.ESP_1.*``), lets ``decide`` decide, and stores what it decided only if nobody
wrote to these subjects meanwhile; otherwise it looks again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kaiser.eventlog.answers import Expectation
from kaiser.eventlog.atomic import publish_atomically
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import Event
from kaiser.eventlog.errors import ConcurrencyConflict
from kaiser.eventlog.replay import replay_batches

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("Aggregate", "Executed", "Loaded", "Repository")

MAX_CONFLICTS: Final = 10
REMEMBERED: Final = 4096
"""Aggregates whose state is kept, so that a command reads only what came since."""

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True, kw_only=True)
class Aggregate(Generic[S, C, E]):
    """The pure functions of one kind of aggregate.

    Attributes:
        initial: State before the first event; immutable.
        decide: State and command to events; none means that nothing has to happen. Raises a domain error to refuse.
        evolve: State and event to the next state; must not refuse, for the event has happened.
        encode: Domain event to an event of the log. It gives the same id for the same event.
        decode: Message of the log to a domain event.
    """

    initial: S
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]
    encode: Callable[[E], Event]
    decode: Callable[[Delivery], E]

    def replayed(self, events: Sequence[E], state: S | None = None) -> S:
        """The state that events make of ``state``, or of the initial one."""
        current = self.initial if state is None else state
        for event in events:
            current = self.evolve(current, event)
        return current


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """An aggregate as the log has it.

    Attributes:
        state: What its events made of it.
        last_seq: Stream sequence of the last of them; 0 for none.
    """

    state: S
    last_seq: int


@dataclass(frozen=True)
class Executed(Generic[S, E]):
    """What became of a command.

    Attributes:
        state: State after it.
        events: What it decided, stored now; empty where nothing had to happen.
        last_seq: Stream sequence of the last of them.
    """

    state: S
    last_seq: int
    events: Sequence[E] = field(default_factory=tuple)


class Repository(Generic[S, C, E]):
    """Loads aggregates of one kind from a stream, and executes commands on them.

    Args:
        log: The connection.
        stream: Where their events are.
        aggregate: Their functions.
    """

    def __init__(self, log: "EventLog", stream: str, aggregate: Aggregate[S, C, E]) -> None:
        self._log = log
        self._stream = stream
        self._aggregate = aggregate
        self._known: dict[str, Loaded[S]] = {}

    async def load(self, subjects: str) -> Loaded[S]:
        """The aggregate whose events are on the subjects of a filter."""
        loaded, _ = await self._load(subjects)
        return loaded

    async def execute(
        self, subjects: str, command: C, *, admit: Callable[[int], Awaitable[None]] | None = None
    ) -> Executed[S, E]:
        """Decide on a command, and store what was decided: all of its events or none.

        Args:
            subjects: Filter that the events of the aggregate are on.
            command: What to decide on.
            admit: Raises where the command is not for the aggregate as it is at this sequence.

        Raises:
            ConcurrencyConflict: Others were faster ten times in a row.
            LogFull: The stream took no more.
            PublishRefused: The server refuses the events.
            Exception: Whatever ``decide`` or ``admit`` raises to refuse the command.
        """
        decided: Sequence[E] = ()
        sent: set[str] = set()
        for attempt in range(MAX_CONFLICTS):
            loaded, ids = await self._load(subjects)
            if sent & ids:  # stored after all: only the acknowledgement was lost
                return Executed(loaded.state, loaded.last_seq, decided)
            if admit is not None:
                await admit(loaded.last_seq)
            decided = self._aggregate.decide(loaded.state, command)
            if not decided:
                return Executed(loaded.state, loaded.last_seq)
            events = [self._aggregate.encode(event) for event in decided]
            sent |= {event.id for event in events}
            try:
                expect = Expectation(loaded.last_seq, subjects)
                last_seq = (await publish_atomically(self._log, events, expect=expect)).seq
            except ConcurrencyConflict:
                if attempt == MAX_CONFLICTS - 1:
                    raise
                continue
            after = Loaded(self._aggregate.replayed(decided, loaded.state), last_seq)
            self._remember(subjects, after)
            return Executed(after.state, after.last_seq, decided)
        raise AssertionError("unreachable")  # the last round returns or raises

    async def _load(self, subjects: str) -> tuple[Loaded[S], set[str]]:
        """The aggregate, and the ids of the events that were read for it this time."""
        loaded = self._known.get(subjects) or Loaded(self._aggregate.initial, 0)
        ids: set[str] = set()
        batches = replay_batches(self._log, self._stream, subjects=(subjects,), from_seq=loaded.last_seq + 1)
        async for batch in batches:
            ids.update(delivery.id for delivery in batch)
            events = [self._aggregate.decode(delivery) for delivery in batch]
            loaded = Loaded(self._aggregate.replayed(events, loaded.state), batch[-1].seq)
        self._remember(subjects, loaded)
        return loaded, ids

    def _remember(self, subjects: str, loaded: Loaded[S]) -> None:
        self._known.pop(subjects, None)
        while len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[subjects] = loaded
