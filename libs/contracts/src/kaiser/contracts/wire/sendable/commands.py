"""Commands: to actuators, sensors and the device itself (wire contract, sections 5.1, 5.6, 5.7)."""

import re
from typing import Final

from kaiser.contracts.wire.sendable.draft import (
    OUTPUTS,
    U32_MAX,
    Body,
    Draft,
    ForbiddenError,
    fits_pool,
    integer,
    number,
    one_of,
    only,
    optional_integer,
    optional_text,
    text,
)

COMMANDS: Final = ("ON", "OFF", "PWM")
HEAD_BUFFER: Final = 512
"""Bytes of a command that ``head`` copies, the closing NUL included; more is cut off and then fails."""

SYSTEM_COMMANDS: Final = (
    "status",
    "diagnostics",
    "get_config",
    "onewire/scan",
    "safe_mode",
    "exit_safe_mode",
    "set_log_level",
    "set_emergency_token",
    "factory_reset",
)
SYSTEM_POOL: Final = 256

_FIRST_FIELD = {name: re.compile(rf'"{name}":\s*("[^"]*"|[^,}}\s]*)') for name in ("command", "value", "duration")}


def actuator_command(draft: Draft) -> None:
    """ON, OFF or PWM with a value from 0 to 1, as both generations read it."""
    body = draft.body
    if draft.topic.gpio not in OUTPUTS:
        raise ForbiddenError(f"pin {draft.topic.gpio} is not one that the firmware gives to actuators")
    nested = [name for name, value in body.items() if isinstance(value, dict | list)]
    if nested:
        raise ForbiddenError(f"{', '.join(nested)}: dec takes the first command, value and duration, nested or not")
    command = text(body, "command").upper()
    if command == "TOGGLE":
        raise ForbiddenError("TOGGLE undoes itself when it is delivered twice; resolve it to ON or OFF")
    if command not in COMMANDS:
        raise ForbiddenError(f"command {command!r}: devices know ON, OFF and PWM; there is no STOP")
    if (command == "PWM" or "value" in body) and not 0 <= number(body, "value") <= 1:
        raise ForbiddenError(f"value {body['value']!r} is outside of 0 to 1: a pwm actuator clamps it to full power")
    optional_integer(body, "duration")
    _timed(draft, command)
    optional_integer(body, "timestamp")
    optional_integer(body, "generation")
    optional_text(body, "correlation_id", "intent_id", "issued_by")
    if draft.dec:
        _reads_the_same_on_dec(body, draft.payload)
    if draft.head and len(draft.payload) >= HEAD_BUFFER:
        raise ForbiddenError(f"{len(draft.payload)} bytes, head cuts off at {HEAD_BUFFER}")


def _timed(draft: Draft, command: str) -> None:
    """A duration that the device ignores leaves the output on for ever; Kaiser keeps its own timer then."""
    if not draft.body.get("duration") or command == "OFF":
        return
    if draft.dec:
        raise ForbiddenError("dec ignores the duration and stays on for ever; send 0 and switch off by a timer")
    if command != "ON":
        raise ForbiddenError("head ends ON after the duration, but not PWM; send 0 and switch off by a timer")


def _reads_the_same_on_dec(body: Body, payload: bytes) -> None:
    """``dec`` does not parse JSON here: it looks for the first ``"command":``, and knows no escapes."""
    if b"\\" in payload:
        raise ForbiddenError("dec does not know escapes in a command")
    raw = payload.decode()
    for name, pattern in _FIRST_FIELD.items():
        found = pattern.search(raw)
        read = found[1].strip('"') if found else None
        meant = body.get(name)
        if meant is None and read is None:
            continue
        same = read == meant if isinstance(meant, str) else read is not None and _number(read) == meant
        if not same:
            raise ForbiddenError(f"dec would read {name} as {read!r} instead of {meant!r}")


def _number(lexeme: str) -> float | None:
    try:
        return float(lexeme)
    except ValueError:
        return None


def sensor_command(draft: Draft) -> None:
    """Measure now; only ``head`` listens."""
    if draft.dec:
        raise ForbiddenError("dec does not listen to sensor commands")
    one_of(draft.body, "command", ("measure",))
    optional_text(draft.body, "request_id", "correlation_id", "intent_id")
    optional_integer(draft.body, "timeout_ms", 1, 60_000)
    if len(draft.payload) > HEAD_BUFFER:
        raise ForbiddenError(f"{len(draft.payload)} bytes, head takes {HEAD_BUFFER}")


def system_command(draft: Draft) -> None:
    """Lower case and exact; the old server's upper-case words were never understood."""
    body = draft.body
    if draft.dec:
        if body != {"command": "factory_reset", "confirm": True} or body["confirm"] is not True:
            raise ForbiddenError('dec knows only {"command":"factory_reset","confirm":true} and ignores all else')
        return
    command = one_of(body, "command", SYSTEM_COMMANDS)
    if command == "factory_reset" and body.get("confirm") is not True:
        raise ForbiddenError("factory_reset without confirm is refused")
    if command == "set_emergency_token":
        one_of(body, "token_type", ("esp", "broadcast"))
        text(body, "token", longest=64)
    if command == "onewire/scan":
        _scan_pin(body)
    optional_text(body, "correlation_id", "intent_id")
    fits_pool(body, SYSTEM_POOL)


def _scan_pin(body: Body) -> None:
    params = body.get("params", {})
    if not isinstance(params, dict):
        raise ForbiddenError("params is not an object")
    only(params, "pin")
    for holder in (body, params):
        if "pin" in holder and integer(holder, "pin", 0, U32_MAX) not in OUTPUTS:
            raise ForbiddenError(f"pin {holder['pin']} is not one that the firmware gives to a OneWire bus")
