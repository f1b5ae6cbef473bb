"""Takes a snapshot of all commands now and then, and goes on from the last one at the start."""

import asyncio
from collections.abc import Callable
from typing import Final

import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError

from kaiser.actuator import snapshots
from kaiser.actuator.archive import Archive
from kaiser.actuator.book import Book
from kaiser.actuator.snapshots import Snapshot
from kaiser.contracts.streams import ACTUATORS
from kaiser.eventlog import EventLog, Snapshots, from_msg

_log = structlog.get_logger(__name__)

AWAY: Final = (nats.errors.Error, JetStreamError, TimeoutError)


class Snapshotting:
    """Snapshots of what is known of commands.

    Args:
        log: The connection.
        bucket: Bucket of the service.
        book: All actuators.
        archive: The last commands.
    """

    def __init__(self, log: EventLog, bucket: str, book: Book, archive: Archive) -> None:
        self._log = log
        self._snapshots = Snapshots(log, bucket, snapshots.fingerprint())
        self._book = book
        self._archive = archive
        self._kept = 0

    async def restore(self) -> None:
        """Know what the last snapshot holds, before anything is read; nothing where there is none that is of use."""
        data = await self._snapshots.last()
        if data is None:
            return
        try:
            snapshot = await asyncio.to_thread(snapshots.from_bytes, data)
            if not await self._belongs(snapshot):
                _log.warning("the snapshot is of another log, every command is read")
                return
        except (*AWAY, ValueError) as error:
            _log.warning("no snapshot to go on from, every command is read", reason=repr(error))
            return
        self._book.go_on_from(snapshot.pages, snapshot.read_to, (snapshot.last_seq, snapshot.last_id))
        self._archive.remember(snapshot.commands)
        self._kept = snapshot.last_seq
        _log.info("went on from a snapshot", actuators=len(snapshot.pages), read_to=snapshot.read_to)

    async def run(self, leads: Callable[[], bool], every_s: float) -> None:
        """Take one now and then while this instance leads, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if not leads() or self._book.last[0] == self._kept:
                continue
            snapshot = self.taken()
            try:
                await self.keep(snapshot)
            except AWAY as error:
                _log.warning("a snapshot could not be written", reason=repr(error))
            else:
                self._kept = snapshot.last_seq

    def taken(self) -> Snapshot:
        """What is known at this moment."""
        last_seq, last_id = self._book.last
        return Snapshot(
            read_to=self._book.read_to,
            last_seq=last_seq,
            last_id=last_id,
            pages=self._book.kept(),
            commands=self._archive.commands(),
        )

    async def keep(self, snapshot: Snapshot) -> None:
        """Write one.

        Raises:
            nats.errors.Error: The log is not reachable; the last snapshot is as it was.
        """
        data = await asyncio.to_thread(snapshots.to_bytes, snapshot)
        await self._snapshots.keep(data)
        _log.debug("snapshot written", bytes=len(data), read_to=snapshot.read_to)

    async def _belongs(self, snapshot: Snapshot) -> bool:
        """Whether it was made of this log: one that was replaced, or lost its end, has another event there, or none."""
        found = await self._log.js.get_msg(ACTUATORS.name, seq=snapshot.last_seq)
        return from_msg(found).id == snapshot.last_id  # type: ignore[arg-type]  # what is stored has a subject
