"""Configurations (wire contract, sections 5.2, 6.7, 7, 8.1, 9)."""

import re
from typing import Any, Final

from kaiser.contracts.ids import is_name
from kaiser.contracts.wire.sendable.draft import (
    INPUTS_DEC,
    INPUTS_HEAD,
    OUTPUTS,
    Body,
    Draft,
    ForbiddenError,
    boolean,
    integer,
    number,
    one_of,
    optional_integer,
    optional_text,
    text,
)

HEAD_MAX_BYTES: Final = 4352
MAX_SENSORS: Final = 20
MAX_ACTUATORS: Final = 12
MAX_OFFLINE_RULES: Final = 8
MAX_NAME: Final = 64
TIME_WINDOWS: Final = ("__twindow_on", "__twindow_off")
NO_PIN: Final = 255

ACTUATOR_TYPES: Final = ("pump", "valve", "relay", "pwm")
GENERIC_TYPES: Final = frozenset({"temperature", "humidity", "pressure", "analog", "digital"})
"""Types of the old REST schema: a device takes them for unknown, and reads the pin as analog."""

ADC_TYPES: Final = frozenset({"ph", "ph_sensor", "ec", "ec_sensor", "moisture", "soil_moisture"})
ADC_PINS: Final = frozenset({4, 32, 33, 34, 35, 36, 39})
"""ADC1 of the WROOM, and pin 4, which is ADC1 on the XIAO; ADC2 reads nothing while Wi-Fi is on."""

_I2C_TYPE = re.compile(r"sht31|bm[pe]280")
_SENSOR_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ROM_CODE = re.compile(r"[0-9A-Fa-f]{16}")
_FLAGS: Final = ("active", "raw_mode", "critical", "inverted_logic", "inverted", "default_state")


def config(draft: Draft) -> None:
    """Sensors and actuators, complete and unambiguous.

    One of the lists may be empty: ``dec`` then answers a ``MISSING_FIELD`` that means nothing (section 5.2), whereas an
    actuator that is sent again only to fill the list falls to its default.
    """
    body = draft.body
    sensors, actuators = _items(draft, "sensors", MAX_SENSORS), _items(draft, "actuators", MAX_ACTUATORS)
    if not (sensors or actuators or (draft.head and "offline_rules" in body)):
        raise ForbiddenError("nothing is configured")
    for item in sensors:
        _sensor(item, draft)
    for item in actuators:
        _actuator(item)
    _check_pins(sensors, actuators, draft)
    optional_integer(body, "timestamp")
    optional_integer(body, "generation")
    optional_text(body, "intent_id")
    if draft.head:
        _check_head(body, draft.payload)


def _check_head(body: Body, payload: bytes) -> None:
    within = body.get("data")
    holder = within if "correlation_id" not in body and isinstance(within, dict) else body
    if "correlation_id" not in holder:
        raise ForbiddenError("correlation_id is missing: head answers CONTRACT_MISSING_CORRELATION")
    text(holder, "correlation_id")
    rules = body.get("offline_rules", [])
    if not isinstance(rules, list) or len(rules) > MAX_OFFLINE_RULES:
        raise ForbiddenError(f"offline_rules is not a list of at most {MAX_OFFLINE_RULES}")
    for rule in rules:
        _offline_rule(_object(rule, "offline_rules"))
    if len(payload) >= HEAD_MAX_BYTES:
        raise ForbiddenError(f"{len(payload)} bytes, head refuses {HEAD_MAX_BYTES} and more")


def _items(draft: Draft, name: str, most: int) -> list[Body]:
    items = draft.body.get(name, [])
    if not isinstance(items, list):
        raise ForbiddenError(f"{name} is not an array")
    if draft.dec and name not in draft.body:
        raise ForbiddenError(f"{name} is absent: dec answers MISSING_FIELD")
    if len(items) > most:
        raise ForbiddenError(f"{len(items)} {name}, a device holds {most}")
    return [_object(item, name) for item in items]


def _object(item: Any, name: str) -> Body:  # any JSON value
    if not isinstance(item, dict):
        raise ForbiddenError(f"{name} holds something that is not an object")
    return item


def _common(item: Body) -> int:
    if item.get("subzone_id", "") != "" and not is_name(text(item, "subzone_id")):
        raise ForbiddenError("subzone_id is not 1 to 32 letters, digits, underscores and hyphens")
    for flag in _FLAGS:
        value = item.get(flag, False)
        if not (isinstance(value, bool) or value in (0, 1, "true", "false")):
            raise ForbiddenError(f"{flag} is not a boolean: {value!r}")
    gpio = integer(item, "gpio", 0, NO_PIN)
    if gpio > 39:
        raise ForbiddenError(f"pin {gpio} is refused by the device")
    return gpio


def _is_i2c(item: Body) -> bool:
    interface = item.get("interface_type")
    if isinstance(interface, str) and interface.upper() == "I2C":
        return True
    return "i2c_address" in item or _I2C_TYPE.search(str(item.get("sensor_type"))) is not None


def _sensor(item: Body, draft: Draft) -> None:
    gpio = _common(item)
    sensor_type = text(item, "sensor_type")
    if not _SENSOR_TYPE.fullmatch(sensor_type):
        raise ForbiddenError(f"sensor_type {sensor_type!r} is not a lower-case identifier")
    if sensor_type in GENERIC_TYPES:
        raise ForbiddenError(f"sensor_type {sensor_type!r} means an analog pin to devices; name the sensor")
    text(item, "sensor_name", longest=MAX_NAME)
    optional_integer(item, "measurement_interval_seconds", 1, 300)
    if "operating_mode" in item:
        one_of(item, "operating_mode", ("continuous", "on_demand", "paused", "scheduled"))
    optional_text(item, "interface_type")
    optional_integer(item, "i2c_address", 0, 127)
    if "onewire_address" in item and not _ROM_CODE.fullmatch(text(item, "onewire_address")):
        raise ForbiddenError("onewire_address is not exactly 16 hexadecimal digits")
    pins = INPUTS_DEC if draft.dec else INPUTS_HEAD
    if gpio not in pins and not (_is_i2c(item) and not draft.dec):
        raise ForbiddenError(f"pin {gpio} is reserved or unknown to the device's pin table")
    if sensor_type in ADC_TYPES and gpio not in ADC_PINS:
        raise ForbiddenError(f"pin {gpio} has no analog input that works while Wi-Fi is on")


def _actuator(item: Body) -> None:
    gpio = _common(item)
    kinds = {item[name] for name in ("actuator_type", "type") if isinstance(item.get(name), str)}
    if len(kinds) != 1 or not kinds <= set(ACTUATOR_TYPES):
        raise ForbiddenError(f"actuator type {sorted(kinds)}: the device knows {', '.join(ACTUATOR_TYPES)} only")
    text(item, "actuator_name" if "actuator_name" in item else "name", longest=MAX_NAME)
    if gpio not in OUTPUTS:
        raise ForbiddenError(f"pin {gpio} is reserved or cannot be an output")
    if item.get("aux_gpio", NO_PIN) != NO_PIN and integer(item, "aux_gpio", 0, NO_PIN) not in OUTPUTS:
        raise ForbiddenError(f"aux_gpio {item['aux_gpio']} is reserved or cannot be an output")
    if "aux_gpio" in item:
        integer(item, "aux_gpio", 0, NO_PIN)
    optional_integer(item, "default_pwm", 0, 255)
    optional_integer(item, "max_runtime_ms")


def _check_pins(sensors: list[Body], actuators: list[Body], draft: Draft) -> None:
    """No item may push another out, nor confuse the reader of multi-value sensors (section 5.2)."""
    driven = [item["gpio"] for item in actuators]
    if len(set(driven)) < len(driven):
        raise ForbiddenError("two actuators on one pin: the second replaces the first")
    read: dict[int, list[Body]] = {}
    for item in sensors:
        gpio = item["gpio"]
        if gpio in driven and not _is_i2c(item) and item.get("active") is not False:
            raise ForbiddenError(f"pin {gpio} is given to a sensor and to an actuator")
        for other in read.setdefault(gpio, []):
            if draft.dec:
                raise ForbiddenError(f"two sensors on pin {gpio}: dec replaces the first by the second")
            if _is_i2c(item) and _is_i2c(other) and _chip(item) != _chip(other):
                raise ForbiddenError(f"two I2C sensors on pin {gpio}: the second is never read; number them apart")
            if _identity(item) == _identity(other):
                raise ForbiddenError(f"one sensor twice on pin {gpio}")
        read[gpio].append(item)


def _chip(item: Body) -> tuple[object, ...]:
    """The two values of one chip may share a pin; two chips may not."""
    kind = _I2C_TYPE.search(str(item.get("sensor_type")))
    return kind[0].replace("bme", "bmp") if kind else "", item.get("i2c_address")


def _identity(item: Body) -> tuple[object, ...]:
    return item.get("sensor_type"), item.get("onewire_address"), item.get("i2c_address")


def _thresholds(rule: Body) -> None:
    """Pairs that switch on and off again; 0 is unused, so that a real 0 cannot be said."""
    below, above, over, under = (
        number(rule, name) if name in rule else 0
        for name in ("activate_below", "deactivate_above", "activate_above", "deactivate_below")
    )
    if not (below or over):
        raise ForbiddenError("an offline rule without a threshold to activate at never acts; 0 means unused")
    if bool(below) != bool(above) or bool(over) != bool(under):
        raise ForbiddenError("an offline rule that activates must have the threshold that deactivates; 0 means unused")
    if (below and below >= above) or (over and over <= under):
        raise ForbiddenError("an offline rule that deactivates before it activates switches without end")


def _offline_rule(rule: Body) -> None:
    integer(rule, "actuator_gpio", 0, 39)
    integer(rule, "sensor_gpio", 0, NO_PIN)
    kind = text(rule, "sensor_value_type", longest=23)
    if kind in ADC_TYPES or kind.startswith("soil"):
        raise ForbiddenError(f"{kind} is never evaluated offline, so the rule would never act")
    if kind not in TIME_WINDOWS:
        _thresholds(rule)
    if "current_state_active" in rule:
        boolean(rule, "current_state_active")
    if "time_filter" in rule:
        window = _object(rule["time_filter"], "time_filter")
        boolean(window, "enabled")
        for name, high in (("start_hour", 23), ("start_minute", 59), ("end_hour", 24), ("end_minute", 59)):
            optional_integer(window, name, 0, high)
        optional_integer(window, "days_of_week_mask", 0, 127)
        if "timezone" in window:
            one_of(window, "timezone", ("UTC", "Europe/Berlin"))
