"""How things stand, told to a client before the stream goes on: asked of the owners, page by page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import nats.errors
from nats.js.errors import NotFoundError

from kaiser.contracts import actuation, live, queries, safeguarding
from kaiser.contracts.queries import Page
from kaiser.contracts.streams import DEVICES, HEARTBEATS, TELEMETRY
from kaiser.eventlog import EventLog, now_us
from kaiser.gateway import places, positions
from kaiser.gateway.api import actuation_views, safeguard_views, views
from kaiser.gateway.asking import ProblemError, ask
from kaiser.gateway.filters import Confined, Filters
from kaiser.gateway.hub import Hub
from kaiser.gateway.places import Places

PAGE: Final = 500
BEHIND_US: Final = 5_000_000
"""How far an owner that answers from memory may be behind the log. What it may not have known yet is streamed again."""

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    TELEMETRY.name: ("ingest-recorder",),
    DEVICES.name: ("ingest-registry", "ingest-devices", "ingest-standings"),
    HEARTBEATS.name: ("ingest-presence",),
}
"""Stream to the durable consumers whose acknowledgements say what is in the tables that ingest answers from."""

Tell = Callable[[msgspec.Struct], Awaitable[None]]


class _Part(NamedTuple):
    """One kind of things: who answers for them, and whose events change them."""

    of: str
    service: str
    name: str
    query: Callable[[Filters, str | None], msgspec.Struct]
    item: type[msgspec.Struct]
    show: Callable[[Any], msgspec.Struct]  # each takes the item of its own part
    types: frozenset[str]


def _only(ids: frozenset[str]) -> str | None:
    """The one that is asked for, where it is one; several are picked from the answer."""
    return next(iter(ids)) if len(ids) == 1 else None


PARTS: Final = (
    _Part(
        "emergency-stops",
        "safety",
        "emergencies",
        lambda _filters, _cursor: safeguarding.EmergenciesQuery(),
        safeguarding.Emergency,
        safeguard_views.emergency,
        frozenset({"emergency_stop"}),
    ),
    _Part(
        "alerts",
        "safety",
        "alerts",
        lambda filters, cursor: safeguarding.AlertsQuery(esp_id=_only(filters.esp_ids), limit=PAGE, cursor=cursor),
        safeguarding.Alert,
        safeguard_views.alert,
        frozenset({"alert"}),
    ),
    _Part(
        "devices",
        "ingest",
        "devices",
        lambda filters, cursor: queries.DevicesQuery(zone_id=_only(filters.zones), limit=PAGE, cursor=cursor),
        queries.Device,
        views.device,
        frozenset({"esp_health"}),
    ),
    _Part(
        "actuators",
        "actuator",
        "actuators",
        lambda filters, cursor: actuation.ActuatorsQuery(
            esp_id=_only(filters.esp_ids), zone_id=_only(filters.zones), limit=PAGE, cursor=cursor
        ),
        actuation.Actuator,
        actuation_views.actuator,
        frozenset({"actuator_status"}),
    ),
    _Part(
        "sensors",
        "ingest",
        "sensors",
        lambda filters, cursor: queries.SensorsQuery(
            esp_id=_only(filters.esp_ids),
            zone_id=_only(filters.zones),
            sensor_type=_only(filters.sensor_types),
            pending=filters.pending,
            limit=PAGE,
            cursor=cursor,
        ),
        queries.Sensor,
        views.sensor,
        frozenset({"sensor_data"}),
    ),
)


class Snapshots:
    """Tells how things stand.

    Args:
        event_log: Where owners are asked, and how far their tables are.
        hub: Knows how far the streams are read.
        places: Where devices are.
    """

    def __init__(self, event_log: EventLog, hub: Hub, places: Places) -> None:
        self._places = places
        self._log = event_log
        self._hub = hub

    async def tell(self, filters: Filters, start: dict[str, int], tell: Tell, *, resuming: bool) -> dict[str, int]:
        """Tell a client what there is of what it wants.

        Args:
            filters: What it wants.
            start: Where it is to go on; what came before is to be in the snapshot.
            tell: Sends a message.
            resuming: Whether it has everything up to ``start`` already.

        Returns:
            Where the stream has to go on, so that nothing is missing which an owner did not know yet.
        """
        if not resuming:
            start = await self._known(start)
        for part in PARTS:
            if not filters.types or part.types & filters.types:
                async for message in self._pages(part, filters):
                    await tell(message)
        await tell(live.SnapshotEnd(positions.write(start)))
        return start

    async def _pages(self, part: _Part, filters: Filters) -> AsyncIterator[live.SnapshotPart]:
        cursor: str | None = None
        while True:
            try:
                page: Any = await ask(
                    self._log,
                    part.service,
                    part.name,
                    part.query(filters, cursor),
                    Page[part.item],  # type: ignore[name-defined]  # the type of this part's items
                )
            except ProblemError as error:
                yield live.SnapshotPart(part.of, [], error.problem.detail)  # type: ignore[arg-type]  # one of its literals
                return
            found = page.items
            if isinstance(filters, Confined):
                confined = places.Confined(filters.zones, self._places)
                found = [item for item in found if confined.sees(item)]
            items = [part.show(item) for item in found if _is_wanted(item, filters)]
            yield live.SnapshotPart(part.of, items)  # type: ignore[arg-type]
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _known(self, start: dict[str, int]) -> dict[str, int]:
        """Positions up to which owners certainly know everything."""
        since = now_us() - BEHIND_US
        streams = self._hub.streams
        known = {stream: min(seq, streams[stream].position_at(since)) for stream, seq in start.items()}
        floors = await asyncio.gather(
            *(self._stored(stream, durable) for stream in TABLES for durable in TABLES[stream])
        )
        for stream, seq in floors:
            if seq is not None:
                known[stream] = min(known[stream], seq)
        return known

    async def _stored(self, stream: str, durable: str) -> tuple[str, int | None]:
        """How far a table is; None where it has everything, or nobody can tell."""
        try:
            info = await self._log.js.consumer_info(stream, durable)
        except (NotFoundError, nats.errors.Error, OSError, TimeoutError):
            return stream, None
        if not info.num_pending and not info.num_ack_pending:
            return stream, None
        return stream, int(info.ack_floor.stream_seq) if info.ack_floor is not None else None


def _is_wanted(item: msgspec.Struct, filters: Filters) -> bool:
    """Whether an item is of the filters, as far as it has what they ask about."""
    for name, wanted in (
        ("esp_id", filters.esp_ids),
        ("zone_id", filters.zones),
        ("sensor_type", filters.sensor_types),
    ):
        has = getattr(item, name, None)
        if wanted and has is not None and has not in wanted:
            return False
    return True
