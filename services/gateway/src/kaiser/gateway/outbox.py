"""What waits for one WebSocket client: bounded, in order, and honest about what did not fit. Pure.

Once something did not fit, everything after it is missed too until the client has taken what waits; it then gets one
notice with the count and the range of sequences, and goes on from there. So what it has is gapless up to the notice.

Every frame says by its cursor how far the client is with it. A frame before a gap may not point behind the gap: whoever
loses the connection in between would never hear of it.
"""

from collections.abc import Hashable
from itertools import islice
from typing import Final, NamedTuple

from kaiser.contracts.live import Missed
from kaiser.gateway import positions
from kaiser.gateway.events import encode
from kaiser.gateway.positions import Positions

FRAME_BYTES: Final = 64 * 1024
"""A frame is closed at this size: what was taken for a client that does not read waits in memory of its own, and
libraries of clients refuse large messages, the common ones from 1 MiB on."""

FAIR_SHARE: Final = 64
"""Part of its limit that each client may still use when all of them together have used up theirs."""


class _Chunk(NamedTuple):
    """Encoded events that belong together, joined by commas, of one sequence."""

    encoded: bytes
    stream: str
    seq: int


class Budget:
    """What may wait for all clients together.

    Args:
        limit_bytes: How much.

    Attributes:
        used: How much does.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        self.used = 0


class Outbox:
    """Chunks of encoded events for one client.

    Args:
        limit_bytes: What may wait for it.
        budget: What may wait for it and all others; when that is used up, much less may wait for each.

    Attributes:
        missed: Events missed since the start.
        told: Positions that the client knows of by the frames that were taken.
    """

    __slots__ = ("_behind_gap", "_budget", "_bytes", "_chunks", "_gap", "_limit", "_number", "missed", "told")

    def __init__(self, limit_bytes: int, budget: Budget | None = None) -> None:
        self.missed = 0
        self._budget = budget or Budget(limit_bytes)
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
        return not self._gap and 2 * self._bytes <= self._most()

    @property
    def almost_done(self) -> bool:
        """Whether little waits, of what there is room for."""
        return not self._gap and 16 * self._bytes <= self._most()

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
        limit = self._most()
        room = 2 * limit if urgent else 0 if self._gap else limit
        if not asked_for and self._bytes + len(chunk) > room:
            self.miss(stream, seq, seq, count=count)
            return
        self._account(len(chunk))
        put = _Chunk(chunk, stream, seq)
        if self._gap:
            self._behind_gap.append(put)
            return
        if key is None:
            self._number += 1
            key = self._number
        elif replaced := self._chunks.pop(key, None):
            self._account(-len(replaced.encoded))
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
        self._account(-self._bytes)
        self._gap = {}

    def take(self, now: Positions, cursor: str) -> list[bytes]:
        """What waits as messages to send, as far as one frame goes; with the last of it a notice for each gap.

        Args:
            now: Positions of the client with all of what waits.
            cursor: The same as text.
        """
        inside: list[bytes] = []
        size, last = 0, {}
        for chunk in self._chunks.values():
            if inside and size + len(chunk.encoded) > FRAME_BYTES:
                break
            inside.append(chunk.encoded)
            size += len(chunk.encoded)
            last[chunk.stream] = chunk.seq
        if len(inside) < len(self._chunks):
            for key in list(islice(self._chunks, len(inside))):
                del self._chunks[key]
            self._account(-size)
            self.told = {**self.told, **last}
            return [_frame(inside, positions.write(self.told))]
        messages = []
        if self._gap:
            if inside:
                messages.append(_frame(inside, positions.write(self._up_to_gap(now))))
            messages += [encode(missed) for missed in self._gap.values()]
            inside = [chunk.encoded for chunk in self._behind_gap]
        messages.append(_frame(inside, cursor))
        self.told = now
        self.clear()
        return messages

    def _most(self) -> int:
        """What may wait just now."""
        return self._limit if self._budget.used < self._budget.limit else self._limit // FAIR_SHARE

    def _account(self, size: int) -> None:
        self._bytes += size
        self._budget.used += size

    def _up_to_gap(self, now: Positions) -> Positions:
        first = {stream: missed.from_seq for stream, missed in self._gap.items()}
        for chunk in self._behind_gap:
            first.setdefault(chunk.stream, chunk.seq)
        return {stream: min(seq, first[stream] - 1) if stream in first else seq for stream, seq in now.items()}


def _frame(chunks: list[bytes], cursor: str) -> bytes:
    return b'{"type":"frame","events":[' + b",".join(chunks) + b'],"cursor":"' + cursor.encode() + b'"}'
