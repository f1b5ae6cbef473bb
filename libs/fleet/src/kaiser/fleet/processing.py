"""The HTTP step of ``dec``: each value is asked from the server, and a breaker stands before it (section 4.2)."""

from typing import Final, Literal

FAILURES: Final = 5
OPEN_S: Final = 60.0


class Processing:
    """What the device gets for its request, without any network.

    Args:
        answers: Whether the server's endpoint answers as the device needs it.
    """

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self._failures = 0
        self._open_until_s = 0.0

    def ask(self, now_s: float) -> Literal["value", "nothing", "raw"]:
        """``value``, ``nothing`` (no message at all), or ``raw`` while the breaker is open.

        Args:
            now_s: Seconds since boot.
        """
        if self._answers:
            return "value"
        if now_s < self._open_until_s:
            return "raw"
        self._failures += 1
        if self._failures >= FAILURES:
            self._failures = 0
            self._open_until_s = now_s + OPEN_S
        return "nothing"
