"""Fans events out to WebSocket clients: encodes each once, and only if somebody wants it."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import Final

from kaiser.contracts.live import Delivery
from kaiser.eventlog import now_us
from kaiser.gateway import events, positions
from kaiser.gateway.events import SENSOR_DATA
from kaiser.gateway.filters import Filters
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.outbox import Outbox
from kaiser.gateway.passing import Batch, Passing, Said
from kaiser.gateway.recent import Recent

NOT_YET: Final = sys.maxsize


class Client:
    """One WebSocket client from the hub's point of view.

    Args:
        limit_bytes: What may wait for it.

    Attributes:
        filters: What it wants; None while it is not subscribed.
        delivery: How it wants it.
        outbox: What waits for it.
        news: Set when something waits.
        hurry: Set when it is to be sent before the next frame is due.
        live_from: Stream to the first sequence that comes to it live, where that is not every one.
        reached: Stream to how far it is, of those streams that do not come to it live.
    """

    __slots__ = ("delivery", "filters", "hurry", "live_from", "news", "outbox", "reached")

    def __init__(self, limit_bytes: int) -> None:
        self.filters: Filters | None = None
        self.delivery: Delivery = "frames"
        self.outbox = Outbox(limit_bytes)
        self.news = asyncio.Event()
        self.hurry = asyncio.Event()
        self.live_from: dict[str, int] = {}
        self.reached: dict[str, int] = {}

    def begin(self, filters: Filters, delivery: Delivery, start: dict[str, int]) -> None:
        """Want something, from some positions on; nothing comes live until :meth:`join`."""
        self.outbox.clear()
        self.outbox.told = dict(start)
        self.reached = dict(start)
        self.live_from = dict.fromkeys(start, NOT_YET)
        self.delivery = delivery
        self.filters = filters

    def halt(self) -> None:
        """Want nothing any more, not even what waits."""
        self.filters = None
        self.outbox.clear()

    def join(self, stream: str, after: int) -> None:
        """Let a stream come live, behind a sequence up to which the client has everything."""
        self.live_from[stream] = after + 1
        self.reached.pop(stream, None)

    def wake(self, *, hurry: bool) -> None:
        """Let the sender look."""
        self.news.set()
        if hurry or self.delivery == "immediate":
            self.hurry.set()


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
        self._metrics = metrics
        self._zone_of = zone_of
        self._recent_bytes = recent_bytes
        self._cursor: str | None = None

    def __len__(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    def open(self, stream: str, position: int) -> None:
        """Begin with a stream, behind a sequence."""
        self.streams[stream] = Recent(position, limit_bytes=self._recent_bytes)
        self._cursor = None

    def add(self, client: Client) -> None:
        """Let a client take part."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def positions(self) -> dict[str, int]:
        """How far the streams are read."""
        return {name: stream.position for name, stream in self.streams.items()}

    def standing(self, client: Client) -> tuple[dict[str, int], str]:
        """How far a client is once it has what waits for it, and the same as a cursor."""
        now = self.positions()
        if client.live_from:
            ahead = {stream: seq - 1 for stream, seq in client.live_from.items() if now[stream] < seq - 1}
            if ahead:
                now |= ahead | client.reached
                return now, positions.write(now)
            client.live_from = {}
        if self._cursor is None:
            self._cursor = positions.write(now)
        return now, self._cursor

    def pass_by(self, stream: str, seq: int) -> None:
        """Note a message that is not for clients."""
        self.streams[stream].pass_by(seq)
        self._cursor = None

    def passed(self, message: Passing) -> bool:
        """Hand a message to those who want it, and keep it for those who come back.

        Returns:
            Whether anybody wants events of its type.
        """
        stream = message.stream
        seq = message.seq
        live = [
            (client, client.filters)
            for client in self._clients
            if client.filters is not None and client.live_from.get(stream, 0) <= seq
        ]
        taken = self._hand(message, live)
        self.streams[stream].add(message)
        self._cursor = None
        return taken

    def catch_up(self, message: Passing, client: Client) -> None:
        """Hand a message of the past to one client, whatever waits for it."""
        if client.filters is not None:
            self._hand(message, ((client, client.filters),), asked_for=True)
            client.reached[message.stream] = message.seq

    def _hand(self, message: Passing, to: Iterable[tuple[Client, Filters]], *, asked_for: bool = False) -> bool:
        name = SENSOR_DATA if isinstance(message, Batch) else message.name
        to = [(client, filters) for client, filters in to if filters.wants_type(name)]
        if not to:
            return False
        if isinstance(message, Batch):
            self._readings(message, to, asked_for=asked_for)
        else:
            self._event(message, to, asked_for=asked_for)
        return True

    def _readings(self, message: Batch, to: Iterable[tuple[Client, Filters]], *, asked_for: bool) -> None:
        batch = message.readings()
        if batch is None:
            return
        if not asked_for:
            self._metrics.readings.inc(len(batch))
            self._metrics.received_to_pushed.observe((now_us() - min(batch.received_at)) / 1e6)
        chunks: dict[Filters, tuple[list[int], bytes]] = {}
        encoded: dict[int, bytes] = {}
        rows_of: dict[str, list[int]] = {}
        for row, esp_id in enumerate(batch.esp_id):
            rows_of.setdefault(esp_id, []).append(row)
        for client, filters in to:
            if filters not in chunks:
                rows = list(filters.rows(batch, rows_of))
                missing = [row for row in rows if row not in encoded]
                encoded.update(zip(missing, events.readings(batch, missing, message.seq), strict=True))
                chunks[filters] = (rows, b",".join([encoded[row] for row in rows]))
            rows, chunk = chunks[filters]
            if not rows:
                continue
            if client.delivery == "latest-only":
                for row in rows:
                    key = batch.sensor_id[row]
                    self._put(client, message, encoded[row], key=key, asked_for=asked_for)
            else:
                self._put(client, message, chunk, count=len(rows), asked_for=asked_for)

    def _event(self, message: Said, to: Iterable[tuple[Client, Filters]], *, asked_for: bool) -> None:
        name, news = message.name, message.news()
        if news is None:
            return
        zone_id = self._zone_of(news.esp_id) if news.esp_id else ""
        for client, filters in to:
            if filters.wants(name, news.esp_id, news.rule_id, zone_id):
                key = message.key() if client.delivery == "latest-only" else None
                self._put(client, message, news.encoded, urgent=news.urgent, key=key, asked_for=asked_for)

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
    ) -> None:
        missed = client.outbox.missed
        client.outbox.put(
            chunk, count=count, seq=message.seq, stream=message.stream, urgent=urgent, key=key, asked_for=asked_for
        )
        client.wake(hurry=urgent)
        lost = client.outbox.missed - missed
        self._metrics.missed.inc(lost)
        self._metrics.pushed.inc(count - lost)
