"""A configuration as ``dec`` takes it: one error an item, and success only if every item worked (sections 4.8, 5.2)."""

import json
from typing import Any, Final

from kaiser.fleet.dec.state import DecState
from kaiser.fleet.drivers import TYPES, Actuator
from kaiser.fleet.message import object_of
from kaiser.fleet.pool import pool
from kaiser.fleet.sensors import configured
from kaiser.fleet.text import fields, s

FAILED_ITEM_POOL: Final = 512
PINS: Final = frozenset({4, 5, *range(14, 20), 21, 22, 23, 25, 26, 27, 32, 33})
"""What the GPIO manager hands out."""
HIGHEST_PIN: Final = 39

Item = dict[str, Any]  # of any JSON types, which is what is checked


class ItemError(ValueError):
    """An item that the device does not take over; the text is what it says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def configure(device: DecState, payload: bytes) -> None:
    """Sensors, then actuators, each with answers of their own."""
    body = object_of(payload)
    for kind in ("sensor", "actuator"):
        if body is None:
            _answer(device, kind, code="JSON_PARSE_ERROR", message="Failed to parse config JSON")
        else:
            _take_over(device, kind, body.get(f"{kind}s"))


def _take_over(device: DecState, kind: str, items: object) -> None:
    if not isinstance(items, list) or not items:
        _answer(device, kind, code="MISSING_FIELD", message=f"Missing or empty '{kind}s' array")
        return
    failures = 0
    for item in items:
        try:
            (_sensor if kind == "sensor" else _actuator)(device, item if isinstance(item, dict) else {})
        except ItemError as error:
            failures += 1
            _answer(device, kind, code=error.code, message=str(error), item=item)
    if not failures:
        _answer(device, kind, count=len(items), message=f"Configured {len(items)} {kind}(s) successfully")


def _sensor(device: DecState, item: Item) -> None:
    """Active in memory, but never saved: the key is too long for the flash (section 6.6)."""
    gpio = _gpio(item, "Sensor")
    sensor_type = _text(item, "Sensor", "sensor_type")
    _text(item, "Sensor", "sensor_name")
    if item.get("active") in (False, 0, "false"):
        device.replace_sensors(gpio, ())
        return
    if gpio not in PINS or gpio in device.actuators:
        raise ItemError("UNKNOWN_ERROR", f"Failed to configure sensor on GPIO {gpio}")
    subzone = item.get("subzone_id")
    device.replace_sensors(gpio, configured(sensor_type, gpio, subzone_id=subzone if isinstance(subzone, str) else ""))
    raise ItemError("NVS_WRITE_FAILED", f"Failed to save sensor config to NVS for GPIO {gpio}")


def _actuator(device: DecState, item: Item) -> None:
    """A driver is made anew, whatever it was doing: state, timers and the emergency flag are lost."""
    gpio = _gpio(item, "Actuator")
    kind = _text(item, "Actuator", "actuator_type", "type")
    _text(item, "Actuator", "actuator_name", "name")
    if item.get("active") in (False, 0, "false"):
        device.actuators.pop(gpio, None)
        return
    if kind not in TYPES or gpio not in PINS or device.on_pin(gpio):
        raise ItemError("UNKNOWN_ERROR", f"Failed to configure actuator on GPIO {gpio}")
    pwm = item.get("default_pwm", 0)
    if type(pwm) is not int or not 0 <= pwm <= 255:
        raise ItemError("OUT_OF_RANGE", f"default_pwm out of range on GPIO {gpio}")
    subzone = item.get("subzone_id")
    device.actuators[gpio] = Actuator(
        gpio,
        kind,
        default_state=item.get("default_state") in (True, 1, "true"),
        subzone_id=subzone if isinstance(subzone, str) else "",
        inverted=any(item.get(name) in (True, 1, "true") for name in ("inverted_logic", "inverted")),
    )


def _gpio(item: Item, kind: str) -> int:
    if "gpio" not in item:
        raise ItemError("MISSING_FIELD", f"{kind} config missing required field 'gpio'")
    gpio = item["gpio"]
    if type(gpio) is not int:
        raise ItemError("TYPE_MISMATCH", f"{kind} field 'gpio' must be an integer")
    if not 0 <= gpio <= HIGHEST_PIN:
        raise ItemError("OUT_OF_RANGE", f"GPIO {gpio} out of range")
    return gpio


def _text(item: Item, kind: str, *names: str) -> str:
    for name in names:
        if name in item:
            value = item[name]
            if not isinstance(value, str):
                raise ItemError("TYPE_MISMATCH", f"{kind} field '{name}' must be a string")
            return value
    raise ItemError("MISSING_FIELD", f"{kind} config missing required field '{names[0]}'")


def _answer(device: DecState, kind: str, *, message: str, count: int = 0, code: str = "", item: object = None) -> None:
    """Without device, time or correlation id; the item is left out where it does not fit."""
    answer = {
        "status": s("error" if code else "success"),
        "type": s(kind),
        "count": str(count),
        "message": s(message),
    }
    if code:
        answer["error_code"] = s(code)
    shown = _shown(item)
    if shown and pool(shown) < FAILED_ITEM_POOL:
        answer["failed_item"] = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    device.say("config_response", fields(**answer))


def _shown(item: object) -> Item:
    names = ("gpio", "sensor_type", "sensor_name", "actuator_type", "actuator_name")
    return {name: item[name] for name in names if name in item} if isinstance(item, dict) else {}
