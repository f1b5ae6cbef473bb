"""Zones and subzones (wire contract, sections 4.10, 4.11, 5.3, 5.4)."""

from typing import Any, Final

from kaiser.fleet.head.intents import Intent, tell_outcome
from kaiser.fleet.head.state import HeadState
from kaiser.fleet.message import Subscribing, object_of, pins_of, texts_of
from kaiser.fleet.text import fields, s

MOVED: Final = (
    ("zone/assign", 1),
    ("sensor/+/command", 2),
    ("subzone/assign", 1),
    ("subzone/remove", 1),
    ("actuator/+/command", 2),
    ("system/heartbeat/ack", 1),
)
"""All that it listens to anew when its kaiser id changes; the rest only after the next reconnect."""


def assign_zone(device: HeadState, payload: bytes) -> None:
    """Move, or leave the zone if the id is empty; then the server has to approve it again."""
    body = object_of(payload)
    if body is None:
        _zone_ack(device, {}, status=s("error"), message=s("JSON parse failed"), reason_code=s("JSON_PARSE_ERROR"))
        return
    zone_id = _text(body, "zone_id")
    if not zone_id:
        device.zone_id = device.master_zone_id = ""
        device.subzones.clear()
        device.pending = True
        _zone_ack(device, body, status=s("zone_removed"), zone_id=s(""), master_zone_id=s(""))
        return
    device.zone_id, device.master_zone_id = zone_id, _text(body, "master_zone_id")
    kaiser_id = _text(body, "kaiser_id")
    if kaiser_id != device.kaiser_id:
        device.kaiser_id = kaiser_id
        device.put(*(Subscribing(device.topic(suffix), qos) for suffix, qos in MOVED))
    _zone_ack(device, body, status=s("zone_assigned"), zone_id=s(zone_id), master_zone_id=s(device.master_zone_id))
    intent = Intent(body, f"fw_{device.clock.uptime_ms}_zone")
    tell_outcome(device, "zone", intent, "persisted", reason="Zone persisted")


def assign_subzone(device: HeadState, payload: bytes) -> None:
    """Take the pins over; where it is not said, they go into safe mode and running outputs drop."""
    body = object_of(payload)
    if body is None:
        _subzone_ack(device, {}, "error", reason_code=s("JSON_PARSE_ERROR"), message=s("JSON parse failed"))
        return
    subzone_id, parent = texts_of(body, "subzone_id", "parent_zone_id")
    if not subzone_id or parent not in ("", device.zone_id):
        _subzone_ack(device, body, "error", reason_code=s("VALIDATION_ERROR"), message=s("parent zone mismatch"))
        return
    device.subzones[subzone_id] = pins_of(body)
    for pin in device.subzones[subzone_id]:
        if pin in device.actuators:
            device.actuators[pin].subzone_id = subzone_id
    if body.get("safe_mode_active", True):
        _drop(device, subzone_id)
    _subzone_ack(device, body, "subzone_assigned")


def remove_subzone(device: HeadState, payload: bytes) -> None:
    """Dissolve it."""
    body = object_of(payload) or {}
    pins = device.subzones.pop(str(body.get("subzone_id")), None)
    if pins is None:
        _subzone_ack(device, body, "error", reason_code=s("SUBZONE_NOT_FOUND"), message=s("Subzone not found"))
        return
    for pin in pins:
        if pin in device.actuators:
            device.actuators[pin].subzone_id = ""
    _subzone_ack(device, body, "subzone_removed")


def safe_subzone(device: HeadState, payload: bytes) -> None:
    """Safe mode of its pins; said of only if it fails."""
    body = object_of(payload) or {}
    subzone_id = str(body.get("subzone_id"))
    if subzone_id not in device.subzones:
        _subzone_ack(device, body, "error", reason_code=s("SUBZONE_NOT_FOUND"), message=s("Subzone not found"))
    elif body.get("safe_mode", body.get("action") == "enable"):
        _drop(device, subzone_id)


def _drop(device: HeadState, subzone_id: str) -> None:
    for pin in device.subzones[subzone_id]:
        if pin in device.actuators:
            device.actuators[pin].stop(device.clock.uptime_s)
            device.tell_status(device.actuators[pin])


def _text(body: dict[str, Any], name: str) -> str:
    """What is missing or null becomes the text ``null``."""
    value = body.get(name)
    return value if isinstance(value, str) else "null"


def _correlation(body: dict[str, Any]) -> str:
    given = body.get("correlation_id")
    return s(given if isinstance(given, str) else "")


def _zone_ack(device: HeadState, body: dict[str, Any], **answer: str) -> None:
    device.say(
        "zone/ack",
        fields(
            esp_id=s(device.esp_id),
            **answer,
            ts=str(device.clock.unix_s),
            seq=device.next_seq(),
            correlation_id=_correlation(body),
        ),
        gated=False,
    )


def _subzone_ack(device: HeadState, body: dict[str, Any], status: str, **rest: str) -> None:
    subzone_id = body.get("subzone_id")
    device.say(
        "subzone/ack",
        fields(
            esp_id=s(device.esp_id),
            status=s(status),
            subzone_id=s(subzone_id if isinstance(subzone_id, str) else ""),
            timestamp=str(device.clock.unix_s),
            **rest,
            seq=device.next_seq(),
            correlation_id=_correlation(body),
        ),
        gated=False,
    )
