"""Messages of several streams, each in the order of its stream, until the engine takes them. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from kaiser.logic.ordering import RANKS, Message
from kaiser.logic.times import NEVER


class Feed:
    """What came of one stream and was not taken yet.

    Attributes:
        stream: Its name.
        waiting: Oldest first.
        seen: Sequence of the last message that came, whether it said something or not.
        at: When that one was stored.
        behind: Whether the server has more.
        taken: Sequence of the last message that was taken, or that said nothing and came before one that was.
    """

    __slots__ = ("at", "behind", "rank", "seen", "stream", "taken", "waiting")

    def __init__(self, stream: str, taken: int) -> None:
        self.stream = stream
        self.rank = RANKS[stream]
        self.waiting: deque[Message] = deque()
        self.seen = taken
        self.at = 0
        self.behind = True
        self.taken = taken

    def add(self, message: Message | None, seq: int, at: int) -> None:
        """A message came; None for one that says nothing."""
        self.seen, self.at = seq, at
        if message is not None:
            self.waiting.append(message)
        elif not self.waiting:
            self.taken = seq

    def pop(self) -> Message:
        """Take the oldest."""
        message = self.waiting.popleft()
        self.taken = message.seq if self.waiting else self.seen
        return message

    def know(self, seq: int) -> None:
        """Everything up to a sequence is known, though not all of it came; nothing of it waits."""
        if not self.waiting or self.waiting[0].seq > seq:
            self.taken = max(self.taken, seq)
            self.seen = max(self.seen, seq)

    @property
    def bound(self) -> int:
        """Up to when everything of this stream is here, as far as is known."""
        return self.at if self.behind else NEVER


def merged(feeds: Iterable[Feed], wanted: Callable[[Feed, Message], bool], most: int = 0) -> Iterator[Message]:
    """Take messages in the order of their times, of each stream as long as its oldest one is wanted.

    Args:
        feeds: Of all streams.
        wanted: Whether the oldest message of a feed is to be taken now.
        most: How many at most; 0 for all.
    """
    open_feeds = [feed for feed in feeds if feed.waiting]
    taken = 0
    while open_feeds and (not most or taken < most):
        best: Feed | None = None
        for feed in open_feeds:
            head = feed.waiting[0]
            if best is None or (head.at, feed.rank) < (best.waiting[0].at, best.rank):
                best = feed
        assert best is not None
        if not wanted(best, best.waiting[0]):
            open_feeds.remove(best)
            continue
        yield best.pop()
        taken += 1
        if not best.waiting:
            open_feeds.remove(best)


def due(feeds: Iterable[Feed], now: int, most: int) -> Iterator[Message]:
    """Messages that may be taken by now: nothing that is older is still to come, as far as is known.

    Args:
        feeds: Of all streams.
        now: Messages that were stored later wait, microseconds.
        most: How many at most.
    """
    feeds = tuple(feeds)
    limit = min(now, *(feed.bound for feed in feeds))
    return merged(feeds, lambda _, message: message.at <= limit, most)


def up_to(
    feeds: Iterable[Feed], taken: Mapping[str, int], late: Mapping[tuple[str, int], int], most: int
) -> Iterator[Message]:
    """Messages that somebody else has taken, when that one took them, as far as they are here.

    Args:
        feeds: Of all streams.
        taken: Sequence of the last one, by stream.
        late: When those were taken that were taken late, by stream and sequence.
        most: How many at most.
    """
    feeds = tuple(feeds)
    limit = min((feed.at for feed in feeds if feed.seen < taken.get(feed.stream, 0)), default=NEVER)
    moved = {stream for stream, _ in late}
    for feed in feeds:
        if feed.stream in moved:
            _move(feed, late)

    def wanted(feed: Feed, message: Message) -> bool:
        return message.at <= limit and message.seq <= taken.get(feed.stream, 0)

    return merged(feeds, wanted, most)


def _move(feed: Feed, late: Mapping[tuple[str, int], int]) -> None:
    for i, message in enumerate(feed.waiting):
        at = late.get((feed.stream, message.seq), message.at)
        if at != message.at:
            feed.waiting[i] = Message(at, message.stream, message.seq, message.event)
