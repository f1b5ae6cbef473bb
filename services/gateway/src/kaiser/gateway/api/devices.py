"""Devices, as the registry knows them."""

from typing import Annotated

from litestar import get
from litestar.params import Parameter, QueryParameter

from kaiser.contracts import queries
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog
from kaiser.gateway.api import views
from kaiser.gateway.api.documented import by_path, refusals
from kaiser.gateway.api.sensors import AtLeast, From, Points, To, span
from kaiser.gateway.asking import ask
from kaiser.gateway.places import theirs

Limit = Annotated[int, Parameter(ge=1, le=1000, description="items a page")]
State = Annotated[str | None, QueryParameter(name="state", description="such as pending or approved")]


@get(["/devices", "/esp/devices"], operation_id=by_path, tags=["devices"], summary="List devices")
async def devices(
    event_log: EventLog,
    registry_state: State = None,
    kaiser_id: str | None = None,
    zone_id: str | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
    at_least: AtLeast = 0,
) -> views.PageView[views.DeviceView]:
    """Devices in the order of their ids."""
    query = queries.DevicesQuery(
        state=registry_state, kaiser_id=kaiser_id, zone_id=zone_id, limit=limit, cursor=cursor, at_least=at_least
    )
    return views.page(await ask(event_log, "ingest", "devices", query, queries.Page[queries.Device]), views.device)


@get(
    ["/devices/{esp_id:str}", "/esp/devices/{esp_id:str}"],
    operation_id=by_path,
    tags=["devices"],
    summary="Show a device",
)
async def device(event_log: EventLog, esp_id: str, at_least: AtLeast = 0) -> views.DeviceView:
    """One device."""
    query = queries.DeviceQuery(esp_id=esp_id, at_least=at_least)
    return views.device(await ask(event_log, "ingest", "device", query, queries.Device))


@get("/devices/{esp_id:str}/board", tags=["devices"], summary="Show what can hang on a device")
async def board(event_log: EventLog, esp_id: str, at_least: AtLeast = 0) -> views.BoardView:
    """Valid and reserved pins of a device, how much it holds, and what its firmware understands."""
    query = queries.DeviceQuery(esp_id=esp_id, at_least=at_least)
    return views.board(await ask(event_log, "ingest", "device", query, queries.Device))


@get("/zones", tags=["devices"], summary="List zones")
async def zones(
    event_log: EventLog, limit: Limit = 100, cursor: str | None = None, at_least: AtLeast = 0
) -> views.PageView[views.ZoneView]:
    """Zones in the order of their ids: every one that a device says it is in, or was ordered into."""
    query = queries.ZonesQuery(limit=limit, cursor=cursor, at_least=at_least)
    return views.page(await ask(event_log, "ingest", "zones", query, queries.Page[queries.Zone]), views.zone)


@get("/zones/{zone_id:str}", tags=["devices"], summary="Show a zone", responses=refusals(Code.ZONE_NOT_FOUND))
async def zone(event_log: EventLog, zone_id: str, at_least: AtLeast = 0) -> views.ZoneView:
    """One zone that a device says it is in, or was ordered into."""
    query = queries.ZonesQuery(zone_id=zone_id, limit=1, at_least=at_least)
    found = (await ask(event_log, "ingest", "zones", query, queries.Page[queries.Zone])).items
    return views.zone(theirs(found, Refusal(Code.ZONE_NOT_FOUND, f"there is no zone {zone_id!r}", "zone_id")))


@get(
    ["/devices/{esp_id:str}/health", "/esp/devices/{esp_id:str}/health"],
    operation_id=by_path,
    tags=["devices"],
    summary="Health over time",
)
async def health(
    event_log: EventLog,
    esp_id: str,
    from_: From = None,
    to: To = None,
    limit: Points = 1000,
    cursor: str | None = None,
) -> views.PageView[views.HealthView]:
    """Signal strength, free heap and uptime of a device as its heartbeats told them; the last day by default."""
    start, end = span(from_, to)
    query = queries.HealthQuery(esp_id=esp_id, start=start, end=end, limit=limit, cursor=cursor)
    return views.page(await ask(event_log, "ingest", "health", query, queries.Page[queries.Health]), views.health)
