"""A configuration as ``head`` takes it (wire contract, sections 4.8, 5.2)."""

import re
from typing import Any, Final

from kaiser.fleet.drivers import TYPES, Actuator
from kaiser.fleet.head.intents import Intent, tell_outcome
from kaiser.fleet.head.state import HeadState
from kaiser.fleet.message import object_of
from kaiser.fleet.sensors import configured
from kaiser.fleet.text import b, fields, s

LARGEST: Final = 4352
SHOWN_FAILURES: Final = 10
INPUT_ONLY: Final = frozenset({34, 35, 36, 39})
PINS: Final = frozenset({4, 5, *range(14, 20), 21, 22, 23, 25, 26, 27, 32, 33}) | INPUT_ONLY
_ROM_CODE: Final = re.compile("[0-9A-Fa-f]{16}")

Item = dict[str, Any]  # of any JSON types, which is what is checked


class ItemError(ValueError):
    """An item that the device does not take over."""

    def __init__(self, code: str, detail: str, number: int = 2012) -> None:
        super().__init__(detail)
        self.code, self.number = code, number


def configure(device: HeadState, payload: bytes) -> None:
    """Take it over item by item, and answer for each kind."""
    large = len(payload) >= LARGEST
    body = None if large else object_of(payload)
    intent = Intent(body or {}, f"fw_{device.clock.uptime_ms}_1")
    if body is None:
        _refuse(device, intent, "PAYLOAD_TOO_LARGE" if large else "JSON_PARSE_ERROR", "Config cannot be read")
    elif not isinstance(body.get("correlation_id"), str) or not body["correlation_id"]:
        message = "Config contract violation: required correlation_id missing"
        _refuse(device, intent, "CONTRACT_MISSING_CORRELATION", message, outcome_code="CONTRACT_CORRELATION_MISSING")
    elif intent.expired(device.clock.uptime_ms):
        tell_outcome(device, "config", intent, "expired", code="TTL_EXPIRED", reason="Config expired")
    elif 0 < intent.generation <= device.generation:
        _refuse(device, intent, "STALE_SCOPE", f"Config generation {intent.generation} is stale")
    else:
        tell_outcome(device, "config", intent, "accepted", reason="Config accepted")
        device.generation = max(device.generation, intent.generation)
        for kind in ("sensor", "actuator"):
            if isinstance(items := body.get(f"{kind}s"), list) and items:
                _take_over(device, intent, kind, items)
        tell_outcome(device, "config", intent, "persisted", reason="Config persisted")


def _refuse(device: HeadState, intent: Intent, code: str, message: str, *, outcome_code: str = "") -> None:
    _answer(
        device,
        status=s("error"),
        type=s("system"),
        count="0",
        message=s(message),
        error_code=s(code),
        seq=device.next_seq(),
        correlation_id=s(intent.correlation_id),
    )
    tell_outcome(device, "config", intent, "rejected", code=outcome_code or code, reason=message)


def _take_over(device: HeadState, intent: Intent, kind: str, items: list[Any]) -> None:
    failures = [failure for item in items if (failure := _failure(device, kind, item))]
    worked = len(items) - len(failures)
    status = "success" if not failures else ("partial_success" if worked else "error")
    message = f"{worked} configured, {len(failures)} failed" if failures else f"Configured {worked} {kind}(s)"
    answer = {"status": s(status), "type": s(kind), "count": str(worked), "message": s(message)}
    answer |= {"seq": device.next_seq(), "correlation_id": s(intent.correlation_id)}
    if failures:
        answer |= {"failed_count": str(len(failures)), "failures": f"[{','.join(failures[:SHOWN_FAILURES])}]"}
    if len(failures) > SHOWN_FAILURES:
        answer |= {"failures_truncated": b(True), "total_failures": str(len(failures))}
    _answer(device, **answer)


def _failure(device: HeadState, kind: str, item: object) -> str:
    """Take an item over. Returns what is said of its failure; empty if there is none."""
    said = item if isinstance(item, dict) else {}
    gpio = said.get("gpio")
    try:
        (_sensor if kind == "sensor" else _actuator)(device, said)
    except ItemError as error:
        return fields(
            type=s(kind),
            gpio=str(gpio if type(gpio) is int and 0 <= gpio <= 255 else 255),
            error_code=str(error.number),
            error=s(error.code),
            detail=s(str(error)),
        )
    return ""


def _answer(device: HeadState, **answer: str) -> None:
    device.say("config_response", fields(**answer), gated=False)


def _sensor(device: HeadState, item: Item) -> None:
    gpio, sensor_type = _gpio(item), _text(item, "sensor_type")
    _text(item, "sensor_name")
    if _removed(item):
        device.replace_sensors(gpio, ())
        return
    rom, i2c = item.get("onewire_address"), item.get("i2c_address")
    if rom is not None and not (isinstance(rom, str) and _ROM_CODE.fullmatch(rom)):
        raise ItemError("VALIDATION_FAILED", "onewire_address is not 16 hex digits", 1023)
    if rom in device.spec.missing_probes:
        raise ItemError("VALIDATION_FAILED", "device not present", 1041)
    if i2c is not None and type(i2c) is not int:
        raise ItemError("TYPE_MISMATCH", "i2c_address must be an integer")
    if gpio in device.actuators:
        raise ItemError("UNKNOWN_ERROR", "GPIO conflict", 1002)
    every = item.get("measurement_interval_seconds", 0)
    if type(every) is not int or not 0 <= every <= 300:
        raise ItemError("OUT_OF_RANGE", "measurement_interval_seconds out of range")
    made = configured(
        sensor_type,
        gpio,
        address=rom or ("" if i2c is None else str(i2c)),
        subzone_id=_subzone(item),
        raw_mode=bool(item.get("raw_mode", True)),
        interval_s=every or 30,
        continuous=item.get("operating_mode", "continuous") == "continuous",
    )
    types = {new.sensor_type for new in made}
    others = [old for old in device.on_pin(gpio) if old.sensor_type not in types or (rom and old.address != rom)]
    device.replace_sensors(gpio, [*others, *made])


def _actuator(device: HeadState, item: Item) -> None:
    gpio = _gpio(item)
    kind = _text(item, "actuator_type", "type")
    _text(item, "actuator_name", "name")
    if _removed(item):
        device.actuators.pop(gpio, None)
        return
    if kind not in TYPES:
        raise ItemError("UNKNOWN_ERROR", f"unknown actuator type {kind}", 1050)
    if gpio not in PINS or gpio in INPUT_ONLY or device.on_pin(gpio):
        raise ItemError("UNKNOWN_ERROR", "GPIO conflict", 1002)
    on = item.get("default_state") in (True, "true")
    inverted = any(item.get(name) in (True, 1, "true") for name in ("inverted_logic", "inverted"))
    device.actuators[gpio] = Actuator(gpio, kind, default_state=on, subzone_id=_subzone(item), inverted=inverted)


def _removed(item: Item) -> bool:
    return item.get("active") in (False, "false")


def _subzone(item: Item) -> str:
    subzone = item.get("subzone_id")
    return subzone if isinstance(subzone, str) else ""


def _gpio(item: Item) -> int:
    gpio = item.get("gpio")
    if gpio is None:
        raise ItemError("MISSING_FIELD", "gpio is missing")
    if type(gpio) is not int:
        raise ItemError("TYPE_MISMATCH", "gpio must be an integer")
    if not 0 <= gpio <= 39:
        raise ItemError("OUT_OF_RANGE", "gpio out of range")
    return gpio


def _text(item: Item, *names: str) -> str:
    for name in names:
        if name in item:
            value = item[name]
            if not isinstance(value, str):
                raise ItemError("TYPE_MISMATCH", f"{name} must be a string")
            return value
    raise ItemError("MISSING_FIELD", f"{names[0]} is missing")
