"""Whether work that is done again and again comes to its end each time. Pure."""


class Stint:
    """One piece of such work after the other; one that fails is the same until it succeeds."""

    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self, clock: float) -> None:
        """It begins, or is tried again. ``clock`` is the monotonic one, seconds."""
        if self._since is None:
            self._since = clock

    def done(self) -> None:
        """It has come to its end."""
        self._since = None

    def lasts_s(self, clock: float) -> float:
        """How long it has been on its way; 0 while there is none."""
        return 0.0 if self._since is None else clock - self._since
