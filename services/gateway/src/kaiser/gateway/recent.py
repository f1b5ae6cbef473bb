"""The newest messages of a stream in memory, so that whoever was away for a moment need not ask the log. Pure."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

MOST_MESSAGES: Final = 4096


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


class Recent(Generic[K]):
    """The newest messages, bounded in number and bytes.

    Args:
        position: Sequence up to which the stream counts as read.
        limit_bytes: What is kept at most.

    Attributes:
        position: Sequence of the last message.
        floor: Everything behind this sequence is here.
    """

    __slots__ = ("_bytes", "_kept", "_limit", "floor", "position")

    def __init__(self, position: int, *, limit_bytes: int) -> None:
        self.position = self.floor = position
        self._kept: deque[K] = deque()
        self._bytes = 0
        self._limit = limit_bytes

    def __len__(self) -> int:
        """How many messages are kept."""
        return len(self._kept)

    def add(self, message: K) -> None:
        """Keep a message, and let the oldest go for it."""
        self._kept.append(message)
        self._bytes += message.size
        self.position = message.seq
        while self._kept and (self._bytes > self._limit or len(self._kept) > MOST_MESSAGES):
            gone = self._kept.popleft()
            self._bytes -= gone.size
            self.floor = gone.seq

    def pass_by(self, seq: int) -> None:
        """Note a message that nobody will ask for."""
        self.position = seq

    def covers(self, after: int) -> bool:
        """Whether everything behind a sequence is here."""
        return after >= self.floor

    def behind(self, after: int) -> Iterator[K]:
        """Messages behind a sequence, oldest first; not to be used once another one was added."""
        count = 0
        for message in reversed(self._kept):
            if message.seq <= after:
                break
            count += 1
        return islice(self._kept, len(self._kept) - count, None)

    def position_at(self, stored_at: int) -> int:
        """Position just before a time, unix microseconds; the floor where that is longer ago than what is kept."""
        position = self.position
        for message in reversed(self._kept):
            if message.stored_at < stored_at:
                return position
            position = message.seq - 1
        return min(position, self.floor)
