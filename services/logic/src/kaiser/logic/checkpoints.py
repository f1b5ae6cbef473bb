"""Keeps what the engine knows in the key-value bucket of logic, with the point in the log at which it knew that."""

import msgspec
import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import EventLog, Snapshots
from kaiser.logic import snapshots
from kaiser.logic.marks import Mark

_log = structlog.get_logger(__name__)


class Checkpoint(msgspec.Struct, frozen=True):
    """What an engine knows, as it writes it down, and where."""

    mark: Mark
    engine: msgspec.Raw


_decode = msgspec.json.Decoder(Checkpoint).decode


class Checkpoints:
    """Reads and writes checkpoints. They are a saving: without one, the log is read, and tells nearly all of it.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
    """

    def __init__(self, log: EventLog, bucket: str) -> None:
        self._log = log
        self._snapshots = Snapshots(log, bucket, f"format {snapshots.FORMAT}")

    async def last(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none that this release reads, or that is of this log.

        Raises:
            nats.errors.Error: The log is not reachable, which does not mean that there is none.
        """
        try:
            data = await self._snapshots.read()
            checkpoint = None if data is None else _decode(data)
            return checkpoint if checkpoint is not None and await self._belongs(checkpoint.mark) else None
        except (NotFoundError, ValueError) as error:
            _log.warning("there is no checkpoint to go on from", reason=repr(error))
            return None

    async def write(self, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint; false where the log does not take it, and the last one is as it was."""
        try:
            data = msgspec.json.encode(checkpoint)
            await self._snapshots.keep(data)
        except (nats.errors.Error, JetStreamError, TimeoutError) as error:
            _log.warning("a checkpoint could not be written", reason=repr(error))
            return False
        _log.debug("checkpoint written", bytes=len(data), clock=checkpoint.mark.clock)
        return True

    async def _belongs(self, mark: Mark) -> bool:
        """Whether it was made of these streams: a log that was replaced is shorter."""
        for stream, seq in {**mark.taken, LOGIC.name: mark.seq}.items():
            if int((await self._log.js.stream_info(stream)).state.last_seq) < seq:
                _log.warning("the checkpoint is of another log", stream=stream)
                return False
        return True
