"""How far the streams are, the service in them, and its tables."""

from collections.abc import Mapping

import msgspec
from nats.js.errors import NotFoundError
from psycopg import AsyncConnection

from kaiser.eventlog import EventLog
from kaiser.service.rebuilding import schemas
from kaiser.service.rebuilding.projection import Projection, Source


class Places(msgspec.Struct, frozen=True):
    """Sequences, asked for in this order, so that what is acknowledged is in the tables that are asked later.

    Attributes:
        last: Of the last message of each stream.
        acknowledged: By the service, and so committed, up to which no message is left out; by source.
        lives: When each stream was made, unix microseconds.
    """

    last: dict[str, int]
    acknowledged: dict[Source, int]
    lives: dict[str, int]

    def ends(self) -> dict[Source, int]:
        """Where each source ends."""
        return {source: self.last[source.spec.stream] for source in self.acknowledged}

    def of_tables(self, positions: Mapping[str, int], later: "Places") -> dict[Source, int]:
        """Up to where tables hold each source.

        Args:
            positions: By consumer, as the tables say; read after these places.
            later: Read after the tables: what a stream has not reached then is the position of another life of it.
        """
        found = {}
        for source, acknowledged in self.acknowledged.items():
            stream = source.spec.stream
            known = max(acknowledged, positions.get(source.consumer, 0)) if source.consumer else self.last[stream]
            found[source] = min(known, later.last[stream])
        return found

    def floors(self) -> dict[str, int]:
        """What is acknowledged, by consumer."""
        return {source.consumer: seq for source, seq in self.acknowledged.items() if source.consumer}


async def look(log: EventLog, projection: Projection) -> Places:
    """Ask the log.

    Raises:
        nats.errors.Error: JetStream is not ready.
        NotFoundError: A stream is missing.
    """
    acknowledged = {source: await _floor(log, source) for source in projection.sources()}
    last, lives = {}, {}
    for stream in sorted({source.spec.stream for source in acknowledged}):
        info = await log.js.stream_info(stream)
        last[stream] = int(info.state.last_seq)
        lives[stream] = int(info.created.timestamp() * 1e6) if info.created else 0
    return Places(last, acknowledged, lives)


async def _floor(log: EventLog, source: Source) -> int:
    if not source.spec.durable:
        return 0
    try:
        info = await log.js.consumer_info(source.spec.stream, source.spec.durable)
    except NotFoundError:
        return 0
    return int(info.ack_floor.stream_seq) if info.ack_floor else 0


async def of_schema(connection: AsyncConnection, name: str, projection: Projection) -> dict[Source, int]:
    """How far the tables of a schema that nobody else writes to are; 0 for what says nothing of it."""
    positions = await schemas.positions(connection, name)
    return {source: positions.get(source.consumer, 0) for source in projection.sources()}
