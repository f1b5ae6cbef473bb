"""Reading a stream in order and without gaps, for readers that keep their own place: no durable, no acknowledgements.

The server keeps an ephemeral consumer in memory. Whenever it may have lost something (reconnect, restart, a gap in the
consumer's own numbering, missed heartbeats) another one is made that starts behind the last message taken.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import nats.errors
from nats.js import api

from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import new_id
from kaiser.eventlog.pull import HEARTBEAT_S, Pull
from kaiser.eventlog.streams import Start

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("OrderedReader",)

MAX_MESSAGES: Final = 256
MAX_BYTES: Final = 4 * 1024 * 1024
INACTIVE_S: Final = 60.0
"""How long the server keeps the consumer of a reader that died; longer than a request stands."""


class OrderedReader:
    """An ordered, gapless reader; an async context.

    Args:
        log: The connection.
        stream: Stream to read.
        subjects: Filters; empty for the whole stream.
        start: ``new`` from now on, ``all`` from the first message, ``last`` from the last one, ``last_per_subject``
            from the last one of each subject and on from there.
        start_seq: Start at this stream sequence instead; 0 for none.
        start_time_us: Start at the first message stored then or later, unix microseconds; 0 for none.
        headers_only: Leave the bodies out.
        max_messages: Messages a :meth:`take` returns at most; as many are fetched ahead.
        max_bytes: The same in bytes.
        heartbeat_s: Idle heartbeat to ask the server for.

    Attributes:
        last_seq: Stream sequence of the last message taken; 0 before the first.
        restarts: How often it had to begin anew behind ``last_seq``.
    """

    def __init__(
        self,
        log: "EventLog",
        stream: str,
        *,
        subjects: tuple[str, ...] = (),
        start: Start = "new",
        start_seq: int = 0,
        start_time_us: int = 0,
        headers_only: bool = False,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.last_seq = 0
        self.restarts = -1
        self._log = log
        self._stream = stream
        self._subjects = subjects
        self._start: Start = start
        self._start_seq = start_seq
        self._start_time_us = start_time_us
        self._headers_only = headers_only
        self._consumer = ""
        self._consumer_seq = 0
        self._pending = 0
        self._pull = Pull(
            log, stream, self._begin, max_messages=max_messages, max_bytes=max_bytes, heartbeat_s=heartbeat_s
        )

    @property
    def pending(self) -> int:
        """Messages behind the last one taken, as the server said with it (or when the reader began)."""
        return self._pending

    @property
    def silent_s(self) -> float:
        """Seconds since the server last said anything: about one where nothing is published, for it sends heartbeats.

        Infinite before its first word.
        """
        word_at = self._pull.word_at
        return asyncio.get_running_loop().time() - word_at if word_at else math.inf

    async def __aenter__(self) -> Self:
        await self._pull.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pull.close()
        if self._log.connected:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await self._log.js.delete_consumer(self._stream, self._consumer)

    async def take(self) -> list[Delivery]:
        """The next messages, as soon as there is one; may be cancelled without losing any.

        Raises:
            ConnectionClosed: The log was closed.
        """
        while True:
            fresh: list[Delivery] = []
            for delivery in await self._pull.take():
                if delivery.consumer != self._consumer:
                    continue  # of a consumer that was given up
                if delivery.consumer_seq != self._consumer_seq + 1:
                    self._pull.restart()
                    break
                self._consumer_seq = delivery.consumer_seq
                fresh.append(delivery)
            if fresh:
                self.last_seq, self._pending = fresh[-1].seq, fresh[-1].pending
                return fresh

    async def follow(self, take: Callable[[Delivery], object], caught_up: asyncio.Event) -> None:
        """Open the reader and hand over every message, one by one, until cancelled.

        Args:
            take: Called with each message, in stream order.
            caught_up: Set once everything was handed over that was there when the reader began.

        Raises:
            ConnectionClosed: The log was closed.
        """
        async with self:
            while True:
                if not self.pending:
                    caught_up.set()
                for delivery in await self.take():
                    take(delivery)

    async def still_pending(self) -> int:
        """Messages that the server has for this reader and that were not taken, asked of the server now."""
        info = await self._log.js.consumer_info(self._stream, self._consumer)
        return int(info.num_pending or 0) + len(self._pull.held)

    async def _begin(self) -> str:
        """Make a consumer that starts where this reader is."""
        self._pull.forget_held()
        info = await self._log.js.add_consumer(self._stream, self._config())
        self._consumer, self._consumer_seq = info.name, 0
        self._pending = int(info.num_pending or 0)
        self.restarts += 1
        if self._start == "new" and not self._start_seq and not self._start_time_us and info.delivered is not None:
            self._start_seq = info.delivered.stream_seq + 1  # "now" is the first time, not that of a later restart
        return str(info.name)

    def _config(self) -> api.ConsumerConfig:
        seq = self.last_seq + 1 if self.last_seq else self._start_seq
        policy, moment = api.DeliverPolicy(self._start), None
        if seq:
            policy = api.DeliverPolicy.BY_START_SEQUENCE
        elif self._start_time_us:
            policy, moment = api.DeliverPolicy.BY_START_TIME, datetime.fromtimestamp(self._start_time_us / 1e6, UTC)
        return api.ConsumerConfig(
            name=f"{self._log.name}-{new_id()}",
            deliver_policy=policy,
            opt_start_seq=seq or None,
            opt_start_time=moment,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=list(self._filters()),
            headers_only=self._headers_only or None,
            inactive_threshold=INACTIVE_S,
            mem_storage=True,
            num_replicas=1,
        )

    def _filters(self) -> tuple[str, ...]:
        """The last of each subject needs a filter, even if it is for everything."""
        return self._subjects or ((">",) if self._start == "last_per_subject" else ())
