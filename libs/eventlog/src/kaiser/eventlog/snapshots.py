"""What a service knew at a moment, in a key-value bucket, so that it need not read years of its log at each start.

It is a saving and no truth: one that is torn, not there, or made by another version is none, and the log is read. There
are two places, written in turn, and a head that says which one counts: whoever dies while writing leaves the last
snapshot as it was.
"""

from typing import TYPE_CHECKING, Final

import msgspec
import nats.errors
import structlog
import xxhash
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from kaiser.eventlog.kv import ensure_bucket

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("Snapshots",)

PART_BYTES: Final = 512 * 1024
"""A message holds that much."""
HEAD: Final = "checkpoint"
PLACES: Final = ("a", "b")

_log = structlog.get_logger(__name__)


class Head(msgspec.Struct, frozen=True):
    """Where the last snapshot is, with what it was made, and what its bytes come to."""

    fingerprint: str
    place: str
    parts: int
    digest: str


class Snapshots:
    """Keeps the last snapshot of a service.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
        fingerprint: What a snapshot has to be made with to be of use: a version, and the shape of what is in it.
    """

    def __init__(self, log: "EventLog", bucket: str, fingerprint: str) -> None:
        self._log = log
        self._bucket = bucket
        self._fingerprint = fingerprint

    async def last(self) -> bytes | None:
        """The last one as it was given; None where there is none that is of use."""
        try:
            return await self.read()
        except (nats.errors.Error, JetStreamError, ValueError, TimeoutError) as error:
            _log.warning("no snapshot to go on from, the log is read", bucket=self._bucket, reason=repr(error))
            return None

    async def keep(self, data: bytes) -> None:
        """Write one.

        Raises:
            nats.errors.Error: The log is not reachable; the last snapshot is as it was.
        """
        bucket = await ensure_bucket(self._log, self._bucket)
        place = PLACES[0] if await self._place(bucket) == PLACES[1] else PLACES[1]
        parts = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
        for i, part in enumerate(parts):
            await bucket.put(f"{HEAD}.{place}.{i}", part)
        head = Head(self._fingerprint, place, len(parts), xxhash.xxh3_64_hexdigest(data))
        await bucket.put(HEAD, msgspec.json.encode(head))

    async def read(self) -> bytes | None:
        """The last one, for a service that cannot do without; None where there is none with this fingerprint.

        Raises:
            nats.errors.Error: The log is not reachable, or a part is missing.
            ValueError: Its parts do not belong together.
        """
        bucket = await ensure_bucket(self._log, self._bucket)
        head = await self._head(bucket)
        if head is None or head.fingerprint != self._fingerprint:
            return None
        parts = [(await bucket.get(f"{HEAD}.{head.place}.{i}")).value or b"" for i in range(head.parts)]
        data = b"".join(parts)
        if xxhash.xxh3_64_hexdigest(data) != head.digest:
            raise ValueError("its parts do not belong together")
        return data

    async def _place(self, bucket: KeyValue) -> str:
        """Where the one that counts is; a head that cannot be read counts for nothing."""
        try:
            head = await self._head(bucket)
        except ValueError:
            return ""
        return "" if head is None else head.place

    async def _head(self, bucket: KeyValue) -> Head | None:
        try:
            entry = await bucket.get(HEAD)
        except NotFoundError:
            return None
        return msgspec.json.decode(entry.value or b"", type=Head)
