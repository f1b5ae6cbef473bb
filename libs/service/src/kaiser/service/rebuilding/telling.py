"""How far it is, in words: a line now and then, with rate and the time that is left."""

import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 5.0


class Progress:
    """Counts messages towards a total.

    Args:
        say: Takes a line.
        every_s: Seconds between two lines.
    """

    def __init__(self, say: Callable[[str], None], *, every_s: float = EVERY_S) -> None:
        self._say = say
        self._every_s = every_s
        self._total = self._done = 0
        self._began = self._said = time.monotonic()

    def begin(self, total: int) -> None:
        """So many messages are ahead."""
        self._total, self._done = total, 0
        self._began = self._said = time.monotonic()

    def passed(self, messages: int) -> None:
        """So many are done."""
        self._done += messages
        now = time.monotonic()
        if now - self._said >= self._every_s and self._done < self._total:
            self._said = now
            self._say(line(self._done, self._total, now - self._began))

    def end(self) -> None:
        """All are done."""
        seconds = time.monotonic() - self._began
        if self._done:
            self._say(f"{self._done:,} messages in {seconds:.1f} s, {self._done / max(seconds, 1e-3):,.0f}/s")


def line(done: int, total: int, seconds: float) -> str:
    """A line of progress."""
    rate = done / max(seconds, 1e-3)
    left = f"{(total - done) / rate:,.0f} s left" if rate else "nothing yet"
    return f"{done:,} of {total:,} messages ({done / max(total, 1):.0%}), {rate:,.0f}/s, {left}"
