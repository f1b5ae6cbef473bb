"""Sensors: what there is, the latest reading, and history."""

import time
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.exceptions import PermissionDeniedException, ValidationException
from litestar.params import Parameter, QueryParameter

from kaiser.contracts import queries
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Resolution
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog
from kaiser.eventlog.envelope import us_of
from kaiser.gateway.api import views
from kaiser.gateway.api.authorisation import may
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.asking import ask
from kaiser.gateway.tokens import Principal

Limit = Annotated[int, Parameter(ge=1, le=1000, description="items a page")]
Points = Annotated[int, Parameter(ge=1, le=10_000, description="points a page; a page may hold fewer")]
Address = Annotated[
    str | None, Parameter(description="bus address, needed where one pin has several sensors of one type")
]

AtLeast = Annotated[int, Parameter(ge=0, description="wait until the list has the registry's event of this sequence")]
From = Annotated[str | None, QueryParameter(name="from", description="ISO 8601 with offset, or unix seconds")]
To = Annotated[str | None, Parameter(description="the same; now by default")]

Pending = Annotated[
    bool, Parameter(description="with devices that nobody has approved yet; for those who may approve them")
]
Asking = Request[Principal, Any, State]

DAY_US = 86_400_000_000
YEAR_9999_S = 253_370_764_800


@get("/sensors", tags=["sensors"], summary="List sensors")
async def sensors(
    event_log: EventLog,
    request: Asking,
    esp_id: str | None = None,
    sensor_type: str | None = None,
    zone_id: str | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
    pending: Pending = False,
    at_least: AtLeast = 0,
) -> views.PageView[views.SensorView]:
    """Sensors with their latest readings, in the order of device, pin, type and address."""
    query = queries.SensorsQuery(
        esp_id=esp_id,
        sensor_type=sensor_type,
        zone_id=zone_id,
        limit=limit,
        cursor=cursor,
        pending=allowed(pending, request),
        at_least=at_least,
    )
    return views.page(await ask(event_log, "ingest", "sensors", query, queries.Page[queries.Sensor]), views.sensor)


@get(
    "/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}",
    tags=["sensors"],
    summary="Show a sensor",
    responses=refusals(Code.SENSOR_NOT_FOUND, Code.SENSOR_AMBIGUOUS),
)
async def sensor(
    event_log: EventLog,
    request: Asking,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    address: Address = None,
    pending: Pending = False,
    at_least: AtLeast = 0,
) -> views.SensorView:
    """One sensor with its latest reading."""
    query = queries.SensorsQuery(
        esp_id=esp_id, sensor_type=sensor_type, limit=1000, pending=allowed(pending, request), at_least=at_least
    )
    listed = (await ask(event_log, "ingest", "sensors", query, queries.Page[queries.Sensor])).items
    found = [each for each in listed if each.gpio == gpio and address in (None, each.address)]
    if not found:
        raise Refusal(Code.SENSOR_NOT_FOUND, f"the device has no such sensor on pin {gpio}", "gpio")
    if len(found) > 1:
        raise Refusal(Code.SENSOR_AMBIGUOUS, "several of this type are on this pin; give the address", "address")
    return views.sensor(found[0])


@get("/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}/latest", tags=["sensors"], summary="Latest reading")
async def latest(
    event_log: EventLog,
    request: Asking,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    address: Address = None,
    pending: Pending = False,
) -> views.ReadingView:
    """The latest reading of one sensor, by measured time."""
    query = queries.LatestQuery(
        esp_id=esp_id, gpio=gpio, sensor_type=sensor_type, address=address, pending=allowed(pending, request)
    )
    return views.reading(await ask(event_log, "ingest", "latest", query, queries.Reading))


@get("/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}/history", tags=["sensors"], summary="History")
async def history(
    event_log: EventLog,
    request: Asking,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    from_: From = None,
    to: To = None,
    resolution: Resolution = "auto",
    limit: Points = 1000,
    cursor: str | None = None,
    address: Address = None,
    pending: Pending = False,
) -> views.HistoryView:
    """Readings or rollups of one sensor, oldest first; the last day by default.

    ``auto`` gives readings up to two hours, minutes up to seven days, hours up to half a year, and days (UTC) beyond.
    """
    start, end = span(from_, to)
    query = queries.HistoryQuery(
        esp_id=esp_id,
        gpio=gpio,
        sensor_type=sensor_type,
        address=address,
        start=start,
        end=end,
        resolution=resolution,
        limit=limit,
        cursor=cursor,
        pending=allowed(pending, request),
    )
    return views.history(await ask(event_log, "ingest", "history", query, queries.History))


def allowed(pending: bool, request: Asking) -> bool:
    """Whether pending devices are asked for.

    Raises:
        PermissionDeniedException: By somebody who may not approve them.
    """
    if pending and not may(request.scope["user"], "engineer"):
        raise PermissionDeniedException("pending devices are shown to those who may approve them")
    return pending


def span(from_: str | None, to: str | None) -> tuple[int, int]:
    """Start and end in unix microseconds; by default the last day.

    Raises:
        ValidationException: One is no time, or has no offset.
    """
    end = instant_of(to, "to") if to else time.time_ns() // 1000
    return instant_of(from_, "from") if from_ else end - DAY_US, end


def instant_of(text: str, name: str) -> int:
    """Unix microseconds of an instant.

    Raises:
        ValidationException: It is none, or has no offset.
    """
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if 0 <= seconds < YEAR_9999_S:
            return int(seconds * 1_000_000)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + of the offset arrives as a blank
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        words = f"{text!r} is neither unix seconds nor ISO 8601 with an offset, such as 2026-11-23T12:00:00Z"
        raise ValidationException("wrong time", extra=[{"message": words, "key": name}])
    return us_of(moment)
