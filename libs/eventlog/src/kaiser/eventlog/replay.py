"""What a stream holds, from one end to the other: for rebuilds, ledgers and backtests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final

from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.read import MAX_BYTES, MAX_MESSAGES, OrderedReader

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("replay", "replay_batches")

QUIET_S: Final = 2.0
"""Without a message for this long, ask whether any is left: those that were promised may have been let go meanwhile."""


async def replay_batches(
    log: "EventLog",
    stream: str,
    *,
    subjects: tuple[str, ...] = (),
    from_seq: int = 1,
    from_time_us: int = 0,
    until_seq: int = 0,
    headers_only: bool = False,
    max_messages: int = MAX_MESSAGES,
    max_bytes: int = MAX_BYTES,
) -> AsyncGenerator[list[Delivery], None]:
    """Messages of a stream in order, in lists as they come.

    Args:
        log: The connection.
        stream: Stream to read.
        subjects: Filters; empty for the whole stream.
        from_seq: First stream sequence.
        from_time_us: Instead: the first message stored then or later, unix microseconds; 0 for none.
        until_seq: Last stream sequence; 0 for what is the last one now.
        headers_only: Leave the bodies out.
        max_messages: Messages in a list at most.
        max_bytes: Bytes in a list at most.

    Raises:
        ConnectionClosed: The log was closed.
        nats.js.errors.NotFoundError: There is no such stream.
    """
    last = int((await log.js.stream_info(stream)).state.last_seq)
    until = min(until_seq or last, last)
    if not from_time_us and from_seq > until:
        return
    reader = OrderedReader(
        log,
        stream,
        subjects=subjects,
        start="all",
        start_seq=0 if from_time_us else max(1, from_seq),
        start_time_us=from_time_us,
        headers_only=headers_only,
        max_messages=max_messages,
        max_bytes=max_bytes,
    )
    async with reader:
        while reader.pending and reader.last_seq < until:
            try:
                async with asyncio.timeout(QUIET_S):
                    batch = await reader.take()
            except TimeoutError:
                if log.connected and not await reader.still_pending():
                    return
                continue
            if batch[-1].seq > until:
                batch = [delivery for delivery in batch if delivery.seq <= until]
            if batch:
                yield batch


async def replay(
    log: "EventLog",
    stream: str,
    *,
    subjects: tuple[str, ...] = (),
    from_seq: int = 1,
    from_time_us: int = 0,
    until_seq: int = 0,
    headers_only: bool = False,
) -> AsyncIterator[Delivery]:
    """The same as :func:`replay_batches`, one by one."""
    batches = replay_batches(
        log,
        stream,
        subjects=subjects,
        from_seq=from_seq,
        from_time_us=from_time_us,
        until_seq=until_seq,
        headers_only=headers_only,
    )
    async for batch in batches:
        for delivery in batch:
            yield delivery
