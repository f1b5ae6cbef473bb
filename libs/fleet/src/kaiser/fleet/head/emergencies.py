"""Emergency stop, of the device and of the site (wire contract, sections 4.19, 5.5)."""

from typing import Any, Final

from kaiser.fleet.head.intents import Intent, tell_outcome
from kaiser.fleet.head.state import HeadState
from kaiser.fleet.message import object_of
from kaiser.fleet.pool import pool
from kaiser.fleet.text import fields, s

DEVICE_POOL: Final = 256
BROADCAST_POOL: Final = 512
HOLD_S: Final = 5.0
"""No clearing earlier than this after the stop."""
STOPS: Final = ("stop_all", "emergency_stop")


def order(device: HeadState, payload: bytes) -> None:
    """Stop or clear this device."""
    body = object_of(payload)
    if body is None or pool(body) > DEVICE_POOL:
        return
    if not _authorised(device, body, device.emergency_token):
        _error(device, "unauthorized", "Invalid or missing auth_token")
    elif body.get("command") == "emergency_stop":
        stop(device)
        _confirm(device, "actuator/emergency/ack", body, gpio_count=str(len(device.actuators)), outcome=s("executed"))
    elif body.get("command") == "clear_emergency":
        _clear(device, body)


def broadcast(device: HeadState, payload: bytes) -> None:
    """Stop at a word that means it, and at one that cannot be understood; there is no acknowledgement."""
    body = object_of(payload)
    if body is None or pool(body) > BROADCAST_POOL:
        return
    intent = Intent(body, f"fw_{device.clock.uptime_ms}_em")
    if not _ambiguous(body):
        words = [body[name] for name in ("command", "action") if name in body]
        texts = ("reason", "issued_by", "timestamp", "action")
        if not words or words[0] not in STOPS or any(name in body and type(body[name]) is not str for name in texts):
            tell_outcome(device, "command", intent, "rejected", code="CONTRACT_VIOLATION", reason="Broadcast refused")
            return
        if not _authorised(device, body, device.broadcast_token):
            code = "UNAUTHORIZED" if device.broadcast_token else "NO_TOKEN_CONFIGURED"
            tell_outcome(device, "command", intent, "rejected", code=code, reason="Broadcast refused")
            return
    stop(device)
    tell_outcome(device, "command", intent, "applied", reason="Emergency stop applied")


def stop(device: HeadState) -> None:
    """Every actuator, at once."""
    device.stopped_at_s = device.clock.uptime_s
    for actuator in device.actuators.values():
        actuator.stop(device.clock.uptime_s, emergency=True)
        device.tell_alert(actuator.gpio, "emergency_stop", "Actuator stopped")
        device.tell_status(actuator)


def _ambiguous(body: dict[str, Any]) -> bool:
    """What could have been a stop is one, without any token."""
    command, action = body.get("command"), body.get("action")
    wrong = ("command" in body and type(command) is not str) or (
        "auth_token" in body and type(body["auth_token"]) is not str
    )
    return wrong or (type(command) is str and type(action) is str and command != action)


def _authorised(device: HeadState, body: dict[str, Any], token: str) -> bool:
    if token:
        return bool(body.get("auth_token") == token)
    if device.spec.production:
        device.tokenless_emergencies += 1
    return not device.spec.production


def _clear(device: HeadState, body: dict[str, Any]) -> None:
    now = device.clock.uptime_s
    if device.stopped_at_s is not None and now - device.stopped_at_s < HOLD_S:
        device.tell_alert(255, "verification_failed", "clear_emergency")
        _error(device, "clear_failed", "Emergency cannot be cleared yet")
        return
    device.stopped_at_s = None
    for actuator in device.actuators.values():
        actuator.emergency = "normal"
        device.tell_status(actuator)
    device.say(
        "actuator/emergency/response",
        fields(status=s("emergency_cleared"), timestamp=str(device.clock.uptime_ms), seq=device.next_seq()),
    )
    _confirm(device, "actuator/recovery_confirm", body, state=s("cleared"))


def _confirm(device: HeadState, suffix: str, body: dict[str, Any], **rest: str) -> None:
    correlation = body.get("correlation_id")
    device.say(
        suffix,
        fields(
            ts=str(device.clock.unix_s),
            esp_id=s(device.esp_id),
            correlation_id=s(correlation if isinstance(correlation, str) else ""),
            command=s(str(body["command"])),
            **rest,
            seq=device.next_seq(),
        ),
    )


def _error(device: HeadState, error: str, message: str) -> None:
    device.say(
        "actuator/emergency/error",
        fields(error=s(error), message=s(message), seq=device.next_seq()),
        gated=False,
    )
