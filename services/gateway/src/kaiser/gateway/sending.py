"""Sends a client what waits for it: in frames, not more often than it wants, and no faster than it takes them.

Without a task of its own, for a thousand tasks that wake up ten times a second cost more than what they send.
"""

import asyncio
import time
from collections import deque
from typing import Protocol

import msgspec

from kaiser.contracts import live
from kaiser.gateway.events import encode
from kaiser.gateway.hub import Client, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.pacing import Pacer
from kaiser.gateway.settings import GatewayOptions
from kaiser.service import tracing


class Wire(Protocol):
    """Where messages go."""

    @property
    def is_open(self) -> bool:
        """Whether a message can still be sent."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether the client takes what was written."""
        ...

    def write_text(self, payload: bytes) -> None:
        """Send a text message."""
        ...


class Sender:
    """Sends to one client.

    Args:
        wire: Its connection.
        client: What waits for it.
        pacer: Tells when a frame is due.
        hub: Knows how far the client is.
        options: Frame rate and heartbeats.
        metrics: Where to count.
    """

    def __init__(
        self, wire: Wire, client: Client, pacer: Pacer, *, hub: Hub, options: GatewayOptions, metrics: GatewayMetrics
    ) -> None:
        self._wire = wire
        self._client = client
        self._pacer = pacer
        self._hub = hub
        self._metrics = metrics
        self._pause_s = 1.0 / options.frames_per_s
        self._every_s = options.heartbeat_s
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._done = asyncio.Event()
        self._done.set()
        self._due = False
        self._in_a_hurry = False
        self._closed = False
        self._next_frame = 0.0
        self._last_word = self._loop.time()
        self._beat = self._loop.call_later(self._every_s, self._heartbeat)
        client.on_news = self.wake

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._client.on_news = None
        self._beat.cancel()
        self._unsent.clear()
        self._done.set()

    def wake(self, hurry: bool) -> None:
        """Send what waits when it is due, or at once."""
        if hurry:
            if not self._in_a_hurry:
                self._in_a_hurry = True
                self._pacer.soon(self.flush)
        elif not self._due:
            self._due = True
            self._pacer.at(self._next_frame, self._frame_is_due)

    def _frame_is_due(self) -> None:
        self._due = False
        if self._loop.time() >= self._next_frame:
            self.flush()
        elif self._client.outbox.waiting:  # there was a frame in a hurry meanwhile
            self.wake(hurry=False)

    def flush(self) -> None:
        """Send what waits, as far as the client takes it."""
        self._in_a_hurry = False
        if self._closed:
            return
        wire, sent = self._wire, 0
        while wire.is_open and wire.has_room:
            if not self._unsent:
                if not self._client.outbox.waiting:
                    break
                self._unsent.extend(self._client.outbox.take(*self._hub.standing(self._client)))
                self._last_word = self._loop.time()
                self._next_frame = self._last_word + self._pause_s
            wire.write_text(self._unsent.popleft())
            sent += 1
        self._metrics.frames.inc(sent)
        if self._client.traces and not self._unsent:
            self._end_traces()
        if not self._unsent and wire.has_room:
            self._done.set()
        else:
            self._done.clear()  # the wire calls again when it has room

    def _end_traces(self) -> None:
        """What waited and is recorded was in the frames that are sent now."""
        for traceparent, since_us in self._client.traces:
            span = tracing.start("gateway frame", traceparent, at_us=since_us)
            if span is not None:
                span.end()
        self._client.traces.clear()

    async def tell(self, message: msgspec.Struct) -> None:
        """Send a message behind what was taken already; returns when the client has taken what was before it."""
        while not self._closed and (self._unsent or not self._wire.has_room):
            self._done.clear()
            await self._done.wait()
        if self._wire.is_open:
            self._wire.write_text(encode(message))
            self._last_word = self._loop.time()

    def _heartbeat(self) -> None:
        due_s = self._last_word + self._every_s - self._loop.time()
        if due_s <= 0:
            due_s = self._every_s
            client, wire = self._client, self._wire
            # While something waits, the client may not be told that it has it
            idle = wire.is_open and wire.has_room and not self._unsent and not client.outbox.waiting
            if idle and client.filters is not None:
                _, cursor = self._hub.standing(client)
                wire.write_text(encode(live.Heartbeat(time.time_ns() // 1000, self._every_s, cursor)))
                self._last_word = self._loop.time()
        self._beat = self._loop.call_later(due_s, self._heartbeat)
