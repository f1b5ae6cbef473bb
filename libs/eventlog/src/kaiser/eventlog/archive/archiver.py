"""Copies a stream into its archive, as it grows: larger segments under load, one every so often when it is quiet."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import nats.errors
import structlog
from nats.js.errors import NotFoundError

from kaiser.eventlog.archive.folder import ArchiveError, Floors, Folder, store_of
from kaiser.eventlog.archive.segment import Record, record_of
from kaiser.eventlog.connection import EventLog
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.errors import EventLogError
from kaiser.eventlog.kv import Lease
from kaiser.eventlog.read import OrderedReader
from kaiser.storage import Store

SEGMENT_BYTES: Final = 16 * 1024 * 1024
SEGMENT_S: Final = 60.0
"""A quiet stream makes a segment so often."""
LOOK_S: Final = 1.0

_log = structlog.get_logger(__name__)


async def folder_of(log: EventLog, root: Store | Path, stream: str) -> Folder:
    """Archive of the stream that is there now.

    Raises:
        nats.errors.Error: JetStream is not ready, or there is no such stream.
        ArchiveError: The server does not say when the stream was made.
    """
    created = (await log.js.stream_info(stream)).created
    if created is None:
        raise ArchiveError(f"the server does not say when {stream} was made")
    return Folder(root, stream, int(created.timestamp() * 1e6))


class Archiver:
    """Archives one stream; of several instances the one that holds the lease.

    Args:
        log: The connection.
        root: Store of the whole archive, or its folder; instances on several machines need one that they share.
        stream: Name of the stream.
        lease: Who archives.
        segment_bytes: Bytes of messages, uncompressed, that make a segment at once.
        segment_s: Seconds after which fewer make one.
        floors_s: Seconds for which what :meth:`floors` found counts, where a look costs money; older floors are lower
            ones, so that nothing goes that should not.

    Attributes:
        problem: Why nothing is archived now; empty if it is.
    """

    def __init__(
        self,
        log: EventLog,
        root: Store | Path,
        stream: str,
        lease: Lease,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_s: float = SEGMENT_S,
        floors_s: float = 0.0,
    ) -> None:
        self.problem = ""
        self._log = log
        self._root = store_of(root)
        self._floors_s = floors_s
        self._looked: Folder | None = None
        self._found, self._found_at = Floors(0, 0), 0.0
        self._stream = stream
        self._lease = lease
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._held: list[Record] = []
        self._bytes = 0
        self._since = 0.0

    async def floors(self, before_us: int) -> Floors:
        """What the stream may let go, and what of it was stored before a time, unix microseconds.

        Raises:
            ArchiveError: The archive cannot be read.
            nats.errors.Error: JetStream is not ready.
        """
        folder = await folder_of(self._log, self._root, self._stream)
        if self._looked is None or self._looked.path != folder.path:
            self._looked = folder  # it remembers what it has read
        elif time.monotonic() - self._found_at < self._floors_s:
            return self._found
        self._found = await asyncio.to_thread(self._looked.floors, before_us)
        self._found_at = time.monotonic()
        return self._found

    async def run(self) -> None:
        """Archive until cancelled; what was in hand then is read again after the next start."""
        while True:
            try:
                if await self._leads():
                    await self._follow()
            except (ArchiveError, EventLogError, nats.errors.Error, NotFoundError, TimeoutError, OSError) as error:
                self.problem = str(error) or type(error).__name__
                _log.error("cannot archive", stream=self._stream, reason=self.problem)
            await asyncio.sleep(LOOK_S)

    async def _leads(self) -> bool:
        return bool(await (self._lease.renew() if self._lease.held else self._lease.acquire()))

    async def _follow(self) -> None:
        folder = await folder_of(self._log, self._root, self._stream)
        self._held, self._bytes = [], 0
        last = await asyncio.to_thread(folder.last_seq)
        async with OrderedReader(self._log, self._stream, start="all", start_seq=last + 1) as reader:
            while await self._leads():
                taken: list[Delivery] = []
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):  # a take may be cancelled, a segment half written may not
                        taken = await reader.take()
                for delivery in taken:
                    await self._take(folder, record_of(delivery))
                if self._held and time.monotonic() - self._since >= self._segment_s:
                    await self._store(folder)
                self.problem = ""

    async def _take(self, folder: Folder, record: Record) -> None:
        if self._held and record.seq != self._held[-1].seq + 1:
            _log.error("messages were lost before they were archived", stream=self._stream, before=record.seq)
            await self._store(folder)
        if not self._held:
            self._since = time.monotonic()
        self._held.append(record)
        self._bytes += len(record.data) + len(record.headers)
        if self._bytes >= self._segment_bytes:
            await self._store(folder)

    async def _store(self, folder: Folder) -> None:
        if (await folder_of(self._log, self._root, self._stream)).path != folder.path:
            raise ArchiveError(f"{self._stream} was made anew")
        records, self._held, self._bytes = self._held, [], 0
        manifest = await asyncio.to_thread(folder.append, records)
        _log.info("archived", stream=self._stream, first=manifest.first, last=manifest.last, bytes=manifest.size)
