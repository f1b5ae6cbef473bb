"""From a decoded message to one that can be trusted: its own device, its own pin, sound values, the rest said."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import force_setattr

from kaiser.contracts.codes import Code
from kaiser.contracts.topics import UplinkKind, UplinkTopic
from kaiser.contracts.wire import UPLINK_MESSAGES, SensorData, SystemCommandResponse
from kaiser.contracts.wire import plausibility as plausible
from kaiser.contracts.wire.jsontext import Object, read_object
from kaiser.contracts.wire.refusal import RefusedError

_LABELS: Final = ("zone_id", "subzone_id", "master_zone_id")
_CLOCKED: Final = frozenset(
    {
        UplinkKind.SENSOR_DATA,
        UplinkKind.HEARTBEAT,
        UplinkKind.ACTUATOR_STATUS,
        UplinkKind.ACTUATOR_RESPONSE,
        UplinkKind.ACTUATOR_ALERT,
        UplinkKind.ZONE_ACK,
    }
)
"""Messages whose ``ts`` is a clock or 0 (section 2); that of others may count from the boot."""

_UPTIMES: Final = frozenset({UplinkKind.DIAGNOSTICS})
_STATES: Final = {"on": True, "pwm": True, "off": False, "error": None, "unknown": None}

_MISSING = re.compile(r"missing required field `([^`]+)`")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")

_ALIASES: Final[dict[UplinkKind, dict[str, str]]] = {
    kind: getattr(struct, "ALIASES", {}) for kind, struct in UPLINK_MESSAGES.items()
}
_FIELDS: Final[dict[UplinkKind, frozenset[str]]] = {
    kind: frozenset(struct.__struct_fields__) | _ALIASES[kind].keys() for kind, struct in UPLINK_MESSAGES.items()
}


def settle(topic: UplinkTopic, payload: bytes) -> tuple[msgspec.Struct, tuple[str, ...]]:
    """Read a payload as what its topic says it is.

    Returns:
        The message in canonical form, and flags for what was replaced because it could not be trusted.

    Raises:
        RefusedError: It cannot be taken.
    """
    kind = topic.kind
    fields, flags = read_object(payload, _FIELDS[kind])
    for alias, name in _ALIASES[kind].items():
        if alias in fields and name not in fields:
            fields[name] = fields.pop(alias)
    if (prepare := _PREPARE.get(kind)) is not None:
        prepare(fields)
    try:
        message = msgspec.convert(fields, UPLINK_MESSAGES[kind])
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from error
    _check_origin(topic, message, fields)
    _settle_clock(kind, message, flags)
    for label in _LABELS:
        if not plausible.is_label(getattr(message, label, "")):
            force_setattr(message, label, "")
            flags.append(f"{label}_dropped")
    if type(message) is SensorData:
        settle_reading(message, flags)
    elif (check := _CHECK.get(kind)) is not None:
        check(message)
    return message, tuple(flags)


def settle_reading(message: SensorData, flags: list[str]) -> None:
    """Undo the wrap of the count, grade what cannot be right, drop what is no unit.

    Raises:
        RefusedError: ``sensor_type`` is no sensor type.
    """
    sensor = plausible.counts(message.sensor_type)
    if sensor is None:
        detail = f"{message.sensor_type[:64]!r} is not a lower-case identifier of at most 32 characters"
        raise RefusedError(Code.INVALID_SENSOR_TYPE, detail, "sensor_type")
    raw = plausible.unwrap(message.raw, bits16=sensor.bits16)
    if raw != message.raw:
        if message.unit == "raw":  # the value is then the count as a float, wrapped as it was (section 4.2)
            force_setattr(message, "value", raw)
        force_setattr(message, "raw", raw)
    if not plausible.is_unit(message.unit):
        force_setattr(message, "unit", "")
        flags.append("unit_dropped")
    if message.quality not in plausible.QUALITIES:
        if message.quality:  # an empty one is what dec sends when its HTTP answer had a space too many (section 4.2)
            flags.append("quality_dropped")
        force_setattr(message, "quality", "unknown")
    grade = plausible.grade(raw, sensor)
    if grade == "error":
        force_setattr(message, "value", None)
        if message.quality != "error":
            force_setattr(message, "quality", "error")
            flags.append("raw_impossible")
    elif grade == "suspect" and message.quality not in ("suspect", "error", "bad"):
        force_setattr(message, "quality", "suspect")
        flags.append("raw_suspect")


def _check_origin(topic: UplinkTopic, message: msgspec.Struct, fields: Object) -> None:
    """A device may speak for itself only; there are no topic rights on old brokers (section 15)."""
    context = fields.get("context")
    for where, esp_id in (
        ("esp_id", getattr(message, "esp_id", None)),
        ("context.esp_id", context.get("esp_id") if isinstance(context, dict) else None),
    ):
        if esp_id is not None and esp_id != topic.esp_id:
            detail = f"{str(esp_id)[:64]!r} on a topic of {topic.esp_id}"
            raise RefusedError(Code.DEVICE_ID_MISMATCH, detail, where)
    if topic.gpio is not None:
        gpio = getattr(message, "gpio", topic.gpio)
        if gpio != topic.gpio:
            raise RefusedError(Code.GPIO_MISMATCH, f"pin {gpio} on a topic of pin {topic.gpio}", "gpio")


def _settle_clock(kind: UplinkKind, message: msgspec.Struct, flags: list[str]) -> None:
    sent = getattr(message, "ts", None)
    if sent is None or kind in _UPTIMES:
        return
    settled = plausible.unix_seconds(sent)
    if settled is None:
        if kind in _CLOCKED or sent < 0:
            settled = 0
            flags.append("ts_dropped")
        else:
            settled = sent
    if settled != sent:
        force_setattr(message, "ts", settled)


def _refusal(complaint: str) -> RefusedError:
    """The code for what msgspec says of a field."""
    at = _AT.search(complaint)
    where = at[1] if at else ""
    detail = complaint[: at.start()] if at else complaint
    if missing := _MISSING.search(detail):
        return RefusedError(Code.MISSING_REQUIRED_FIELD, "missing or null", f"{where}.{missing[1]}".lstrip("."))
    if where == "sensor_type":
        return RefusedError(Code.INVALID_SENSOR_TYPE, detail, where)
    if where == "actuator_type":
        return RefusedError(Code.INVALID_ACTUATOR_TYPE, detail, where)
    if ", got `" in detail:
        return RefusedError(Code.TYPE_MISMATCH, detail, where)
    if where == "gpio":
        return RefusedError(Code.INVALID_GPIO_PIN, detail, where)
    return RefusedError(Code.VALUE_OUT_OF_RANGE, detail, where)


def _prepare_status(fields: Object) -> None:
    """Words for the state, and a duty cycle as a fraction, as the old server took them (section 10.2)."""
    state = fields.get("state")
    if isinstance(state, str) and state in _STATES:
        fields["state"] = _STATES[state]
    value: Any = fields.get("value")  # any JSON value
    if "pwm" not in fields and type(value) in (int, float) and 0 <= value <= 1:
        fields["pwm"] = round(value * 255)


def _prepare_command_response(fields: Object) -> None:
    known = SystemCommandResponse.__struct_fields__
    snapshot = {name: fields.pop(name) for name in list(fields) if name not in known or name == "snapshot"}
    if snapshot:
        fields["snapshot"] = snapshot


def _need(message: Any, *names: str) -> None:  # whose fields are named
    if not any(getattr(message, name) for name in names):
        raise RefusedError(Code.MISSING_REQUIRED_FIELD, "missing or null", " or ".join(names))


_PREPARE: Final[dict[UplinkKind, Callable[[Object], None]]] = {
    UplinkKind.ACTUATOR_STATUS: _prepare_status,
    UplinkKind.SYSTEM_COMMAND_RESPONSE: _prepare_command_response,
}

_CHECK: Final[dict[UplinkKind, Callable[[Any], None]]] = {
    UplinkKind.SYSTEM_COMMAND_RESPONSE: lambda message: _need(message, "command", "status"),
    UplinkKind.EMERGENCY_RESPONSE: lambda message: _need(message, "status"),
    UplinkKind.EMERGENCY_ERROR: lambda message: _need(message, "error"),
    UplinkKind.SUBZONE_ACK: lambda message: _need(message, "status" if message.status == "error" else "subzone_id"),
    UplinkKind.ZONE_ACK: lambda message: _need(message, "zone_id" if message.status == "zone_assigned" else "status"),
}
