"""What is too large for one message, kept in a key-value bucket in parts.

There are two places, written in turn, and a head that says which one counts: whoever dies while writing leaves the last
parcel as it was.
"""

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec
from nats.js.errors import Error as JetStreamError

from kaiser.eventlog.kv import ensure_bucket

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("Parcel",)

PART_BYTES: Final = 512 * 1024
PLACES: Final = ("a", "b")


class Head(msgspec.Struct, frozen=True):
    """Where the last parcel is, with what it was made, and what its bytes come to."""

    fingerprint: str
    place: str
    parts: int
    digest: str


class Parcel:
    """Bytes under a key.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
        key: Key of the head; parts have it as their prefix.
        fingerprint: What reads it: a parcel that was made with another one is none.
    """

    def __init__(self, log: "EventLog", bucket: str, key: str, fingerprint: str) -> None:
        self._log = log
        self._bucket = bucket
        self._key = key
        self._fingerprint = fingerprint

    async def read(self) -> bytes | None:
        """The last one; None where there is none of this fingerprint.

        Raises:
            nats.errors.Error: The log is not reachable, or a part is missing.
            ValueError: Its parts do not belong together.
        """
        head = await self._head()
        if head is None or head.fingerprint != self._fingerprint:
            return None
        bucket = await ensure_bucket(self._log, self._bucket)
        parts = [(await bucket.get(f"{self._key}.{head.place}.{i}")).value or b"" for i in range(head.parts)]
        data = b"".join(parts)
        if _digest(data) != head.digest:
            raise ValueError("the parts do not belong together")
        return data

    async def write(self, data: bytes) -> None:
        """Put another one in its place.

        Raises:
            nats.errors.Error: The log is not reachable; the last one is as it was.
        """
        bucket = await ensure_bucket(self._log, self._bucket)
        head = await self._head()
        place = PLACES[0] if head is None or head.place == PLACES[1] else PLACES[1]
        parts = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
        for i, part in enumerate(parts):
            await bucket.put(f"{self._key}.{place}.{i}", part)
        made = Head(self._fingerprint, place, len(parts), _digest(data))
        await bucket.put(self._key, msgspec.json.encode(made))

    async def _head(self) -> Head | None:
        bucket = await ensure_bucket(self._log, self._bucket)
        try:
            entry = await bucket.get(self._key)
        except JetStreamError:
            return None
        return msgspec.json.decode(entry.value or b"", type=Head)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
