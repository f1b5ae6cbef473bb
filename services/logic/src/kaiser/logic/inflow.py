"""Reads the streams that the engine is fed from, each by a reader of its own, in order and without gaps."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import nats.errors
import structlog
from nats.js.errors import NotFoundError

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import TELEMETRY
from kaiser.eventlog import Delivery, EventLog, OrderedReader, now_us
from kaiser.logic import feeds
from kaiser.logic.clocks import ServerClock
from kaiser.logic.feeds import Feed
from kaiser.logic.ordering import Message
from kaiser.logic.sources import SOURCES, Source, message_of

_log = structlog.get_logger(__name__)

FULL: Final = 4000
"""Messages of one stream that wait at most; the server keeps the rest meanwhile."""
MOST: Final = 500
"""Messages that are taken at once: what follows from them is written before the next ones are looked at."""
STALLED_S: Final = 2.0
"""A stream that has more and sends none for so long holds the others up no longer; its messages then come late."""
AGAIN_S: Final = 0.25


Hear = Callable[[Readings], None]


def _nobody(_: Readings) -> None:
    """Stands for somebody who wants to hear of readings."""


class Inflow:
    """Everything that comes, from a point on.

    Args:
        log: The connection.
        taken: Sequence of the last message that is known, by stream; a stream that is not in it begins with as much of
            the past as its source asks for.
        on_readings: Told of every batch of readings as it comes.
        on_delivery: Told of every message as it comes.
        readings_since: Where the readings begin that were stored then or later, unix microseconds, for one that knows
            none.

    Attributes:
        feeds: What came and was not taken.
        changed: Set when something came.
        clock: The clock by which messages are stored.
    """

    def __init__(
        self,
        log: EventLog,
        taken: Mapping[str, int],
        on_readings: Hear = _nobody,
        *,
        on_delivery: Callable[[Delivery], None] | None = None,
        readings_since: int = 0,
    ) -> None:
        self.feeds = {source.stream: Feed(source.stream, taken.get(source.stream, 0)) for source in SOURCES}
        self.changed = asyncio.Event()
        self.clock = ServerClock()
        self._log = log
        self._known = frozenset(taken)
        self._readings_since = readings_since
        self._on_readings = on_readings
        self._on_delivery = on_delivery
        self._room = asyncio.Event()
        self._heard: dict[str, float] = {}
        self._past: dict[str, int] = {}
        self._failure: Exception | None = None
        self._readers: dict[str, OrderedReader] = {}

    @property
    def taken(self) -> dict[str, int]:
        """Sequence of the last message taken, by stream."""
        return {stream: feed.taken for stream, feed in self.feeds.items()}

    @property
    def caught_up(self) -> bool:
        """Whether everything that the streams hold has come."""
        return len(self._readers) == len(SOURCES) and not any(feed.behind for feed in self.feeds.values())

    @property
    def missing(self) -> str:
        """What was not read to its end yet, in words; empty when all was."""
        names = [stream for stream, feed in self.feeds.items() if feed.behind or stream not in self._readers]
        return f"reading {', '.join(names)}" if names else ""

    @property
    def silent_s(self) -> float:
        """Seconds since the server last said anything to the reader that it said least to; infinite before a word."""
        if len(self._readers) < len(SOURCES):
            return float("inf")
        return max(reader.silent_s for reader in self._readers.values())

    async def run(self) -> None:
        """Read until cancelled; what this dies of is raised where somebody asks for more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for source in SOURCES:
                    tasks.create_task(self._read(source, self.feeds[source.stream]))
        except Exception as error:
            self._failure = error
            self.changed.set()
            raise

    def due(self, now: int) -> Iterator[Message]:
        """Messages to take by now, in order."""
        self._look()
        return feeds.due(self.feeds.values(), now, MOST)

    def up_to(self, taken: Mapping[str, int], late: Mapping[tuple[str, int], int]) -> Iterator[Message]:
        """Messages that somebody else has taken, when that one took them, as far as they are here."""
        self._look()
        return feeds.up_to(self.feeds.values(), taken, late, MOST)

    def has(self, taken: Mapping[str, int]) -> bool:
        """Whether everything has come that somebody else has taken."""
        return all(feed.has(taken.get(stream, 0)) for stream, feed in self.feeds.items())

    def next_at(self) -> int:
        """When the oldest message that waits was stored; 0 for none."""
        heads = [feed.waiting[0].at for feed in self.feeds.values() if feed.waiting]
        return min(heads, default=0)

    def settle(self) -> None:
        """Of streams of which only the end was read, the beginning is known, too, once all that came was taken."""
        for stream, last in self._past.items():
            self.feeds[stream].know(last)

    async def _read(self, source: Source, feed: Feed) -> None:
        if source.stream not in self._known:
            self._past[source.stream] = await self._last(source.stream)
        async with self._reader(source, feed) as reader:
            self._readers[source.stream] = reader
            feed.behind = reader.pending > 0
            self._heard[source.stream] = time.monotonic()
            self.changed.set()
            try:
                while True:
                    came = await reader.take()
                    if not feed.behind:
                        self.clock.observe(came[-1].stored_at, now_us())
                    for delivery in came:
                        if self._on_delivery is not None:
                            self._on_delivery(delivery)
                        message = message_of(delivery)
                        feed.add(message, delivery.seq, delivery.stored_at)
                        if message is not None and isinstance(message.event, Readings):
                            self._on_readings(message.event)
                    feed.behind = reader.pending > 0
                    self._heard[source.stream] = time.monotonic()
                    self.changed.set()
                    await self._have_room(feed)
            finally:
                del self._readers[source.stream]

    async def news(self, within_s: float) -> None:
        """Return when something has come, or the time is over. Whoever waits has cleared ``changed`` before looking."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.changed.wait()

    def _look(self) -> None:
        """Let readers go on, and see whether one died, or waits for what does not come."""
        if self._failure is not None:
            raise self._failure
        clock = time.monotonic()
        for feed in self.feeds.values():
            if feed.behind and clock - self._heard.get(feed.stream, clock) > STALLED_S:
                feed.behind = False
        self._room.set()

    async def _have_room(self, feed: Feed) -> None:
        while len(feed.waiting) > FULL:
            self._room.clear()
            await self._room.wait()

    def _reader(self, source: Source, feed: Feed) -> OrderedReader:
        stream, subjects = source.stream, source.subjects
        if stream in self._known or source.whole:
            return OrderedReader(self._log, stream, subjects=subjects, start="all", start_seq=feed.taken + 1)
        if stream == TELEMETRY.name:
            return OrderedReader(self._log, stream, subjects=subjects, start_time_us=self._readings_since or now_us())
        return OrderedReader(self._log, stream, subjects=subjects, start="last_per_subject")

    async def _last(self, stream: str) -> int:
        """Sequence of the last message that the stream holds now; waits until there is such a stream."""
        while True:
            await self._log.wait_connected()
            try:
                info = await self._log.js.stream_info(stream)
            except NotFoundError:
                _log.info("a stream is not there yet, waiting", stream=stream)
            except (nats.errors.Error, TimeoutError) as error:
                _log.warning("the log does not say how far it is, asking again", reason=repr(error))
            else:
                return int(info.state.last_seq)
            await asyncio.sleep(AGAIN_S)
