"""What waits for one WebSocket client: bounded, in order, and honest about what did not fit. Pure.

Once something did not fit, everything after it is missed too until the client has taken what waits; it then gets one
notice with the count and the range of sequences, and goes on from there. So what it has is gapless up to the notice.

Every frame says by its cursor how far the client is with it. A frame before a gap may not point behind the gap: whoever
loses the connection in between would never hear of it.
"""

from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from kaiser.contracts.live import Missed
from kaiser.gateway import positions
from kaiser.gateway.events import encode
from kaiser.gateway.positions import Positions

FRAME_BYTES: Final = 512 * 1024
"""A frame is closed at this size: clients refuse larger messages, the common libraries from 1 MiB on."""


class _Chunk(NamedTuple):
    """Encoded events that belong together, joined by commas, of one sequence."""

    encoded: bytes
    stream: str
    seq: int


class Outbox:
    """Chunks of encoded events for one client.

    Args:
        limit_bytes: What may wait.

    Attributes:
        missed: Events missed since the start.
        told: Positions that the client knows of by the frames that were taken.
    """

    __slots__ = ("_behind_gap", "_bytes", "_chunks", "_gap", "_limit", "_number", "missed", "told")

    def __init__(self, limit_bytes: int) -> None:
        self.missed = 0
        self.told: Positions = {}
        self._limit = limit_bytes
        self._number = 0
        self._chunks: dict[Hashable, _Chunk] = {}
        self._behind_gap: list[_Chunk] = []
        self._bytes = 0
        self._gap: dict[str, Missed] = {}

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def waiting(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._chunks or self._gap)

    @property
    def roomy(self) -> bool:
        """Whether there is room for more of what can wait elsewhere."""
        return not self._gap and 2 * self._bytes <= self._limit

    def put(
        self,
        chunk: bytes,
        *,
        count: int,
        seq: int,
        stream: str,
        urgent: bool = False,
        key: Hashable = None,
        asked_for: bool = False,
    ) -> None:
        """Take in events that belong together.

        Args:
            chunk: Encoded events, joined by commas.
            count: How many.
            seq: Their sequence in the stream.
            stream: Stream of ``seq``.
            urgent: Taken even when the client is behind, up to twice the limit.
            key: What of the same key still waits is dropped for it.
            asked_for: Taken in any case: whoever puts it has looked whether there is room.
        """
        room = 2 * self._limit if urgent else 0 if self._gap else self._limit
        if not asked_for and self._bytes + len(chunk) > room:
            self.miss(stream, seq, seq, count=count)
            return
        self._bytes += len(chunk)
        put = _Chunk(chunk, stream, seq)
        if self._gap:
            self._behind_gap.append(put)
            return
        if key is None:
            self._number += 1
            key = self._number
        elif replaced := self._chunks.pop(key, None):
            self._bytes -= len(replaced.encoded)
        self._chunks[key] = put

    def miss(self, stream: str, first: int, last: int, *, count: int | None, reason: str = "slow") -> None:
        """Note that the client will not get some of a stream."""
        self.missed += count or 0
        gap = self._gap.get(stream)
        if gap is not None:
            first = gap.from_seq
            count = None if gap.count is None or count is None else gap.count + count
            reason = gap.reason
        self._gap[stream] = Missed(stream, first, last, reason, count)  # type: ignore[arg-type]  # one of its literals

    def clear(self) -> None:
        """Forget what waits: the client wants something else now."""
        self._chunks = {}
        self._behind_gap = []
        self._bytes = 0
        self._gap = {}

    def take(self, now: Positions, cursor: str) -> list[bytes]:
        """Everything that waits as messages to send: frames, and a notice for each stream that has a gap.

        Args:
            now: Positions of the client with all of it.
            cursor: The same as text.
        """
        messages: list[bytes] = []
        if self._chunks:
            up_to_gap = self._up_to_gap(now) if self._gap else now
            before = positions.write(up_to_gap) if self._gap else cursor
            messages += self._frames(self._chunks.values(), before)
            self.told = up_to_gap
        if self._gap:
            messages += [encode(missed) for missed in self._gap.values()]
            messages += self._frames(self._behind_gap, cursor)
        self.told = now
        self.clear()
        return messages

    def _up_to_gap(self, now: Positions) -> Positions:
        first = {stream: missed.from_seq for stream, missed in self._gap.items()}
        for chunk in self._behind_gap:
            first.setdefault(chunk.stream, chunk.seq)
        return {stream: min(seq, first[stream] - 1) if stream in first else seq for stream, seq in now.items()}

    def _frames(self, chunks: Iterable[_Chunk], last_cursor: str) -> list[bytes]:
        """Chunks in as many frames as it takes, at least one; each has the cursor of what is in it."""
        frames: list[bytes] = []
        inside: list[bytes] = []
        size, told = 0, dict(self.told) if self._bytes > FRAME_BYTES else {}
        for chunk in chunks:
            if inside and size + len(chunk.encoded) > FRAME_BYTES:
                frames.append(_frame(inside, positions.write(told)))
                inside, size = [], 0
            inside.append(chunk.encoded)
            size += len(chunk.encoded)
            told[chunk.stream] = chunk.seq
        frames.append(_frame(inside, last_cursor))
        return frames


def _frame(chunks: list[bytes], cursor: str) -> bytes:
    return b'{"type":"frame","events":[' + b",".join(chunks) + b'],"cursor":"' + cursor.encode() + b'"}'
