"""The dead man's switch: whether safety has been silent for too long. Pure; times are seconds that never jump.

It waits a whole lease from the moment in which it begins to listen, and time in which this process could not listen
does not count: a bridge that was frozen for a minute has not heard that safety is dead.
"""

from typing import Final

LONGEST_LOOK_S: Final = 1.0
"""Longer than that between two looks, and the process was not running in between."""


class DeadMansSwitch:
    """Hears safety, and says when it has not for too long.

    Args:
        lease_s: Seconds of silence after which what may not stay on without safety is switched off.

    Attributes:
        heard_at: When it was heard last; None for never.
    """

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self.heard_at: float | None = None
        self._since: float | None = None
        self._looked_at = 0.0

    def begin(self, now: float) -> None:
        """Listen from now on; nothing is said of safety before a lease is over."""
        self._since = self._looked_at = now

    def hear(self, now: float) -> None:
        """Safety has said that it lives."""
        self.heard_at = now
        if self._since is not None:
            self._since = max(self._since, now)

    def unheard(self, now: float) -> bool:
        """Whether it was heard once, and not for a lease: nobody has to have begun to listen, nor to look."""
        return self.heard_at is not None and now - self.heard_at >= self.lease_s

    def silent(self, now: float) -> bool:
        """Whether it has said nothing for a lease; to be asked several times a second.

        Raises:
            RuntimeError: Nobody has begun to listen.
        """
        if self._since is None:
            raise RuntimeError("nobody listens yet")
        frozen = now - self._looked_at - LONGEST_LOOK_S
        if frozen > 0:
            self._since = min(now, self._since + frozen)
        self._looked_at = now
        return now - self._since >= self.lease_s
