"""Commands to actuators (wire contract, sections 4.6, 5.1)."""

import math
from functools import partial
from typing import Any, Final

from kaiser.fleet.drivers import Actuator
from kaiser.fleet.faults import Fault
from kaiser.fleet.head.intents import Intent, tell_outcome, tell_stage
from kaiser.fleet.head.state import CONFIG_PENDING, ERROR, PENDING_APPROVAL, SAFE_MODE, HeadState
from kaiser.fleet.message import object_of
from kaiser.fleet.text import b, f3, fields, s

BUFFER: Final = 511
"""Bytes that are copied; the rest is cut off, and what is left does not parse."""

_BLOCKS: Final = {
    CONFIG_PENDING: "CONFIG_PENDING_BLOCKED",
    PENDING_APPROVAL: "PENDING_APPROVAL_BLOCKED",
    SAFE_MODE: "SAFETY_LOCKED",
    ERROR: "DEGRADED_MODE_BLOCKED",
}
IN_EMERGENCY: Final = "Actuator in emergency stop state. Clear emergency first."


def command(device: HeadState, gpio: int, payload: bytes) -> None:
    """Admit it, do it, answer it, and say what became of it."""
    device.obey(partial(_obey, device, gpio, payload))


def _obey(device: HeadState, gpio: int, payload: bytes, fault: Fault) -> None:
    body = object_of(payload[:BUFFER]) or {}
    if isinstance(own := body.get("correlation_id"), str):
        body["correlation_id"] = fault.correlation_id(own)
    if isinstance(own := body.get("intent_id"), str):
        body["intent_id"] = fault.correlation_id(own)
    word, value = str(body.get("command", "")), _value(body.get("value"))
    intent = Intent(body, f"fw_{device.clock.uptime_ms}_{gpio}")
    if refusal := _admission(device, intent):
        outcome = "expired" if refusal == "TTL_EXPIRED" else "rejected"
        tell_outcome(device, "command", intent, outcome, code=refusal, reason="Command not admitted")
        _respond(device, gpio, body, success=False, message=f"Command refused: {refusal}")
        return
    tell_stage(device, "command", intent, "accepted")
    tell_outcome(device, "command", intent, "accepted", reason="Command accepted")
    actuator = device.actuators.get(gpio)
    before = actuator and (actuator.state, actuator.pwm)
    done = fault.done and actuator is not None and actuator.command(word, value, device.clock.uptime_s)
    success = fault.claims(done)
    message = "Command executed" if success else _why_not(actuator)
    if actuator is not None:
        _after(device, actuator, body, success=done)
    _respond(device, gpio, body, success=success, message=message)
    if success and actuator is not None and (actuator.state, actuator.pwm) == before:
        device.tell_status(actuator)  # a command that changes nothing is the one case of a second status
    outcome, code = ("applied", "NONE") if success else ("failed", "COMMAND_FAILED")
    reason = "Actuator command applied" if success else message
    tell_outcome(device, "command", intent, outcome, code=code, reason=reason)


def _after(device: HeadState, actuator: Actuator, body: dict[str, Any], *, success: bool) -> None:
    if success:
        issued_by, duration = body.get("issued_by"), body.get("duration")
        actuator.source = issued_by if isinstance(issued_by, str) else "mqtt"
        actuator.off_at_s = None
        if type(duration) is int and duration > 0 and str(body.get("command")).upper() == "ON":
            actuator.off_at_s = device.clock.uptime_s + duration
        device.tell_status(actuator)
    elif actuator.emergency != "normal":
        device.tell_alert(actuator.gpio, "emergency_stop", "Actuator stopped")
        device.tell_status(actuator)


def _admission(device: HeadState, intent: Intent) -> str:
    if not device.handover.registered:
        return "REGISTRATION_PENDING"
    if intent.expired(device.clock.uptime_ms):
        return "TTL_EXPIRED"
    return _BLOCKS.get(device.state, "")


def _why_not(actuator: Actuator | None) -> str:
    if actuator is None:
        return "Actuator not configured"
    return IN_EMERGENCY if actuator.emergency != "normal" else "Command failed"


def _respond(device: HeadState, gpio: int, body: dict[str, Any], *, success: bool, message: str) -> None:
    names = ("correlation_id", "issued_by")
    known = {name: s(body[name]) for name in names if isinstance(body.get(name), str) and body[name]}
    duration = body.get("duration")
    device.say(
        f"actuator/{gpio}/response",
        fields(
            esp_id=s(device.esp_id),
            seq=device.next_seq(),
            zone_id=s(device.zone_id),
            ts=str(device.clock.unix_s),
            gpio=str(gpio),
            command=s(str(body.get("command", ""))),
            value=f3(_value(body.get("value"))),
            duration=str(duration if type(duration) is int else 0),
            success=b(success),
            message=s(message),
            **known,
        ),
        gated=False,
    )


def _value(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
