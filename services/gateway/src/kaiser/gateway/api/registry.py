"""Orders about devices: approve, reject, rename, retire, give a key. Ingest decides; the answer says what came of it.

``seq`` of an answer is the event's sequence: ``GET /devices/{id}?at_least=SEQ`` waits until the list has it.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, patch, post, put
from litestar.datastructures import State
from litestar.exceptions import ValidationException

from kaiser.contracts import commands
from kaiser.contracts.commands import DeviceDecided, DeviceOrder
from kaiser.contracts.events.registry import Board
from kaiser.eventlog import EventLog
from kaiser.gateway.api.conditions import known
from kaiser.gateway.api.documented import by_path
from kaiser.gateway.asking import order
from kaiser.gateway.places import must_be_in
from kaiser.gateway.tokens import Principal

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
By = Request[Principal, Any, State]

NOT_STORED: Final = {"Cache-Control": "no-store"}
"""For answers with a key in them."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said with an approval."""

    name: Name | None = None


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Text


class DeviceChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a device; only what is there is.

    Attributes:
        board: Hardware type, which decides about pins.
        firmware_version: Empty for unknown.
        mac_address: Six bytes in hex; the device id is made of its last ones. Empty for unknown.
    """

    name: Name | None = None
    board: Board | None = None
    firmware_version: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    mac_address: Annotated[str, msgspec.Meta(max_length=17)] | None = None


class ZoneWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a device is to be.

    Attributes:
        kaiser_id: Kaiser id to move it to as well; a ``dec`` device is deaf after that until it is power-cycled.
        zone_master: Whether it leads the zone; whoever led it before does so no more.
    """

    zone_id: Name
    zone_name: Annotated[str, msgspec.Meta(max_length=64)] = ""
    master_zone_id: Annotated[str, msgspec.Meta(max_length=32)] = ""
    kaiser_id: Name | None = None
    zone_master: bool = False


class SubzoneWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which pins of a device are to be a part of its zone."""

    gpios: Annotated[list[int], msgspec.Meta(min_length=1, max_length=32)]
    subzone_name: Annotated[str, msgspec.Meta(max_length=64)] = ""


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order.

    Attributes:
        state: What the registry holds of the device now.
        seq: Sequence of the last event of the device's registry.
        changed: Whether anything had to happen.
        username: User name for the broker, where a key was issued; the client id has to be the same.
        key: The key, shown this once.
    """

    esp_id: str
    state: str
    seq: int
    changed: bool
    username: str | None = None
    key: str | None = None


@post("/devices/{esp_id:str}/approve", status_code=200, tags=["devices"])
async def approve(event_log: EventLog, request: By, esp_id: str, data: Approval) -> Response[DecisionView]:
    """Let a device take part. Its key is in the answer, this once."""
    asked = commands.ApproveDevice(esp_id=esp_id, by=who_asks(request), name=data.name)
    return await decided(event_log, "approve_device", asked)


@post("/devices/{esp_id:str}/reject", status_code=200, tags=["devices"])
async def reject(event_log: EventLog, request: By, esp_id: str, data: Reason) -> Response[DecisionView]:
    """Keep a device out: its key is void, and a ``head`` device stops for good when it hears of it."""
    asked = commands.RejectDevice(esp_id=esp_id, by=who_asks(request), reason=data.reason)
    return await decided(event_log, "reject_device", asked)


@post("/devices/{esp_id:str}/retire", status_code=200, tags=["devices"])
async def retire(event_log: EventLog, request: By, esp_id: str, data: Reason) -> Response[DecisionView]:
    """Take a device out of use: its key is void, its history stays."""
    asked = commands.RetireDevice(esp_id=esp_id, by=who_asks(request), reason=data.reason)
    return await decided(event_log, "retire_device", asked)


@post("/devices/{esp_id:str}/key", status_code=200, tags=["devices"])
async def rotate_key(event_log: EventLog, request: By, esp_id: str) -> Response[DecisionView]:
    """Give a device another key, which is in the answer, this once; the connection with the old one ends."""
    asked = commands.RotateDeviceKey(esp_id=esp_id, by=who_asks(request))
    return await decided(event_log, "rotate_device_key", asked)


@put("/devices/{esp_id:str}/zone", status_code=202, tags=["devices"])
async def assign_zone(event_log: EventLog, request: By, esp_id: str, data: ZoneWish) -> Response[DecisionView]:
    """Order a device into a zone. It is told until it answers: ``zone_state`` of the device, event ``zone_changed``."""
    must_be_in(data.zone_id)
    asked = commands.AssignZone(
        esp_id=esp_id,
        by=who_asks(request),
        zone_id=data.zone_id,
        zone_name=data.zone_name,
        master_zone_id=data.master_zone_id,
        into_kaiser_id=data.kaiser_id,
        zone_master=data.zone_master,
    )
    return await decided(event_log, "assign_zone", asked)


@delete(
    ["/devices/{esp_id:str}/zone", "/zone/devices/{esp_id:str}/zone"],
    operation_id=by_path,
    status_code=202,
    tags=["devices"],
)
async def leave_zone(event_log: EventLog, request: By, esp_id: str) -> Response[DecisionView]:
    """Take a ``head`` device out of its zone, with all of its subzones. ``dec`` firmware knows no way out."""
    asked = commands.AssignZone(esp_id=esp_id, by=who_asks(request), zone_id="")
    return await decided(event_log, "assign_zone", asked)


@put(
    "/devices/{esp_id:str}/subzones/{subzone_id:str}",
    status_code=202,
    tags=["devices"],
)
async def order_subzone(
    event_log: EventLog, request: By, esp_id: str, subzone_id: str, data: SubzoneWish
) -> Response[DecisionView]:
    """Make pins of a device a subzone of its zone. It is told until it answers, and never to drop its outputs."""
    asked = commands.OrderSubzone(
        esp_id=esp_id, by=who_asks(request), subzone_id=subzone_id, subzone_name=data.subzone_name, gpios=data.gpios
    )
    return await decided(event_log, "order_subzone", asked)


@delete(
    ["/devices/{esp_id:str}/subzones/{subzone_id:str}", "/subzone/devices/{esp_id:str}/subzones/{subzone_id:str}"],
    operation_id=by_path,
    status_code=202,
    tags=["devices"],
)
async def dissolve_subzone(event_log: EventLog, request: By, esp_id: str, subzone_id: str) -> Response[DecisionView]:
    """Dissolve a subzone. ``dec`` firmware does it without an answer."""
    asked = commands.OrderSubzone(esp_id=esp_id, by=who_asks(request), subzone_id=subzone_id, gpios=[])
    return await decided(event_log, "order_subzone", asked)


@patch(["/devices/{esp_id:str}", "/esp/devices/{esp_id:str}"], operation_id=by_path, tags=["devices"])
async def change(event_log: EventLog, request: By, esp_id: str, data: DeviceChanges) -> Response[DecisionView]:
    """Rename a device, or say what it is: which board, which firmware, which MAC address. Devices say none of these."""
    who = who_asks(request)
    orders: list[tuple[str, DeviceOrder]] = []
    if data.name is not None:
        orders.append(("rename_device", commands.RenameDevice(esp_id=esp_id, by=who, name=data.name)))
    if data.board is not None:
        orders.append(("set_device_board", commands.SetDeviceBoard(esp_id=esp_id, by=who, board=data.board)))
    if data.firmware_version is not None or data.mac_address is not None:
        described = commands.DescribeDevice(
            esp_id=esp_id, by=who, firmware_version=data.firmware_version, mac_address=data.mac_address
        )
        orders.append(("describe_device", described))
    if not orders:
        words = "give a name, a board, a firmware version or a MAC address"
        raise ValidationException("nothing to change", extra=[{"message": words, "key": ""}])
    seen = known()
    for name, asked in orders[:-1]:  # what the first of them made of it is known to the next
        view = await _decided(event_log, name, asked, seen)
        seen = None if seen is None else view.seq
    name, asked = orders[-1]
    return Response(await _decided(event_log, name, asked, seen), headers=NOT_STORED)


async def decided(event_log: EventLog, name: str, asked: DeviceOrder) -> Response[DecisionView]:
    """Order something of ingest, and show what it decided."""
    return Response(await _decided(event_log, name, asked, known()), headers=NOT_STORED)


async def _decided(event_log: EventLog, name: str, asked: DeviceOrder, seen: int | None) -> DecisionView:
    asked = msgspec.structs.replace(asked, known_seq=seen)
    found = await order(event_log, "ingest", name, asked, DeviceDecided)
    return DecisionView(
        esp_id=found.esp_id,
        state=found.state,
        seq=found.seq,
        changed=found.changed,
        username=found.esp_id if found.key else None,
        key=found.key or None,
    )


def who_asks(request: By) -> str:
    """User name of whoever sent a request."""
    principal: Principal = request.scope["user"]
    return principal.username
