"""Keeps checkpoints in the key-value bucket of safety, and finds the last one."""

import asyncio
from typing import Final

import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError

from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.eventlog import EventLog, Parcel
from kaiser.safety import checkpoints
from kaiser.safety.checkpoints import Checkpoint
from kaiser.safety.following import Followed

_log = structlog.get_logger(__name__)

KEY: Final = "checkpoint"


class Checkpoints:
    """Reads and writes checkpoints.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
    """

    def __init__(self, log: EventLog, bucket: str) -> None:
        self._log = log
        self._parcel = Parcel(log, bucket, KEY, checkpoints.fingerprint())

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
        data = await asyncio.to_thread(checkpoints.to_bytes, checkpoint)
        await self._parcel.write(data)
        _log.debug("checkpoint written", bytes=len(data), actuators=checkpoint.actuators_seq)

    async def _read(self) -> Checkpoint | None:
        data = await self._parcel.read()
        return None if data is None else checkpoints.from_bytes(data)

    async def _belongs(self, checkpoint: Checkpoint) -> bool:
        """Whether it was made of these streams: a log that was replaced is shorter."""
        for stream, seq in ((ACTUATORS.name, checkpoint.actuators_seq), (SAFETY.name, checkpoint.safety_seq)):
            if int((await self._log.js.stream_info(stream)).state.last_seq) < seq:
                _log.warning("the checkpoint is of another log, reading everything", stream=stream)
                return False
        return True
