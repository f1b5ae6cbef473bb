"""The newest messages of a stream in memory, so that whoever was away for a moment need not ask the log. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

MOST_MESSAGES: Final = 16_384
TIDY_AFTER: Final = 1024
"""Messages that were let go after which their places are, too."""


class Kept(Protocol):
    """A message that can be kept."""

    @property
    def seq(self) -> int:
        """Sequence in its stream."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def stored_at(self) -> int:
        """When the stream stored it, unix microseconds."""
        ...


K = TypeVar("K", bound=Kept)


def _seq(message: Kept) -> int:
    return message.seq


class Recent(Generic[K]):
    """The newest messages, bounded in number and bytes.

    Args:
        position: Sequence up to which the stream counts as read.
        limit_bytes: What is kept at most.

    Attributes:
        position: Sequence of the last message.
        floor: Everything behind this sequence is here.
    """

    __slots__ = ("_begin", "_bytes", "_kept", "_limit", "floor", "position")

    def __init__(self, position: int, *, limit_bytes: int) -> None:
        self.position = self.floor = position
        # A list, so that the place of a sequence is found by halving; what was let go is in front of where it begins
        self._kept: list[K] = []
        self._begin = 0
        self._bytes = 0
        self._limit = limit_bytes

    def __len__(self) -> int:
        """How many messages are kept."""
        return len(self._kept) - self._begin

    def add(self, message: K) -> None:
        """Keep a message, and let the oldest go for it."""
        self._kept.append(message)
        self._bytes += message.size
        self.position = message.seq
        while len(self) and (self._bytes > self._limit or len(self) > MOST_MESSAGES):
            gone = self._kept[self._begin]
            self._begin += 1
            self._bytes -= gone.size
            self.floor = gone.seq
        if self._begin >= TIDY_AFTER:
            del self._kept[: self._begin]
            self._begin = 0

    def pass_by(self, seq: int) -> None:
        """Note a message that nobody will ask for."""
        self.position = seq

    def covers(self, after: int) -> bool:
        """Whether everything behind a sequence is here."""
        return after >= self.floor

    def behind(self, after: int) -> Iterator[K]:
        """Messages behind a sequence, oldest first; not to be used once another one was added."""
        start = bisect_right(self._kept, after, lo=self._begin, key=_seq)
        return (self._kept[place] for place in range(start, len(self._kept)))

    def position_at(self, stored_at: int) -> int:
        """Position just before a time, unix microseconds; the floor where that is longer ago than what is kept."""
        position = self.position
        for place in range(len(self._kept) - 1, self._begin - 1, -1):
            message = self._kept[place]
            if message.stored_at < stored_at:
                return position
            position = message.seq - 1
        return min(position, self.floor)
