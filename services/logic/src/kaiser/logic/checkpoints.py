"""Keeps what the engine knows in the key-value bucket of logic, with the point in the log at which it knew that."""

import msgspec
import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError

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
    """Reads and writes checkpoints. They are a saving, and for runs under way the only way to go on after a restart.

    Args:
        log: The connection.
        bucket: Bucket of the service; made if need be.
    """

    def __init__(self, log: EventLog, bucket: str) -> None:
        self._snapshots = Snapshots(log, bucket, f"format {snapshots.FORMAT}")

    async def last(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none that this release reads.

        Raises:
            nats.errors.Error: The log is not reachable.
        """
        try:
            data = await self._snapshots.read()
            return None if data is None else _decode(data)
        except (JetStreamError, ValueError) as error:
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
