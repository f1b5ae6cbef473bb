"""Fans events out to WebSocket clients: encodes each once, and only if somebody wants it."""

import asyncio
from collections.abc import Iterable
from typing import Final

from kaiser.contracts.events.telemetry import Readings
from kaiser.gateway import events
from kaiser.gateway.events import SENSOR_DATA
from kaiser.gateway.filters import Filters
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.outbox import Outbox

TELEMETRY: Final = "TELEMETRY"


class Client:
    """One WebSocket client from the hub's point of view.

    Args:
        limit_bytes: What may wait for it.

    Attributes:
        filters: What it wants; None while it is not subscribed.
        immediate: Whether it wants every event at once instead of some frames a second.
        outbox: What waits for it.
        news: Set when something waits.
        hurry: Set when it is to be sent before the next frame is due.
    """

    __slots__ = ("filters", "hurry", "immediate", "news", "outbox")

    def __init__(self, limit_bytes: int) -> None:
        self.filters: Filters | None = None
        self.immediate = False
        self.outbox = Outbox(limit_bytes)
        self.news = asyncio.Event()
        self.hurry = asyncio.Event()


class Hub:
    """All clients of this gateway.

    Args:
        metrics: Where to count.
    """

    def __init__(self, metrics: GatewayMetrics) -> None:
        self._clients: set[Client] = set()
        self._metrics = metrics

    def __len__(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    def add(self, client: Client) -> None:
        """Let a client take part."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def wanted(self, event_type: str) -> bool:
        """Whether any client can want events of this type."""
        return any(client.filters is not None and client.filters.wants_type(event_type) for client in self._clients)

    def readings(self, batch: Readings, seq: int) -> None:
        """Hand a batch of finished readings to those who want some of it."""
        chunks: dict[tuple[frozenset[str], frozenset[str], bool], tuple[bytes, int]] = {}
        encoded: dict[int, bytes] = {}
        rows_of: dict[str, list[int]] = {}
        for row, esp_id in enumerate(batch.esp_id):
            rows_of.setdefault(esp_id, []).append(row)
        for client, filters in self._wanting(SENSOR_DATA):
            key = (filters.esp_ids, filters.sensor_types, filters.pending)
            if key not in chunks:
                rows = filters.rows(batch, rows_of)
                missing = [row for row in rows if row not in encoded]
                encoded.update(zip(missing, events.readings(batch, missing, seq), strict=True))
                chunks[key] = (b",".join([encoded[row] for row in rows]), len(rows))
            chunk, count = chunks[key]
            if count:
                self._put(client, chunk, count=count, seq=seq, stream=TELEMETRY, urgent=False)

    def event(
        self,
        event_type: str,
        esp_id: str,
        encoded: bytes,
        *,
        seq: int,
        stream: str,
        urgent: bool,
        rule_id: str = "",
    ) -> None:
        """Hand one event to those who want it."""
        for client, filters in self._wanting(event_type):
            if filters.wants(event_type, esp_id, rule_id):
                self._put(client, encoded, count=1, seq=seq, stream=stream, urgent=urgent)

    def _wanting(self, event_type: str) -> Iterable[tuple[Client, Filters]]:
        return [
            (client, client.filters)
            for client in self._clients
            if client.filters is not None and client.filters.wants_type(event_type)
        ]

    def _put(self, client: Client, chunk: bytes, *, count: int, seq: int, stream: str, urgent: bool) -> None:
        missed = client.outbox.missed
        client.outbox.put(chunk, count=count, seq=seq, stream=stream, urgent=urgent)
        client.news.set()
        if client.immediate or urgent:
            client.hurry.set()
        lost = client.outbox.missed - missed
        self._metrics.missed.inc(lost)
        self._metrics.pushed.inc(count - lost)
