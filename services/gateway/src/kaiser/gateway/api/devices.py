"""Devices, as the registry knows them."""

from typing import Annotated

from litestar import get
from litestar.params import Parameter, QueryParameter

from kaiser.contracts import queries
from kaiser.eventlog import EventLog
from kaiser.gateway.api import views
from kaiser.gateway.api.sensors import From, Points, To, span
from kaiser.gateway.asking import ask

Limit = Annotated[int, Parameter(ge=1, le=1000, description="items a page")]
State = Annotated[str | None, QueryParameter(name="state", description="such as pending or approved")]


@get("/devices", tags=["devices"], summary="List devices")
async def devices(
    event_log: EventLog,
    registry_state: State = None,
    kaiser_id: str | None = None,
    zone_id: str | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> views.PageView[views.DeviceView]:
    """Devices in the order of their ids."""
    query = queries.DevicesQuery(state=registry_state, kaiser_id=kaiser_id, zone_id=zone_id, limit=limit, cursor=cursor)
    return views.page(await ask(event_log, "ingest", "devices", query, queries.Page[queries.Device]), views.device)


@get("/devices/{esp_id:str}", tags=["devices"], summary="Show a device")
async def device(
    event_log: EventLog,
    esp_id: str,
    at_least: Annotated[int, Parameter(ge=0, description="wait until the list has the event of this sequence")] = 0,
) -> views.DeviceView:
    """One device."""
    query = queries.DeviceQuery(esp_id=esp_id, at_least=at_least)
    return views.device(await ask(event_log, "ingest", "device", query, queries.Device))


@get("/devices/{esp_id:str}/health", tags=["devices"], summary="Health over time")
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
