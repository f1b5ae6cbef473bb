"""Keeps checkpoints in the key-value bucket of safety, in parts that a message can hold, and finds the last one.

There are two places, written in turn, and a head that says which one counts: whoever dies while writing leaves the last
checkpoint as it was.
"""

import asyncio
from typing import Final

import msgspec
import nats.errors
import structlog
import xxhash
from nats.js.errors import Error as JetStreamError

from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.eventlog import EventLog, ensure_bucket
from kaiser.safety import checkpoints
from kaiser.safety.checkpoints import Checkpoint
from kaiser.safety.following import Followed

_log = structlog.get_logger(__name__)

PART_BYTES: Final = 512 * 1024
HEAD: Final = "checkpoint"
PLACES: Final = ("a", "b")


class Head(msgspec.Struct, frozen=True):
    """Where the last checkpoint is, with what it was made, and what its bytes come to."""

    fingerprint: str
    place: str
    parts: int
    digest: str


class Checkpoints:
    """Reads and writes checkpoints.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
    """

    def __init__(self, log: EventLog, bucket: str) -> None:
        self._log = log
        self._bucket = bucket

    async def last(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none that is of use."""
        try:
            checkpoint = await self._read()
            if checkpoint is None or not await self._belongs(checkpoint):
                return None
        except (nats.errors.Error, JetStreamError, ValueError, TimeoutError) as error:
            _log.warning("no checkpoint to go on from, reading everything", reason=repr(error))
            return None
        return checkpoint

    async def keep(self, followed: Followed, every_s: float) -> None:
        """Write one now and then, until cancelled."""
        kept = 0
        while True:
            await asyncio.sleep(every_s)
            checkpoint = followed.checkpoint()
            if checkpoint.actuators_seq + checkpoint.safety_seq != kept:
                try:
                    await self.write(checkpoint)
                    kept = checkpoint.actuators_seq + checkpoint.safety_seq
                except (nats.errors.Error, JetStreamError, TimeoutError) as error:
                    _log.warning("a checkpoint could not be written", reason=repr(error))

    async def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            nats.errors.Error: The log is not reachable; the last checkpoint is as it was.
        """
        bucket = await ensure_bucket(self._log, self._bucket)
        data = await asyncio.to_thread(checkpoints.to_bytes, checkpoint)
        head = await self._head()
        place = PLACES[0] if head is None or head.place == PLACES[1] else PLACES[1]
        parts = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
        for i, part in enumerate(parts):
            await bucket.put(f"{HEAD}.{place}.{i}", part)
        made = Head(checkpoints.fingerprint(), place, len(parts), xxhash.xxh3_64_hexdigest(data))
        await bucket.put(HEAD, msgspec.json.encode(made))
        _log.debug("checkpoint written", bytes=len(data), actuators=checkpoint.actuators_seq)

    async def _read(self) -> Checkpoint | None:
        head = await self._head()
        if head is None or head.fingerprint != checkpoints.fingerprint():
            return None
        bucket = await ensure_bucket(self._log, self._bucket)
        parts = [(await bucket.get(f"{HEAD}.{head.place}.{i}")).value or b"" for i in range(head.parts)]
        data = b"".join(parts)
        if xxhash.xxh3_64_hexdigest(data) != head.digest:
            raise ValueError("the parts of the checkpoint do not belong together")
        return checkpoints.from_bytes(data)

    async def _head(self) -> Head | None:
        bucket = await ensure_bucket(self._log, self._bucket)
        try:
            entry = await bucket.get(HEAD)
        except JetStreamError:
            return None
        return msgspec.json.decode(entry.value or b"", type=Head)

    async def _belongs(self, checkpoint: Checkpoint) -> bool:
        """Whether it was made of these streams: a log that was replaced is shorter."""
        for stream, seq in ((ACTUATORS.name, checkpoint.actuators_seq), (SAFETY.name, checkpoint.safety_seq)):
            if int((await self._log.js.stream_info(stream)).state.last_seq) < seq:
                _log.warning("the checkpoint is of another log, reading everything", stream=stream)
                return False
        return True
