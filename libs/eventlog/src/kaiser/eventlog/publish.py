"""Writing events: pipelined, acknowledged in bulk, and repeated under the same id until they are stored.

One inbox takes all acknowledgements, one future stands for a whole call. Measured by ``tests/bench/eventlog.py``.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from nats.aio.subscription import Subscription

from kaiser.eventlog.answers import (
    AWAY,
    CONFLICT,
    FULL,
    Expectation,
    PubAck,
    Refusal,
    decode_ack,
    decode_refusal,
    expectation_headers,
    is_refusal,
    lasts,
)
from kaiser.eventlog.envelope import Event, encode_headers
from kaiser.eventlog.errors import (
    ConcurrencyConflict,
    EventTooLarge,
    LogFull,
    PublishError,
    PublishRefused,
    Unacknowledged,
)
from kaiser.eventlog.wire import hpub

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("PublishStats", "Publisher")

ACK_TIMEOUT_S: Final = 3.0
LONGEST_ACK_TIMEOUT_S: Final = 30.0
RETRY_DELAY_S: Final = 0.05
LONGEST_RETRY_DELAY_S: Final = 2.0
WINDOW_EVENTS: Final = 1000
WINDOW_BYTES: Final = 8 * 1024 * 1024
"""In flight at most: JetStream itself refuses more than 10,000 messages that wait for one stream."""
DRAIN_BYTES: Final = 1024 * 1024


_log = structlog.get_logger(__name__)


class PublishStats(msgspec.Struct):
    """What a publisher did since its start, in events."""

    stored: int = 0
    duplicates: int = 0
    resent: int = 0
    refused: int = 0


class _Flight:
    """Events of one call that are under way: what was answered, and a future for the moment when all was."""

    __slots__ = ("acks", "commands", "events", "left", "refusals", "tokens", "waiter")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.acks: list[PubAck | None] = [None] * len(events)
        self.refusals: dict[int, Refusal] = {}
        self.commands: list[tuple[bytes, bytes, bytes]] = []
        self.tokens: list[bytes] = []
        self.left = 0
        self.waiter: asyncio.Future[None] | None = None

    def missing(self) -> list[int]:
        """Positions that have neither an acknowledgement nor a lasting refusal."""
        return [i for i, ack in enumerate(self.acks) if ack is None and not lasts(self.refusals.get(i))]

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Publisher:
    """Writes events through one connection.

    Attributes:
        stats: Counters since the start.
    """

    def __init__(self, log: "EventLog") -> None:
        self.stats = PublishStats()
        self._log = log
        self._inbox = b""
        self._subscription: Subscription | None = None
        self._opening = asyncio.Lock()
        self._number = 0
        self._pending: dict[bytes, tuple[_Flight, int]] = {}

    async def publish_all(
        self,
        events: Sequence[Event],
        *,
        expect: Sequence[Expectation | None] | None = None,
        ordered: bool = False,
        timeout_s: float | None = None,
    ) -> list[PubAck]:
        """Store events and wait until every one of them is acknowledged.

        They are sent in the order given, without waiting in between. What is not acknowledged (time-out, reconnect,
        no leader) is sent again under the same id for as long as it takes; the stream drops the repetition.

        Args:
            events: Events, of one stream or several.
            expect: One expectation (or none) for each event.
            ordered: Wait for each event before the next one of its subject goes out. Without it the order of a
                subject holds too, except when the server refuses one event of the call and takes a later one.
            timeout_s: Give up after this long; none never does, and is what a caller with its own cancellation wants.

        Returns:
            The acknowledgements, in the order of the events.

        Raises:
            EventTooLarge: One is larger than the server takes; none was sent.
            LogFull: The stream took no more.
            ConcurrencyConflict: An expectation did not hold.
            PublishRefused: The server refuses an event for good.
            Unacknowledged: ``timeout_s`` passed.
            ConnectionClosed: The log was closed meanwhile.
        """
        commands = [self._command(event, expect[i] if expect else None) for i, event in enumerate(events)]
        acks: list[PubAck | None] = [None] * len(events)
        flight = _Flight(())
        try:
            async with asyncio.timeout(timeout_s):
                for window in _waves(events) if ordered else _windows(commands):
                    flight = _Flight([events[i] for i in window])
                    try:
                        await self._fly(flight, [commands[i] for i in window])
                    finally:
                        for i, ack in zip(window, flight.acks, strict=True):
                            acks[i] = ack
                    if flight.refusals:
                        break
        except TimeoutError:
            left = [event for event, ack in zip(events, acks, strict=True) if ack is None]
            raise Unacknowledged(
                f"{len(left)} of {len(events)} events not acknowledged in {timeout_s} s", left
            ) from None
        if flight.refusals:
            left = [event for event, ack in zip(events, acks, strict=True) if ack is None]
            raise self._refused(list(flight.refusals.values()), left)
        return acks  # type: ignore[return-value]  # none is left out, or an error was raised

    def _command(self, event: Event, expect: Expectation | None) -> tuple[Event, bytes]:
        headers = encode_headers(event)
        if expect is not None:
            headers = headers[:-2] + expectation_headers(expect)
        size, limit = len(headers) + len(event.data), self._log.nc.max_payload
        if size > limit:
            raise EventTooLarge(event, size, limit)
        return event, headers

    async def _fly(self, flight: _Flight, commands: Iterable[tuple[Event, bytes]]) -> None:
        """Send until everything is acknowledged or refused for good."""
        await self._log.wait_connected()
        if self._subscription is None:
            await self._open()
        prefix = self._inbox.decode()
        for event, headers in commands:
            self._number += 1
            token = str(self._number)
            flight.tokens.append(token.encode())
            flight.commands.append(hpub(event.subject, prefix + token, headers, event.data))
        forget = self._log.on_reconnect(flight.wake)
        try:
            await self._repeat(flight)
        finally:
            forget()
            self._log.troubles.over(flight)
            for token_bytes in flight.tokens:
                self._pending.pop(token_bytes, None)

    async def _repeat(self, flight: _Flight) -> None:
        timeout, delay = ACK_TIMEOUT_S, RETRY_DELAY_S
        missing = list(range(len(flight.events)))
        while True:
            await self._send(flight, missing)
            assert flight.waiter is not None
            try:
                async with asyncio.timeout(timeout):
                    await flight.waiter
            except TimeoutError:
                if flight.waiter.cancelled():
                    timeout = min(timeout * 2, LONGEST_ACK_TIMEOUT_S)
            missing = flight.missing()
            if not missing:
                return
            if not flight.left:  # all answered, some with "not now"
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_DELAY_S)
            await self._log.wait_connected()
            self.stats.resent += len(missing)
            subject = flight.events[missing[0]].subject
            reason = getattr(flight.refusals.get(missing[0]), "description", "no answer")
            _log.warning(
                "events not acknowledged, sending them again", events=len(missing), subject=subject, reason=reason
            )
            self._log.troubles.failed(flight, f"{subject} is not acknowledged: {reason}")

    async def _send(self, flight: _Flight, positions: Sequence[int]) -> None:
        flight.waiter = asyncio.get_running_loop().create_future()
        flight.left = len(positions)
        parts: list[bytes] = []
        size = 0
        for i in positions:
            flight.refusals.pop(i, None)
            self._pending[flight.tokens[i]] = (flight, i)
            parts.extend(flight.commands[i])
            size += len(flight.commands[i][1])
            if size > DRAIN_BYTES:
                self._log.nc.write(parts)
                await self._log.nc.written()
                parts, size = [], 0
        self._log.nc.write(parts)

    def _take(self, subject: bytes, _reply: bytes, data: bytes, _headers: bytes) -> None:
        """The sink of the inbox: one acknowledgement or refusal."""
        waiting = self._pending.pop(subject[len(self._inbox) :], None)
        if waiting is None:
            return  # an acknowledgement of an earlier sending of what is acknowledged already
        flight, i = waiting
        if not data:  # the server's 503: nobody listens on the subject
            flight.refusals[i] = AWAY
        elif is_refusal(data):
            flight.refusals[i] = decode_refusal(data)
        else:
            ack = flight.acks[i] = decode_ack(data)
            self.stats.stored += 1
            self.stats.duplicates += ack.duplicate
            self._log.room.taken(ack.stream)
        flight.left -= 1
        if flight.left <= 0:
            flight.wake()

    async def _open(self) -> None:
        async with self._opening:
            if self._subscription is None:
                self._inbox = f"{self._log.nc.new_inbox()}.".encode()
                self._subscription = await self._log.nc.open_sink(f"{self._inbox.decode()}*", self._take)

    def _refused(self, refusals: list[Refusal], events: list[Event]) -> PublishError:
        self.stats.refused += len(refusals)
        for codes, error in ((CONFLICT, ConcurrencyConflict), (FULL, LogFull)):
            if all(refusal.err_code in codes for refusal in refusals):
                if error is LogFull:
                    self._log.room.refused(events[0].subject)
                return error(f"{events[0].subject}: {refusals[0].description} ({refusals[0].err_code})", events)
        worst = next(refusal for refusal in refusals if refusal.err_code not in FULL)
        return PublishRefused(f"{events[0].subject}: {worst.description} ({worst.err_code})", events)


def _windows(commands: Sequence[tuple[Event, bytes]]) -> Iterator[Sequence[int]]:
    """Positions in runs that may be in flight together."""
    if len(commands) == 1:
        yield (0,)
        return
    start, size = 0, 0
    for i, (event, _) in enumerate(commands):
        if i > start and (i - start >= WINDOW_EVENTS or size + len(event.data) > WINDOW_BYTES):
            yield range(start, i)
            start, size = i, 0
        size += len(event.data)
    if commands:
        yield range(start, len(commands))


def _waves(events: Sequence[Event]) -> Iterator[Sequence[int]]:
    """Positions in runs of which each holds every subject at most once."""
    waves: list[list[int]] = []
    seen: dict[str, int] = {}
    for i, event in enumerate(events):
        wave = seen.get(event.subject, 0)
        seen[event.subject] = wave + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(i)
    return iter(waves)
