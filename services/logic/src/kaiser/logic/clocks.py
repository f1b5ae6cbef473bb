"""The clock of the server that stores messages, as far as it shows in them. Pure."""

from typing import Final

from kaiser.logic.times import SECOND

WINDOW: Final = 10 * SECOND
OUTAGE: Final = 5 * SECOND
"""What comes so much later than it was stored was kept by an outage, and shows nothing of the server's clock."""


class ServerClock:
    """How much the server's clock is ahead of ours, less the time that a message takes: by the quickest of late.

    Messages have the server's time, and timers are compared with it. Were they compared with ours, and that ahead,
    every message would come late.
    """

    def __init__(self) -> None:
        self._since = 0
        self._best: int | None = None
        self._before: int | None = None

    def observe(self, stored_at: int, now: int) -> None:
        """A message came as soon as it was stored. Both in unix microseconds."""
        ahead = stored_at - now
        if ahead < -OUTAGE:
            return
        if now - self._since > WINDOW:
            self._since, self._before, self._best = now, self._best, None
        if self._best is None or ahead > self._best:
            self._best = ahead

    def now(self, now: int) -> int:
        """The server's time when ours is ``now``, a little less than more."""
        known = [ahead for ahead in (self._best, self._before) if ahead is not None]
        return now + max(known, default=0)
