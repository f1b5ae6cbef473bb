"""Fans events out to WebSocket clients: encodes each once, and only if somebody wants it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kaiser.contracts.live import Delivery
from kaiser.eventlog import now_us
from kaiser.gateway import events, positions
from kaiser.gateway.events import SENSOR_DATA
from kaiser.gateway.filters import Filters
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.outbox import Budget, Outbox
from kaiser.gateway.passing import Batch, Passing, Said
from kaiser.gateway.positions import Positions
from kaiser.gateway.recent import Recent

NOT_YET: Final = sys.maxsize
MOST_TRACES: Final = 64
"""Of what waits for one client."""


class Client:
    """One WebSocket client from the hub's point of view.

    Args:
        limit_bytes: What may wait for it.
        budget: What may wait for all clients.

    Attributes:
        filters: What it wants; None while it is not subscribed.
        delivery: How it wants it.
        outbox: What waits for it.
        on_news: Called when something waits, and whether it is to be sent before the next frame is due.
        live_from: Stream to the first sequence that comes to it live, where that is not every one.
        reached: Stream to how far it is, of those streams that do not come to it live.
        traces: What waits for it and is recorded: ``traceparent``, and since when, unix microseconds.
    """

    __slots__ = ("delivery", "filters", "live_from", "on_news", "outbox", "reached", "traces")

    def __init__(self, limit_bytes: int, budget: Budget | None = None) -> None:
        self.filters: Filters | None = None
        self.delivery: Delivery = "frames"
        self.outbox = Outbox(limit_bytes, budget)
        self.on_news: Callable[[bool], None] | None = None
        self.live_from: dict[str, int] = {}
        self.reached: dict[str, int] = {}
        self.traces: list[tuple[str, int]] = []

    def has_live(self, message: Passing) -> bool:
        """Whether a message comes to it live."""
        return not self.live_from or self.live_from.get(message.stream, 0) <= message.seq

    def join(self, stream: str, after: int) -> None:
        """Let a stream come live, behind a sequence up to which the client has everything."""
        self.live_from[stream] = after + 1
        self.reached.pop(stream, None)

    def wake(self, *, hurry: bool) -> None:
        """Let the sender look."""
        if self.on_news is not None:
            self.on_news(hurry or self.delivery == "immediate")


class Hub:
    """All clients of this gateway.

    Args:
        metrics: Where to count.
        zone_of: Tells the zone of a device; empty for none.
        recent_bytes: What is kept of each stream for those who come back.

    Attributes:
        streams: What was read of each stream, and is kept.
    """

    def __init__(self, metrics: GatewayMetrics, zone_of: Callable[[str], str], *, recent_bytes: int) -> None:
        self.streams: dict[str, Recent[Passing]] = {}
        self._clients: set[Client] = set()
        self._of_device: dict[str, set[Client]] = {}
        self._of_any_device: set[Client] = set()
        self._metrics = metrics
        self._zone_of = zone_of
        self._recent_bytes = recent_bytes
        self._standing: tuple[Positions, str] | None = None

    def open(self, stream: str, position: int) -> None:
        """Begin with a stream, behind a sequence."""
        self.streams[stream] = Recent(position, limit_bytes=self._recent_bytes)
        self._standing = None

    def begin(self, client: Client, filters: Filters, delivery: Delivery, start: dict[str, int]) -> None:
        """Let a client want something, from some positions on; nothing comes live until :meth:`Client.join`."""
        self.halt(client)
        client.outbox.told = dict(start)
        client.reached = dict(start)
        client.live_from = dict.fromkeys(start, NOT_YET)
        client.delivery = delivery
        client.filters = filters
        self._clients.add(client)
        for clients in self._indexed(filters):
            clients.add(client)

    def halt(self, client: Client) -> None:
        """Let a client want nothing any more, not even what waits; a no-op where it wants nothing."""
        client.outbox.clear()
        client.traces.clear()
        if client.filters is None:
            return
        self._clients.discard(client)
        for clients in self._indexed(client.filters):
            clients.discard(client)
        for esp_id in client.filters.esp_ids:
            if not self._of_device[esp_id]:
                del self._of_device[esp_id]
        client.filters = None

    def _indexed(self, filters: Filters) -> Iterable[set[Client]]:
        """Where a client with these filters is looked for when there are readings."""
        if not filters.esp_ids:
            return (self._of_any_device,)
        return [self._of_device.setdefault(esp_id, set()) for esp_id in filters.esp_ids]

    def positions(self) -> dict[str, int]:
        """How far the streams are read."""
        return {name: stream.position for name, stream in self.streams.items()}

    def standing(self, client: Client) -> tuple[Positions, str]:
        """How far a client is once it has what waits for it, and the same as a cursor."""
        if not client.live_from and self._standing is not None:
            return self._standing
        now = self.positions()
        if client.live_from:
            ahead = {stream: seq - 1 for stream, seq in client.live_from.items() if now[stream] < seq - 1}
            if ahead:
                now |= ahead | client.reached
                return now, positions.write(now)
            client.live_from = {}
        if self._standing is None:
            self._standing = now, positions.write(now)
        return self._standing

    def pass_by(self, stream: str, seq: int) -> None:
        """Note a message that is not for clients."""
        self.streams[stream].pass_by(seq)
        self._standing = None

    def passed(self, message: Passing) -> bool:
        """Hand a message to those who want it, and keep it for those who come back.

        Returns:
            Whether anybody can want something of it.
        """
        name = SENSOR_DATA if isinstance(message, Batch) else message.name
        wanted = any(client.filters is not None and client.filters.wants_type(name) for client in self._clients)
        if wanted and isinstance(message, Batch):
            self._readings(message)
        elif wanted and isinstance(message, Said):
            self._event(message)
        self.streams[message.stream].add(message)
        self._standing = None
        return wanted

    def catch_up(self, message: Passing, client: Client) -> None:
        """Hand a message of the past to one client, whatever waits for it."""
        if not isinstance(message, Batch):
            self._event(message, client)
        elif client.filters is None or not client.filters.esp_ids or message.may_name(client.filters.esp_ids):
            self._readings(message, client)
        client.reached[message.stream] = message.seq

    def _readings(self, message: Batch, of_past: Client | None = None) -> None:
        """Hand finished readings to those who want them live, or to one who asked for what is past."""
        batch = message.readings()
        if batch is None:
            return
        rows_of: dict[str, list[int]] = {}
        for row, esp_id in enumerate(batch.esp_id):
            rows_of.setdefault(esp_id, []).append(row)
        if of_past is None:
            self._metrics.readings.inc(len(batch))
            self._metrics.received_to_pushed.observe((now_us() - min(batch.received_at)) / 1e6)
            to: Iterable[Client] = self._of_any_device.union(*(self._of_device.get(esp_id, ()) for esp_id in rows_of))
        else:
            to = (of_past,)
        chunks: dict[Filters, tuple[Sequence[int], bytes]] = {}
        encoded: dict[int, bytes] = {}
        pushed, past = 0, of_past is not None
        for client in to:
            filters = client.filters
            if filters is None or not (past or client.has_live(message)):
                continue
            if (found := chunks.get(filters)) is None:
                rows = filters.rows(batch, rows_of) if filters.wants_type(SENSOR_DATA) else ()
                missing = [row for row in rows if row not in encoded]
                encoded.update(zip(missing, events.readings(batch, missing, message.seq), strict=True))
                found = chunks[filters] = (rows, b",".join([encoded[row] for row in rows]))
            rows, chunk = found
            if rows and client.delivery == "latest-only":
                for row in rows:
                    pushed += self._put(client, message, encoded[row], key=batch.sensor_id[row], asked_for=past)
            elif rows:
                pushed += self._put(client, message, chunk, count=len(rows), asked_for=past)
        self._metrics.pushed.inc(pushed)

    def _event(self, message: Said, of_past: Client | None = None) -> None:
        """The same with any other event."""
        news = message.news()
        if news is None:
            return
        name, zone_id = message.name, self._zone_of(news.esp_id) if news.esp_id else ""
        pushed, past = 0, of_past is not None
        for client in self._clients if of_past is None else (of_past,):
            filters = client.filters
            if filters is None or not filters.wants(name, news.esp_id, news.rule_id, zone_id):
                continue
            if past or client.has_live(message):
                key = news.key if client.delivery == "latest-only" else None
                pushed += self._put(client, message, news.encoded, urgent=news.urgent, key=key, asked_for=past)
        self._metrics.pushed.inc(pushed)

    def _put(
        self,
        client: Client,
        message: Passing,
        chunk: bytes,
        *,
        count: int = 1,
        urgent: bool = False,
        key: object = None,
        asked_for: bool = False,
    ) -> int:
        """Let events wait for a client; returns how many of them do."""
        missed = client.outbox.missed
        client.outbox.put(
            chunk, count=count, seq=message.seq, stream=message.stream, urgent=urgent, key=key, asked_for=asked_for
        )
        if message.trace and not asked_for and len(client.traces) < MOST_TRACES:
            client.traces.append((message.trace, now_us()))
        client.wake(hurry=urgent)
        lost = client.outbox.missed - missed
        if lost:
            self._metrics.missed.inc(lost)
        return count - lost
