"""What was sent, brought together by content with what was stored or pushed."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from kaiser.local.demo.latency import Latencies
from kaiser.local.observing import Key

LATELY_LOOKS: Final = 5
EARLY_US: Final = 10_000_000
"""How long what has arrived may wait for the fleet to tell that it was sent; the fleet's log is a second late."""

MOST_WAITING: Final = 100_000
"""Readings that may be on their way, six minutes of the demo's; beyond this the oldest are taken to be lost."""

Sighting = tuple[Key, int]
"""What a reading is known by, and when it was seen, unix microseconds."""


class Stage:
    """A place that readings reach.

    Attributes:
        reached: Readings that did.
        overall: From device to here.
    """

    def __init__(self) -> None:
        self.reached = 0
        self.overall = Latencies()
        self._lately: deque[Latencies] = deque(maxlen=LATELY_LOOKS)
        self._waiting: dict[Key, int] = {}
        self._early: list[Sighting] = []

    @property
    def lately(self) -> Latencies:
        """From device to here, during the last looks."""
        return Latencies.of(self._lately)

    @property
    def waiting(self) -> int:
        """Readings that were sent and are not here."""
        return len(self._waiting)

    def match(self, sent: Iterable[Sighting], arrived: Iterable[Sighting], *, now_us: int) -> None:
        """Take what was seen since the last look.

        Args:
            sent: Readings that the broker took.
            arrived: Readings that are here now; those of other devices are forgotten after ten seconds.
            now_us: Unix microseconds.
        """
        self._waiting.update(sent)
        while len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        seen, early = Latencies(), []
        for key, at in (*self._early, *arrived):
            sent_at = self._waiting.pop(key, None)
            if sent_at is not None:
                self.reached += 1
                for latencies in (seen, self.overall):
                    latencies.add((at - sent_at) / 1e6)
            elif at > now_us - EARLY_US:
                early.append((key, at))
        self._early = early
        self._lately.append(seen)
