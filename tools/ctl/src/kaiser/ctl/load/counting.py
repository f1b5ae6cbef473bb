"""What became of what was sent: counts and latencies. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kaiser.local.observing import Key


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds that readings took from the device."""

    p50_ms: float
    p99_ms: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the load, in readings.

    Attributes:
        sent: By the devices.
        acknowledged: By the broker, after which it must not be lost.
        stored: As committed rows.
        seen: By a WebSocket client.
        missed: Of which the client was told that it missed them.
        lost: Acknowledged and not stored.
        unseen: Acknowledged, neither seen nor told to be missed.
        to_row: From device to row; None without any.
        to_socket: From device to client.
    """

    sent: int
    acknowledged: int
    stored: int
    seen: int
    missed: int
    lost: int
    unseen: int
    to_row: Latency | None
    to_socket: Latency | None

    @property
    def whole(self) -> bool:
        """Whether nothing was lost on any way."""
        return self.sent == self.acknowledged and not self.lost and not self.unseen


def outcome(
    sent: Mapping[Key, int],
    unacknowledged: int,
    rows: Iterable[tuple[Key, int]],
    pushes: Iterable[tuple[Key, int]],
    *,
    missed: int,
) -> Outcome:
    """What became of the load.

    Args:
        sent: Each acknowledged reading, and when it was sent (unix microseconds).
        unacknowledged: How many were sent and not acknowledged.
        rows: Readings that became rows, and when.
        pushes: Readings that a client got, and when.
        missed: Readings that the client was told it missed.
    """
    stored = _first(sent, rows)
    seen = _first(sent, pushes)
    return Outcome(
        sent=len(sent) + unacknowledged,
        acknowledged=len(sent),
        stored=len(stored),
        seen=len(seen),
        missed=missed,
        lost=len(sent) - len(stored),
        unseen=max(0, len(sent) - len(seen) - missed),
        to_row=_latency(list(stored.values())),
        to_socket=_latency(list(seen.values())),
    )


def _first(sent: Mapping[Key, int], sightings: Iterable[tuple[Key, int]]) -> dict[Key, float]:
    """Milliseconds that each reading took to its first sighting."""
    took: dict[Key, float] = {}
    for key, at in sightings:
        if key in sent:
            took.setdefault(key, (at - sent[key]) / 1000)
    return took


def _latency(took_ms: Sequence[float]) -> Latency | None:
    if not took_ms:
        return None
    ordered = sorted(took_ms)
    return Latency(p50_ms=ordered[len(ordered) // 2], p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)])
