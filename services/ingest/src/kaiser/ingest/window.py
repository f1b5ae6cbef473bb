"""The readings that the database cannot tell from a repetition: those dated by the server.

The identity of a row is sensor, measured time and reading id. A message that the broker delivers again is the same
reading at a new time of receipt, so where that time counts, the row would be new. The converter therefore remembers the
ids of such readings for a while, with the raw batch that each came in first. A reading that comes in another batch is a
repetition; one that comes in the same batch is that batch again, and must become the same finished batch again, since
that is published under the same id. A reading dated by its device needs no memory: it hits the same row.
"""

from collections import deque
from typing import Final

SPAN_US: Final = 600_000_000
"""Ten minutes: longer than any reconnect of a bridge to a broker that redelivers."""
MOST: Final = 100_000
"""Ids remembered at most, 20 MB; at 1,000 clockless readings a second still 100 s."""


class Window:
    """Where the latest server-dated readings came first; bounded in number and age."""

    __slots__ = ("_known", "_most", "_order", "_span_us")

    def __init__(self, *, most: int = MOST, span_us: int = SPAN_US) -> None:
        self._most = most
        self._span_us = span_us
        self._known: dict[int, tuple[int, str]] = {}
        self._order: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self._known)

    def take(self, reading_id: int, received_at: int, origin: str) -> bool:
        """Whether a reading belongs to the batch that it comes in; if it is new, it does from now on.

        Args:
            reading_id: Identity of the reading.
            received_at: Unix microseconds.
            origin: Id of the raw batch.
        """
        known = self._known.get(reading_id)
        if known is not None and abs(received_at - known[0]) <= self._span_us:
            return known[1] == origin
        self._known[reading_id] = (received_at, origin)
        self._order.append((reading_id, received_at))
        if len(self._order) > self._most or self._order[0][1] < received_at - self._span_us:
            self._forget_old(received_at)
        return True

    def _forget_old(self, now: int) -> None:
        order = self._order
        while order and (len(order) > self._most or order[0][1] < now - self._span_us):
            reading_id, received_at = order.popleft()
            known = self._known.get(reading_id)
            if known is not None and known[0] == received_at:
                del self._known[reading_id]
