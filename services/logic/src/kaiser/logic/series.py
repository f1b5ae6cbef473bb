"""What a sensor has measured, as far as rules look at it, in the order of the times at which it was measured.

The time that counts is when a reading was measured, but never later than when it was stored: a device whose clock is
fast must not reach into the future. Newer readings are news. One that comes after newer ones is *late*: it is put in
its place in the span that windows look at, if it is not later than the rule allows, and never becomes the latest value.
"""

from bisect import bisect_left, bisect_right
from typing import Final, Literal

import msgspec

from kaiser.contracts.rules import Quality

RANKS: Final[dict[str, int]] = {
    name: rank for rank, name in enumerate(("error", "bad", "suspect", "unknown", "poor", "fair", "good", "excellent"))
}
"""Grades in ascending order; ``suspect`` is the device's own doubt, ``unknown`` a sensor that nobody configured."""

GRADES: Final[tuple[Quality, ...]] = ("error", "bad", "suspect", "unknown", "poor", "fair", "good", "excellent")

MOST_SAMPLES: Final = 20_000
"""Of one series: more than a reading each five minutes for two months, or each second for five hours."""

Taken = Literal["news", "late", "ignored"]


class SeriesKey(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Which readings: of a sensor, of at least a grade, with so much patience for late ones (microseconds)."""

    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    rank: int
    patience: int

    def words(self) -> str:
        """The sensor in words."""
        name = f"{self.esp_id}/{self.gpio}/{self.sensor_type}"
        return f"{name}@{self.address}" if self.address else name


class Series:
    """Readings of one key.

    Attributes:
        key: Which readings.
        at: When the latest was measured; 0 for none yet.
        value: Its value; None only where errors count as readings.
        rank: Its grade.
        seq: Sequence of its message.
        horizon: How far back windows look, microseconds; 0 where none does.
        times: When the readings were measured that windows may see, oldest first.
        values: What was measured then.
        ids: Which readings these are.
        gone: How many were let go of; with ``inserts``, how many were put between others, it tells who remembers
            something of them what has changed.
    """

    __slots__ = (
        "at",
        "gone",
        "horizon",
        "ids",
        "inserts",
        "key",
        "rank",
        "reading_id",
        "seq",
        "times",
        "value",
        "values",
    )

    def __init__(self, key: SeriesKey) -> None:
        self.key = key
        self.at = 0
        self.reading_id = 0
        self.value: float | None = None
        self.rank = 0
        self.seq = 0
        self.horizon = 0
        self.times: list[int] = []
        self.values: list[float] = []
        self.ids: list[int] = []
        self.gone = self.inserts = 0

    def take(self, at: int, reading_id: int, value: float | None, rank: int, seq: int, now: int) -> Taken:
        """Take in a reading.

        Args:
            at: When it was measured, not later than ``now``.
            reading_id: Which it is; the same one twice is one.
            value: Its value.
            rank: Its grade.
            seq: Sequence of its message.
            now: The engine's clock.
        """
        if rank < self.key.rank:
            return "ignored"
        if at > self.at or (at == self.at and reading_id != self.reading_id):
            self.at, self.reading_id, self.value, self.rank, self.seq = at, reading_id, value, rank, seq
            if self.horizon and value is not None:
                self.times.append(at)
                self.values.append(value)
                self.ids.append(reading_id)
                self._forget(now)
            return "news"
        if not self.horizon or value is None or now - at > self.key.patience or at <= now - self.horizon:
            return "ignored"
        return "late" if self._insert(at, reading_id, value) else "ignored"

    def since(self, start: int) -> int:
        """Index of the first reading that was measured after ``start``."""
        return bisect_right(self.times, start)

    def _insert(self, at: int, reading_id: int, value: float) -> bool:
        i = bisect_left(self.times, at)
        while i < len(self.times) and self.times[i] == at:
            if self.ids[i] == reading_id:
                return False
            i += 1
        self.times.insert(i, at)
        self.values.insert(i, value)
        self.ids.insert(i, reading_id)
        self.inserts += 1
        return True

    def _forget(self, now: int) -> None:
        # Now and then, since every removal from the front moves all the rest
        times = self.times
        if len(times) > MOST_SAMPLES or (len(times) & 63 == 0 and times[0] <= now - self.horizon):
            gone = max(self.since(now - self.horizon), len(times) - MOST_SAMPLES)
            del self.times[:gone], self.values[:gone], self.ids[:gone]
            self.gone += gone
