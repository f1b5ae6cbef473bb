"""The readings that the database cannot tell from a repetition: those dated by the server.

The identity of a row is sensor, measured time and reading id. A message that the broker delivers again is the same
reading at a new time of receipt, so where that time counts, the row would be new. The converter therefore remembers the
ids of such readings for a while. A reading dated by its device needs no memory: it hits the same row.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

SPAN_US: Final = 600_000_000
"""Ten minutes: longer than any reconnect of a bridge to a broker that redelivers."""
MOST: Final = 100_000
"""Ids remembered at most, 12 MB; at 1,000 clockless readings a second still 100 s."""


class Window:
    """Ids of the latest server-dated readings, bounded in number and age."""

    __slots__ = ("_ids", "_most", "_order", "_span_us")

    def __init__(self, *, most: int = MOST, span_us: int = SPAN_US) -> None:
        self._most = most
        self._span_us = span_us
        self._ids: dict[int, int] = {}
        self._order: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self._ids)

    def take(self, reading_id: int, received_at: int) -> bool:
        """Whether a reading is new; it is remembered from now on.

        Args:
            reading_id: Identity of the reading.
            received_at: Unix microseconds.
        """
        known_at = self._ids.get(reading_id)
        if known_at is not None and abs(received_at - known_at) <= self._span_us:
            return False
        self._ids[reading_id] = received_at
        self._order.append((reading_id, received_at))
        if len(self._order) > self._most or self._order[0][1] < received_at - self._span_us:
            self._forget_old(received_at)
        return True

    def forget(self, taken: Iterable[int]) -> None:
        """Take back readings whose batch was not published after all, or the second attempt would drop them."""
        for reading_id in taken:
            self._ids.pop(reading_id, None)

    def _forget_old(self, now: int) -> None:
        order = self._order
        while order and (len(order) > self._most or order[0][1] < now - self._span_us):
            reading_id, received_at = order.popleft()
            if self._ids.get(reading_id) == received_at:
                del self._ids[reading_id]
