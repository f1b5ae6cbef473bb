"""A stream from its beginning: what the archive holds, and then what the stream holds."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from kaiser.eventlog.archive.folder import ArchiveError, Folder
from kaiser.eventlog.archive.segment import delivery_of
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.replay import replay_batches

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog


async def history(log: "EventLog", folder: Folder, *, from_seq: int = 0) -> AsyncGenerator[list[Delivery], None]:
    """Messages in order and without gaps, up to what is the last one when the archive has been read.

    Args:
        log: The connection.
        folder: Archive of the stream.
        from_seq: First sequence, so that what was interrupted goes on where it was; 0 for the oldest that there is.

    Raises:
        ArchiveError: The archive is broken, or the first sequence or one after it is nowhere.
        ConnectionClosed: The log was closed.
    """
    next_seq, archived = from_seq, folder.read(from_seq)
    while (records := await asyncio.to_thread(next, archived, None)) is not None:
        if next_seq and records[0].seq > next_seq:
            raise ArchiveError(f"{folder.stream}: {next_seq} is not archived, the next is {records[0].seq}")
        yield [delivery_of(folder.stream, record) for record in records]
        next_seq = records[-1].seq + 1
    first = int((await log.js.stream_info(folder.stream)).state.first_seq)
    if next_seq and first > next_seq:
        raise ArchiveError(f"{folder.stream}: {next_seq} is not archived, and the stream begins at {first}")
    async for batch in replay_batches(log, folder.stream, from_seq=next_seq):
        yield batch
