"""Keeps checkpoints as snapshots of safety, and finds the last one."""

import asyncio
from typing import Final

import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError

from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.eventlog import EventLog, Snapshots
from kaiser.safety import checkpoints
from kaiser.safety.checkpoints import Checkpoint
from kaiser.safety.following import Followed

_log = structlog.get_logger(__name__)

AWAY: Final = (nats.errors.Error, JetStreamError, TimeoutError)


class Checkpoints:
    """Reads and writes checkpoints.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
    """

    def __init__(self, log: EventLog, bucket: str) -> None:
        self._log = log
        self._snapshots = Snapshots(log, bucket, checkpoints.fingerprint())

    async def last(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none that is of use."""
        data = await self._snapshots.last()
        if data is None:
            return None
        try:
            checkpoint = checkpoints.from_bytes(data)
            return checkpoint if await self._belongs(checkpoint) else None
        except (*AWAY, ValueError) as error:
            _log.warning("no checkpoint to go on from, reading everything", reason=repr(error))
            return None

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
                except AWAY as error:
                    _log.warning("a checkpoint could not be written", reason=repr(error))

    async def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            nats.errors.Error: The log is not reachable; the last checkpoint is as it was.
        """
        data = await asyncio.to_thread(checkpoints.to_bytes, checkpoint)
        await self._snapshots.keep(data)
        _log.debug("checkpoint written", bytes=len(data), actuators=checkpoint.actuators_seq)

    async def _belongs(self, checkpoint: Checkpoint) -> bool:
        """Whether it was made of these streams: a log that was replaced is shorter."""
        for stream, seq in ((ACTUATORS.name, checkpoint.actuators_seq), (SAFETY.name, checkpoint.safety_seq)):
            if int((await self._log.js.stream_info(stream)).state.last_seq) < seq:
                _log.warning("the checkpoint is of another log, reading everything", stream=stream)
                return False
        return True
