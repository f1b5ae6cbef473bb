"""Which streams took no more lately: what was refused for want of room, by whoever was refused."""

import time
from collections.abc import Sequence
from typing import Final

from kaiser.contracts.streams import STREAMS

__all__ = ("Room",)

LATELY_S: Final = 10.0
"""Nobody says that there is room again but the next event that is taken; without one, a refusal counts so long."""

_STREAM_OF: Final = {subject.partition(".")[0]: spec.name for spec in STREAMS for subject in spec.subjects}


class Room:
    """What this connection was refused."""

    def __init__(self) -> None:
        self._refused: dict[str, float] = {}

    def refused(self, subject: str) -> None:
        """A stream took no more of a subject."""
        first = subject.partition(".")[0]
        self._refused[_STREAM_OF.get(first, first)] = time.monotonic()

    def taken(self, stream: str) -> None:
        """A stream took an event."""
        if self._refused:
            self._refused.pop(stream, None)

    def is_full(self, stream: str) -> bool:
        """Whether a stream took no more when it was last asked, and that was lately."""
        at = self._refused.get(stream)
        return at is not None and time.monotonic() - at < LATELY_S

    def full(self) -> Sequence[str]:
        """The streams that took no more."""
        return [stream for stream in sorted(self._refused) if self.is_full(stream)]
