"""Zones and subzones for clients of the monolith: its routes and its bodies; the registry decides as ever."""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import Body

from kaiser.contracts import commands, queries
from kaiser.contracts.codes import Code
from kaiser.eventlog import EventLog
from kaiser.gateway.api import views
from kaiser.gateway.api.devices import Limit
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, DecisionView, Name, decided, who_asks
from kaiser.gateway.asking import ask
from kaiser.gateway.places import must_be_in

ASSIGNED = example("into the north tent", zone_id="north_tent", zone_name="North tent", master_zone_id="greenhouse")


class MonolithZoneWish(msgspec.Struct, frozen=True):
    """Where a device is to be; whatever else the monolith's clients send is passed over."""

    zone_id: Name
    zone_name: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    master_zone_id: Annotated[str, msgspec.Meta(max_length=32)] | None = None


class MonolithSubzoneWish(msgspec.Struct, frozen=True):
    """Which pins are to be a part of a zone."""

    subzone_id: Name
    assigned_gpios: Annotated[list[int], msgspec.Meta(min_length=1, max_length=32)]
    subzone_name: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class MonolithZone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device is; ``zone_wanted`` and ``zone_state`` say what was ordered, and what it answered."""

    esp_id: str
    zone_id: str | None
    master_zone_id: str | None
    is_zone_master: bool
    kaiser_id: str
    zone_wanted: str
    zone_state: str


@post(
    "/zone/devices/{esp_id:str}/assign",
    status_code=202,
    tags=["devices"],
    summary="Assign a zone, in the monolith's form",
    responses=refusals(Code.ESP_DEVICE_NOT_FOUND, Code.DEVICE_STATE_FORBIDS),
)
async def assign(
    event_log: EventLog, request: By, esp_id: str, data: Annotated[MonolithZoneWish, Body(examples=[ASSIGNED])]
) -> Response[DecisionView]:
    """Order a device into a zone. It is in it once it has answered: ``zone_state``, event ``zone_assignment``."""
    must_be_in(data.zone_id)
    asked = commands.AssignZone(
        esp_id=esp_id,
        by=who_asks(request),
        zone_id=data.zone_id,
        zone_name=data.zone_name or "",
        master_zone_id=data.master_zone_id or "",
    )
    return await decided(event_log, "assign_zone", asked)


@get("/zone/devices/{esp_id:str}", tags=["devices"], summary="Zone of a device, in the monolith's form")
async def zone_of(event_log: EventLog, esp_id: str) -> MonolithZone:
    """The zone that a device says it is in, and the one that it was ordered into."""
    found = await ask(event_log, "ingest", "device", queries.DeviceQuery(esp_id=esp_id), queries.Device)
    return MonolithZone(
        esp_id=found.esp_id,
        zone_id=found.zone_id or None,
        master_zone_id=found.master_zone_id or None,
        is_zone_master=found.zone_master,
        kaiser_id=found.kaiser_id,
        zone_wanted=found.zone_wanted,
        zone_state=found.zone_state,
    )


@get("/zone/{zone_id:str}/devices", tags=["devices"], summary="Devices of a zone, in the monolith's form")
async def devices_of(
    event_log: EventLog, zone_id: str, limit: Limit = 100, cursor: str | None = None
) -> views.PageView[views.DeviceView]:
    """Devices that say they are in a zone, in the order of their ids."""
    return await _devices(event_log, zone_id, limit, cursor)


@get("/zone/unassigned", tags=["devices"], summary="Devices without a zone, in the monolith's form")
async def unassigned(
    event_log: EventLog, limit: Limit = 100, cursor: str | None = None
) -> views.PageView[views.DeviceView]:
    """Devices that say they are in no zone, in the order of their ids."""
    return await _devices(event_log, "", limit, cursor)


@post(
    "/subzone/devices/{esp_id:str}/subzones/assign",
    status_code=202,
    tags=["devices"],
    summary="Assign pins to a subzone, in the monolith's form",
)
async def assign_subzone(
    event_log: EventLog, request: By, esp_id: str, data: MonolithSubzoneWish
) -> Response[DecisionView]:
    """Make pins of a device a subzone of its zone."""
    asked = commands.OrderSubzone(
        esp_id=esp_id,
        by=who_asks(request),
        subzone_id=data.subzone_id,
        subzone_name=data.subzone_name or "",
        gpios=data.assigned_gpios,
    )
    return await decided(event_log, "order_subzone", asked)


@get("/subzone/devices/{esp_id:str}/subzones", tags=["devices"], summary="List subzones of a device")
async def subzones(event_log: EventLog, esp_id: str) -> views.PageView[queries.Subzone]:
    """Subzones that were ordered on a device, by id, and what it answered."""
    return views.PageView(await _subzones(event_log, esp_id), None)


@get("/subzone/devices/{esp_id:str}/subzones/{subzone_id:str}", tags=["devices"], summary="Show a subzone of a device")
async def subzone(event_log: EventLog, esp_id: str, subzone_id: str) -> queries.Subzone:
    """One subzone that was ordered on a device."""
    for found in await _subzones(event_log, esp_id):
        if found.subzone_id == subzone_id:
            return found
    raise NotFoundException(f"{esp_id} has no subzone {subzone_id!r}")


async def _subzones(event_log: EventLog, esp_id: str) -> list[queries.Subzone]:
    query = queries.EquipmentQuery(esp_id=esp_id)
    return list((await ask(event_log, "ingest", "equipment", query, queries.DeviceEquipment)).subzones)


async def _devices(
    event_log: EventLog, zone_id: str, limit: int, cursor: str | None
) -> views.PageView[views.DeviceView]:
    query = queries.DevicesQuery(zone_id=zone_id, limit=limit, cursor=cursor)
    return views.page(await ask(event_log, "ingest", "devices", query, queries.Page[queries.Device]), views.device)
