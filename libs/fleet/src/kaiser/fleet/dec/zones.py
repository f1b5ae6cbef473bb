"""Zones and subzones of ``dec`` (wire contract, sections 4.10, 4.11, 5.3, 5.4)."""

from typing import Any, Final

from kaiser.fleet.dec.state import DecState
from kaiser.fleet.message import object_of, pins_of, texts_of
from kaiser.fleet.pool import pool
from kaiser.fleet.text import fields, s

ZONE_POOL: Final = 512
NVS_SAVE_FAILED: Final = 2506
"""Every assignment ends so, for the flash key is too long (section 6.6). The other numbers are of the same band."""


def assign_zone(device: DecState, payload: bytes) -> None:
    """Move, perhaps below another kaiser id, whose topics it says things on but does not hear."""
    body = object_of(payload)
    if body is None or pool(body) > ZONE_POOL:
        _ack(device, status=s("error"), ts=str(device.clock.unix_s), message=s("Failed to parse zone assignment"))
        return
    zone_id = _text(body, "zone_id")
    if not zone_id:
        return
    device.zone_id, device.master_zone_id = zone_id, _text(body, "master_zone_id")
    device.kaiser_id = _text(body, "kaiser_id")
    _ack(
        device,
        status=s("zone_assigned"),
        zone_id=s(device.zone_id),
        master_zone_id=s(device.master_zone_id),
        ts=str(device.clock.unix_s),
    )


def assign_subzone(device: DecState, payload: bytes) -> None:
    """Take the pins over in memory, and say that it failed."""
    body = object_of(payload)
    if body is None:
        _subzone_error(device, "", 2500, "JSON parse failed")
        return
    subzone_id, parent = texts_of(body, "subzone_id", "parent_zone_id")
    if not subzone_id:
        _subzone_error(device, "", 2501, "subzone_id is required")
    elif not device.zone_id:
        _subzone_error(device, subzone_id, 2503, "ESP not zone-assigned")
    elif parent not in ("", device.zone_id):
        _subzone_error(device, subzone_id, 2502, "parent_zone_id mismatch")
    else:
        device.subzones[subzone_id] = pins = pins_of(body)
        for pin in pins:
            if pin in device.actuators:
                device.actuators[pin].subzone_id = subzone_id
                if body.get("safe_mode_active", True):
                    device.actuators[pin].stop(device.clock.uptime_s)
        _subzone_error(device, subzone_id, NVS_SAVE_FAILED, "NVS save failed")


def remove_subzone(device: DecState, payload: bytes) -> None:
    """Without any answer."""
    device.subzones.pop(str((object_of(payload) or {}).get("subzone_id")), None)


def _text(body: dict[str, Any], name: str) -> str:
    """What is missing or null becomes the text ``null``."""
    value = body.get(name)
    return value if isinstance(value, str) else "null"


def _ack(device: DecState, **rest: str) -> None:
    device.say("zone/ack", fields(esp_id=s(device.esp_id), **rest))


def _subzone_error(device: DecState, subzone_id: str, code: int, message: str) -> None:
    device.say(
        "subzone/ack",
        fields(
            esp_id=s(device.esp_id),
            status=s("error"),
            subzone_id=s(subzone_id),
            timestamp=str(int(device.clock.uptime_s)),
            error_code=str(code),
            message=s(message),
        ),
    )
