"""Holds back whoever guesses passwords: after some failures a name or an address has to wait. Pure."""

from collections import OrderedDict
from typing import Final

FREE_FAILURES: Final = 5
WINDOW_S: Final = 300.0
LONGEST_WAIT_S: Final = 60.0
REMEMBERED: Final = 10_000


class Throttle:
    """Failures by key (a user name, an address), bounded; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, *keys: str, now: float) -> float:
        """Seconds that these keys have to wait from now; 0 for none.

        Args:
            keys: Who is asking.
            now: Seconds of a monotonic clock.
        """
        return max((self._wait_s(key, now) for key in keys), default=0.0)

    def failed(self, *keys: str, now: float) -> None:
        """Count a failure."""
        for key in keys:
            count, since = self._failures.pop(key, (0, now))
            self._failures[key] = (count + 1 if now - since < WINDOW_S else 1, now)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures."""
        for key in keys:
            self._failures.pop(key, None)

    def _wait_s(self, key: str, now: float) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        if count < FREE_FAILURES or now - last > WINDOW_S:
            return 0.0
        wait = min(LONGEST_WAIT_S, 2.0 ** (count - FREE_FAILURES))
        return max(0.0, last + wait - now)
