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


async def history(
    log: "EventLog", folder: Folder, *, from_seq: int = 0, until_seq: int = 0, gaps: bool = False
) -> AsyncGenerator[list[Delivery], None]:
    """Messages in order and without gaps.

    Whoever reads more slowly than room is made in the stream finds a message gone before it came to it. It is in the
    archive then, and reading goes on there.

    Args:
        log: The connection.
        folder: Archive of the stream.
        from_seq: First sequence, so that what was interrupted goes on where it was; 0 for the oldest that there is.
        until_seq: Last sequence; 0 for what is the last one when the archive has been read.
        gaps: Whether a message that is nowhere is passed over: for streams that drop their oldest when they are full.

    Raises:
        ArchiveError: The archive is broken, or the first sequence or one after it is nowhere.
        ConnectionClosed: The log was closed.
    """
    next_seq, looking_for = from_seq, -1
    while looking_for != next_seq:
        looking_for = next_seq
        archived = folder.read(next_seq, gaps=gaps)
        while (records := await asyncio.to_thread(next, archived, None)) is not None:
            if next_seq and records and records[0].seq > next_seq and not gaps:
                break  # the stream may have it
            if until_seq and records and records[-1].seq > until_seq:
                records = [record for record in records if record.seq <= until_seq]
            if not records:
                break
            yield [delivery_of(folder.stream, record) for record in records]
            next_seq = records[-1].seq + 1
        if until_seq and next_seq > until_seq:
            return
        missing = False
        async for batch in replay_batches(log, folder.stream, from_seq=next_seq, until_seq=until_seq):
            missing = bool(next_seq) and batch[0].seq > next_seq
            if missing and (not gaps or looking_for != next_seq):
                break
            yield batch
            missing, next_seq = False, batch[-1].seq + 1
        if not missing and (gaps or not 0 < next_seq <= until_seq):
            return
    first = int((await log.js.stream_info(folder.stream)).state.first_seq)
    raise ArchiveError(f"{folder.stream}: {next_seq} is not archived, and the stream begins at {first}")
