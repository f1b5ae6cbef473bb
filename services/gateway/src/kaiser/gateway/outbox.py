"""What waits for one WebSocket client: bounded, in order, and honest about what did not fit. Pure.

Once something did not fit, everything after it is missed too until the client has taken what waits; it then gets one
notice with the count and the range of sequences, and goes on from there. So what it has is gapless up to the notice.
"""

from typing import Final

import msgspec

from kaiser.gateway.events import encode

FRAME_BYTES: Final = 512 * 1024
"""A frame is closed at this size: clients refuse larger messages, the common libraries from 1 MiB on."""


class Missed(msgspec.Struct, frozen=True, tag_field="type", tag="missed"):
    """Notice to a client that could not keep up; the range is inclusive, and can be read over REST."""

    stream: str
    count: int
    from_seq: int
    to_seq: int


class Outbox:
    """Chunks of encoded events for one client.

    Args:
        limit_bytes: What may wait.

    Attributes:
        missed: Events missed since the start.
    """

    __slots__ = ("_bytes", "_chunks", "_gap", "_limit", "missed")

    def __init__(self, limit_bytes: int) -> None:
        self.missed = 0
        self._limit = limit_bytes
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._gap: dict[str, Missed] = {}

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    def put(self, chunk: bytes, *, count: int, seq: int, stream: str, urgent: bool = False) -> None:
        """Take in events that belong together.

        Args:
            chunk: Encoded events, joined by commas.
            count: How many.
            seq: Their sequence in the stream.
            stream: Stream of ``seq``.
            urgent: Taken even when the client is behind, up to twice the limit.
        """
        room = 2 * self._limit if urgent else 0 if self._gap else self._limit
        if self._bytes + len(chunk) > room:
            gap = self._gap.get(stream)
            first = gap.from_seq if gap else seq
            self._gap[stream] = Missed(stream, count + (gap.count if gap else 0), first, seq)
            self.missed += count
            return
        self._chunks.append(chunk)
        self._bytes += len(chunk)

    def clear(self) -> None:
        """Forget what waits: the client wants something else now."""
        self._chunks = []
        self._bytes = 0
        self._gap = {}

    def take(self) -> list[bytes]:
        """Everything that waits as messages to send: frames, and a notice for each stream that has a gap."""
        messages: list[bytes] = []
        chunks: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            if chunks and size + len(chunk) > FRAME_BYTES:
                messages.append(_frame(chunks))
                chunks, size = [], 0
            chunks.append(chunk)
            size += len(chunk)
        if chunks:
            messages.append(_frame(chunks))
        messages += [encode(missed) for missed in self._gap.values()]
        self.clear()
        return messages


def _frame(chunks: list[bytes]) -> bytes:
    return b'{"type":"frame","events":[' + b",".join(chunks) + b"]}"
