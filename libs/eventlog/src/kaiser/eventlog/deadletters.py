"""Dead letters: what could not be used, kept with its reason and its bytes, to be read and browsed by people.

The stream has Limits retention: a work queue could not be browsed (nestjs-jetstream#177).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters
from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import Event, now_us
from kaiser.eventlog.replay import replay

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("DeadLetterBox", "browse", "letter_of")

ORIGINAL: Final = "Original-"
"""Prefix of the headers of the message that failed, on the event that carries its dead letter."""
HEADROOM_BYTES: Final = 16 * 1024
"""Kept free for headers and the fields beside the payload."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DeadLetters).decode


class DeadLetterBox:
    """Where one service puts its dead letters.

    Args:
        log: The connection.
        service: Who refuses, such as ``ingest``.
    """

    def __init__(self, log: "EventLog", service: str) -> None:
        self._log = log
        self._service = service

    async def put(self, letters: Sequence[DeadLetter], *, headers: Mapping[str, str] | None = None) -> None:
        """Store letters, as few events as their size allows, and wait until they are safe.

        A payload that would not fit into one event is cut, and its letter says so.

        Args:
            letters: In the order in which they came.
            headers: Headers of the message that they come from, kept beside them.
        """
        kept = {f"{ORIGINAL}{name}": value for name, value in (headers or {}).items()} or None
        await self._log.publish_all(
            [
                Event(
                    subject=subjects.deadletter(self._service),
                    type=DeadLetters.TYPE,
                    data=_encode(DeadLetters(service=self._service, letters=part)),
                    source=f"kaiser/{self._service}",
                    headers=kept,
                )
                for part in _parts(letters, int(self._log.nc.max_payload) - HEADROOM_BYTES)
            ]
        )


async def browse(log: "EventLog", service: str = "") -> AsyncIterator[tuple[Delivery, DeadLetters]]:
    """All dead letters there are, oldest first: where each event of them is, and what it holds.

    Args:
        log: The connection.
        service: Only those of one service; empty for all.
    """
    subject = subjects.deadletter(service) if service else subjects.DEAD_LETTERS
    async for delivery in replay(log, DEADLETTER.name, subjects=(subject,)):
        yield delivery, _decode(delivery.data)


def letter_of(delivery: Delivery, code: str, detail: str, *, where: str = "", attempts: int = 1) -> DeadLetter:
    """The dead letter of a message of the log."""
    return DeadLetter(
        code=code,
        detail=detail,
        where=where,
        payload=delivery.data,
        received_at=now_us(),
        subject=delivery.subject,
        stream=delivery.stream,
        stream_seq=delivery.seq,
        attempts=attempts,
    )


def _parts(letters: Iterable[DeadLetter], limit: int) -> list[list[DeadLetter]]:
    """Letters in runs whose JSON stays below ``limit`` bytes."""
    parts: list[list[DeadLetter]] = []
    size = limit
    for whole in letters:
        letter = _cut(whole, limit)
        needed = len(_encode(letter)) + 1
        if size + needed > limit:
            parts.append([])
            size = 0
        parts[-1].append(letter)
        size += needed
    return parts


def _cut(letter: DeadLetter, limit: int) -> DeadLetter:
    if len(_encode(letter)) < limit:
        return letter
    frame = len(_encode(msgspec.structs.replace(letter, payload=b""))) + len(" (first 1048576 of 1048576 bytes)")
    kept = max(0, (limit - frame) * 3 // 4 - 3)  # base64 makes 4 bytes of 3
    return msgspec.structs.replace(
        letter,
        payload=letter.payload[:kept],
        detail=f"{letter.detail} (first {kept} of {len(letter.payload)} bytes)",
    )
