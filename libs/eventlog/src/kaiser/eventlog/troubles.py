"""What JetStream does not do although NATS is there: no quorum, no leader of a stream, a server that is starting."""

import time
from collections.abc import Callable
from typing import Final

__all__ = ("Troubles",)

PATIENCE_S: Final = 10.0
"""A cluster that lost a server chooses its leaders anew in less."""


class Troubles:
    """Attempts that go wrong again and again, each known by whoever makes them.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[object, float] = {}
        self._words: dict[object, str] = {}

    def failed(self, who: object, words: str) -> None:
        """An attempt failed, and will be made again."""
        self._since.setdefault(who, self._clock())
        self._words[who] = words

    def over(self, who: object) -> None:
        """It succeeded, or is not made any more; a no-op for one that never failed."""
        self._since.pop(who, None)
        self._words.pop(who, None)

    def words(self) -> str:
        """What has gone wrong for longest; empty for nothing, or nothing for as long as that."""
        now = self._clock()
        who = min(self._since, key=self._since.__getitem__, default=None)
        if who is None or (lasts_s := now - self._since[who]) < PATIENCE_S:
            return ""
        return f"NATS is there, and JetStream has not done what it is asked for {lasts_s:.0f} s: {self._words[who]}"
