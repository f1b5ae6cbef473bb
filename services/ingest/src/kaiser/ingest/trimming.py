"""Keeps the telemetry streams below their size limits without ever dropping what somebody has not taken.

The streams refuse new messages when they are full, for JetStream's other choice (let the oldest go) loses readings that
were not recorded yet. So somebody has to make room in time: here, from the oldest on, and only up to what every durable
consumer has acknowledged and, where a stream is archived, up to what is safe in the archive. If one of them is behind,
the stream fills, the bridge holds back its PUBACKs, and the broker keeps the messages.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import nats.errors
import structlog
from nats.js.api import ConsumerInfo, StreamState
from nats.js.errors import NotFoundError

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import EventLog, now_us
from kaiser.eventlog.archive import ArchiveError, Floors

KEPT_S: Final = 7 * 86_400
"""How long an archived stream keeps what is safe elsewhere. JetStream's own age limit asks nobody: it is off then."""


class Archive(Protocol):
    """What is asked of the archive of a stream."""

    async def floors(self, before_us: int) -> Floors:
        """What is in it, and what of that was stored before a time."""
        ...


log = structlog.get_logger(__name__)

EVERY_S: Final = 5.0
FULL: Final = 0.8
"""Share of the limit at which room is made."""
ROOMY: Final = 0.6
"""Share of the limit down to which."""


def keep_from(
    state: StreamState, consumers: Sequence[ConsumerInfo], max_bytes: int, archived: int | None = None, aged: int = 0
) -> int:
    """First sequence to keep; 0 to keep everything.

    Args:
        state: First and last sequence, and bytes.
        consumers: Every consumer of the stream; those without a durable name are readers that start where they like.
        max_bytes: Limit of the stream.
        archived: Last sequence in the archive; None for a stream without one.
        aged: Last sequence that is old enough to go even if there is room.
    """
    wanted = aged + 1
    if max_bytes > 0 and state.bytes >= FULL * max_bytes:
        messages = state.last_seq - state.first_seq + 1
        wanted = max(wanted, state.first_seq + int(messages * (1 - ROOMY * max_bytes / state.bytes)))
    floors = [c.ack_floor.stream_seq if c.ack_floor else 0 for c in consumers if c.config.durable_name]
    if not floors:
        return 0
    if archived is not None:
        floors.append(archived)
    first = min(wanted, min(floors) + 1)
    return first if first > state.first_seq else 0


async def trim(
    event_log: EventLog, stream: StreamSpec, archive: Archive | None = None, *, kept_s: float = KEPT_S
) -> int:
    """Make room in one stream if it is nearly full; returns how many messages went.

    Raises:
        nats.errors.Error: JetStream is not ready.
        ArchiveError: The archive cannot be read, so nothing goes.
    """
    archived, aged = None, 0
    if archive is not None:
        archived, aged = await archive.floors(now_us() - int(kept_s * 1e6))
    info = await event_log.js.stream_info(stream.name)
    limit = int(info.config.max_bytes or 0)
    first = keep_from(info.state, await event_log.js.consumers_info(stream.name), limit, archived, aged)
    if not first:
        return 0
    await event_log.js.purge_stream(stream.name, seq=first)
    gone = first - int(info.state.first_seq)
    log.info("made room in a stream", stream=stream.name, messages=gone, bytes_before=info.state.bytes, limit=limit)
    return gone


async def keep_trimmed(event_log: EventLog, streams: Sequence[StreamSpec], archives: Mapping[str, Archive]) -> None:
    """Look at the streams every few seconds, until cancelled; ``archives`` has those that are archived, by name."""
    while True:
        await asyncio.sleep(EVERY_S)
        for stream in streams:
            try:
                await trim(event_log, stream, archives.get(stream.name))
            except ArchiveError as error:
                log.error("no room is made", stream=stream.name, reason=str(error))
            except (nats.errors.Error, NotFoundError, TimeoutError) as error:
                log.debug("stream not looked at", stream=stream.name, reason=str(error))
