"""What is to hang on devices: sensors, actuators, rules for when they are alone. Ingest tells the devices."""

from datetime import datetime

import msgspec
from litestar import Response, get, put

from kaiser.contracts import commands, queries
from kaiser.contracts.events.equipment import ConfigFault, Equipment
from kaiser.eventlog import EventLog
from kaiser.gateway.api.registry import By, DecisionView, decided, who_asks
from kaiser.gateway.api.views import instant
from kaiser.gateway.asking import ask


class EquipmentView(msgspec.Struct, frozen=True, kw_only=True):
    """What is to hang on a device, and what the device made of it.

    Attributes:
        state: ``none``, ``ordered`` while the device has not answered, ``confirmed``, ``partly``, ``refused`` or
            ``unanswered``.
        until_restart: Pins of sensors that the device could not save; they are told again when it was started anew.
        seq: Sequence of the last event of the device's registry.
    """

    esp_id: str
    state: str
    wanted: Equipment
    faults: list[ConfigFault]
    until_restart: list[int]
    settled_at: datetime | None
    subzones: list[queries.Subzone]
    seq: int


@get("/devices/{esp_id:str}/config", tags=["devices"])
async def equipment(event_log: EventLog, esp_id: str) -> EquipmentView:
    """What is to hang on a device, and what it made of that."""
    query = queries.EquipmentQuery(esp_id=esp_id)
    found = await ask(event_log, "ingest", "equipment", query, queries.DeviceEquipment)
    fields = msgspec.structs.asdict(found)
    fields["settled_at"] = instant(found.settled_at) if found.settled_at else None
    return EquipmentView(**fields)


@put("/devices/{esp_id:str}/config", status_code=202, tags=["devices"])
async def configure(event_log: EventLog, request: By, esp_id: str, data: Equipment) -> Response[DecisionView]:
    """Say all that is to hang on a device; what is not in it any more is taken off.

    The device is told what it does not have yet, until it answers: ``GET`` of the same, event ``config_changed``.
    What it could not do, such as a pin twice or a chip at a wrong address, is refused here, with a code and the path.
    """
    asked = commands.ConfigureDevice(esp_id=esp_id, by=who_asks(request), wanted=data)
    return await decided(event_log, "configure_device", asked)
