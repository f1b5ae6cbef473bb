"""One order for the messages of several streams, and the same decisions again from it."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kaiser.contracts.events.logic import Decision, EngineResumed, TakenLate
from kaiser.logic.engine import Engine
from kaiser.logic.times import NEVER

RANKS: Final[dict[str, int]] = {
    name: rank for rank, name in enumerate(("LOGIC", "SAFETY", "DEVICES", "HEARTBEATS", "ACTUATORS", "TELEMETRY"))
}
"""Which stream comes first where two messages were stored in the same microsecond."""

encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A message of a stream: when it was stored or taken (unix microseconds), where it stands, and its body."""

    at: int
    stream: str
    seq: int
    event: object


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How the live engine took messages, where that is not the order of their times.

    Attributes:
        late: Moments at which messages were taken, by stream and sequence.
        gaps: When it was away, in order.
    """

    late: Mapping[tuple[str, int], int] = {}
    gaps: tuple[EngineResumed, ...] = ()

    @classmethod
    def of(cls, events: Iterable[object]) -> "Order":
        """The order that events of ``logic.order`` tell."""
        late: dict[tuple[str, int], int] = {}
        gaps: list[EngineResumed] = []
        for event in events:
            if isinstance(event, TakenLate):
                late[event.stream, event.seq] = event.at
            elif isinstance(event, EngineResumed):
                gaps.append(event)
        return cls(late=late, gaps=tuple(gaps))


STRAIGHT: Final = Order()
"""Everything in the order of its times, and never away."""


def merged(*streams: Iterable[Message], order: Order = STRAIGHT) -> Iterator[Message]:
    """Messages of several streams, each in the order of its sequence, as the engine took them or would take them."""
    late = order.late

    def moved(stream: Iterable[Message]) -> Iterator[Message]:
        for message in stream:
            at = late.get((message.stream, message.seq))
            yield message if at is None else Message(at, message.stream, message.seq, message.event)

    sources = [moved(stream) for stream in streams] if late else streams
    return heapq.merge(*sources, key=lambda message: (message.at, RANKS.get(message.stream, 99), message.seq))


def replay(
    engine: Engine, messages: Iterable[Message], *, order: Order = STRAIGHT, until: int | None = None
) -> Iterator[Decision]:
    """Everything that an engine decides on messages.

    Args:
        engine: New, or restored from a snapshot.
        messages: In order, as :func:`merged` gives them.
        order: For the times at which the live engine was away.
        until: Then do what is due by this moment.
    """
    gaps = iter(order.gaps)
    gap = next((each for each in gaps if each.at > engine.clock), None)
    held = engine.core.held
    for message in messages:
        while gap is not None and message.at > gap.since:
            if not held:
                yield from engine.tick(gap.since)
                engine.hold()
                held = True
            if message.at <= gap.at:
                break
            yield from engine.resume(gap.at)
            held, gap = False, next(gaps, None)
        yield from engine.take(message.stream, message.seq, message.at, message.event)
    if gap is not None and (until or NEVER) >= gap.at:
        if not held:
            yield from engine.tick(gap.since)
            engine.hold()
        yield from engine.resume(gap.at)
    if until is not None:
        yield from engine.tick(until)


class Ledger:
    """The decision log as bytes: a line a decision, and the digest of all. Order events are no decisions.

    Attributes:
        count: How many lines.
    """

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.sha256()

    def add(self, decision: Decision) -> bytes:
        """Take in a decision; its line, empty for events of the order."""
        if isinstance(decision, TakenLate | EngineResumed):
            return b""
        line = encode((decision.TYPE, decision)) + b"\n"
        self.count += 1
        self._digest.update(line)
        return line

    @property
    def digest(self) -> str:
        """SHA-256 of all lines, in hexadecimal."""
        return self._digest.hexdigest()
