"""Whether what somebody wants to hang on a device can be there: pins, buses, addresses, limits. Pure.

Everything here is refused before it is sent, with the field that is wrong; the device would answer ``UNKNOWN_ERROR``,
or say nothing and read garbage (wire contract, sections 5.2, 6.7, 7, 8.1 and 9).
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from kaiser.contracts import boards
from kaiser.contracts.boards import Pins
from kaiser.contracts.codes import Code
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.equipment import Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.registry import Board
from kaiser.contracts.ids import is_name
from kaiser.contracts.wire.sendable.configs import ADC_TYPES, GENERIC_TYPES, MAX_NAME

I2C_ADDRESSES: Final = {"sht31": (0x44, 0x45), "bmp280": (0x76, 0x77), "bme280": (0x76, 0x77)}
"""What the chips can be strapped to, by their data sheets."""
LONGEST_INTERVAL_S: Final = 300

_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CHIP = re.compile(r"sht31|bm[pe]280")
_ROM_CODE = re.compile(r"[0-9A-Fa-f]{16}")
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f]')


class Fault(NamedTuple):
    """What is wrong with wanted equipment: a stable code, words, and the path of the field."""

    code: Code
    detail: str
    where: str


def chip(sensor: WantedSensor) -> str:
    """The I2C chip that a sensor type is read from; empty for what is on no such bus."""
    found = _CHIP.search(sensor.sensor_type)
    return found[0] if found else ("i2c" if sensor.i2c_address is not None else "")


def fault(wanted: Equipment, board: Board | None, generation: Generation) -> Fault | None:
    """The first thing that is wrong; None if it can be sent.

    Args:
        wanted: All that is to hang on the device.
        board: None for unknown, which is taken for a WROOM.
        generation: Firmware.
    """
    return next(_faults(wanted, board, generation), None)


def _faults(wanted: Equipment, board: Board | None, generation: Generation) -> Iterator[Fault]:
    pins, most = boards.pins(board, generation), boards.limits(board, generation)
    if len(wanted.sensors) > most.sensors:
        words = f"{len(wanted.sensors)} sensors, the board holds {most.sensors}"
        yield Fault(Code.VALUE_OUT_OF_RANGE, words, "sensors")
    if len(wanted.actuators) > most.actuators:
        words = f"{len(wanted.actuators)} actuators, the board holds {most.actuators}"
        yield Fault(Code.VALUE_OUT_OF_RANGE, words, "actuators")
    if wanted.offline_rules is not None and generation == "dec":
        yield Fault(Code.DOWNLINK_FORBIDDEN, "dec devices know no rules of their own", "offline_rules")
    for i, sensor in enumerate(wanted.sensors):
        yield from _sensor_faults(sensor, f"sensors[{i}]", pins, generation)
    for i, actuator in enumerate(wanted.actuators):
        yield from _actuator_faults(actuator, f"actuators[{i}]", pins)
    yield from _conflicts(wanted, generation)


def _texts(name: str, subzone_id: str, where: str) -> Iterator[Fault]:
    if not 1 <= len(name) <= MAX_NAME or _UNSAFE.search(name):
        words = f"needs 1 to {MAX_NAME} characters without quotes and backslashes, which devices send back unescaped"
        yield Fault(Code.VALUE_OUT_OF_RANGE, words, f"{where}.name")
    if subzone_id and not is_name(subzone_id):
        words = "not 1 to 32 letters, digits, underscores and hyphens"
        yield Fault(Code.VALUE_OUT_OF_RANGE, words, f"{where}.subzone_id")


def _sensor_faults(sensor: WantedSensor, where: str, pins: Pins, generation: Generation) -> Iterator[Fault]:
    yield from _texts(sensor.name, sensor.subzone_id, where)
    kind, gpio = sensor.sensor_type, sensor.gpio
    if not _TYPE.fullmatch(kind):
        words = "not a lower-case identifier of at most 32 characters"
        yield Fault(Code.INVALID_SENSOR_TYPE, words, f"{where}.sensor_type")
    elif kind in GENERIC_TYPES:
        words = f"{kind!r} means an analog pin to devices; name the sensor, such as sht31_temp"
        yield Fault(Code.INVALID_SENSOR_TYPE, words, f"{where}.sensor_type")
    if chip(sensor) and generation == "head":
        if not 0 <= gpio <= 39:
            yield Fault(Code.INVALID_GPIO_PIN, f"{gpio} is refused by the device", f"{where}.gpio")
    elif gpio not in pins.inputs:
        yield _unusable(gpio, pins.inputs, where)
    elif gpio in pins.bus:
        yield Fault(Code.GPIO_CONFLICT, f"pin {gpio} is held by the I2C bus", f"{where}.gpio")
    elif kind in ADC_TYPES and gpio not in pins.analog:
        words = f"pin {gpio} has no analog input that works while Wi-Fi is on"
        yield Fault(Code.INVALID_GPIO_PIN, words, f"{where}.gpio")
    if not 1 <= sensor.interval_s <= LONGEST_INTERVAL_S:
        words = f"{sensor.interval_s} s is outside of 1 to {LONGEST_INTERVAL_S}"
        yield Fault(Code.VALUE_OUT_OF_RANGE, words, f"{where}.interval_s")
    yield from _address_faults(sensor, where)


def _address_faults(sensor: WantedSensor, where: str) -> Iterator[Fault]:
    rom, address = sensor.onewire_address, sensor.i2c_address
    if rom and "ds18b20" not in sensor.sensor_type:
        words = f"{sensor.sensor_type} is no OneWire probe"
        yield Fault(Code.INVALID_BUS_ADDRESS, words, f"{where}.onewire_address")
    elif rom and (not _ROM_CODE.fullmatch(rom) or not int(rom, 16)):
        words = f"{rom!r} is no ROM code: 16 hexadecimal digits, as a scan of the bus gives them"
        yield Fault(Code.INVALID_BUS_ADDRESS, words, f"{where}.onewire_address")
    if address is not None:
        known = I2C_ADDRESSES.get(chip(sensor))
        if known is not None and address not in known:
            words = f"{address} is none of {', '.join(map(str, known))}, which the chip can be strapped to"
            yield Fault(Code.INVALID_BUS_ADDRESS, words, f"{where}.i2c_address")
        elif not 8 <= address <= 119:
            words = f"{address} is outside of 8 to 119, the addresses of I2C that are not reserved"
            yield Fault(Code.INVALID_BUS_ADDRESS, words, f"{where}.i2c_address")


def _actuator_faults(actuator: WantedActuator, where: str, pins: Pins) -> Iterator[Fault]:
    yield from _texts(actuator.name, actuator.subzone_id, where)
    for gpio, field in _driven(actuator):
        if gpio not in pins.outputs:
            yield _unusable(gpio, pins.outputs, where, field)
        elif gpio in pins.bus:
            yield Fault(Code.GPIO_CONFLICT, f"pin {gpio} is held by the I2C bus", f"{where}.{field}")
    if not 0 <= actuator.default_pwm <= 255:
        yield Fault(Code.VALUE_OUT_OF_RANGE, "0 to 255", f"{where}.default_pwm")
    if actuator.max_runtime_s is not None and not 1 <= actuator.max_runtime_s <= 86_400:
        yield Fault(Code.VALUE_OUT_OF_RANGE, "1 to 86,400 s", f"{where}.max_runtime_s")


def _driven(actuator: WantedActuator) -> Iterator[tuple[int, str]]:
    """Pins that an actuator drives, and the fields that say so; a valve takes the next one where none is said."""
    yield actuator.gpio, "gpio"
    if actuator.aux_gpio is not None:
        yield actuator.aux_gpio, "aux_gpio"
    elif actuator.actuator_type == "valve":
        yield actuator.gpio + 1, "gpio"


def _unusable(gpio: int, usable: frozenset[int], where: str, field: str = "gpio") -> Fault:
    words = f"pin {gpio} is reserved or unknown to the device; usable: {', '.join(map(str, sorted(usable)))}"
    return Fault(Code.INVALID_GPIO_PIN, words, f"{where}.{field}")


def _conflicts(wanted: Equipment, generation: Generation) -> Iterator[Fault]:
    """No item may push another out, nor confuse the reader of values of one chip."""
    taken: dict[int, str] = {}
    for i, actuator in enumerate(wanted.actuators):
        for gpio, field in _driven(actuator):
            where = f"actuators[{i}].{field}"
            if gpio in taken:
                yield Fault(Code.GPIO_CONFLICT, f"pin {gpio} is driven by {taken[gpio]} already", where)
            taken.setdefault(gpio, f"actuators[{i}]")
    on_pin: dict[int, list[tuple[int, WantedSensor]]] = {}
    strapped: dict[tuple[str, int], int] = {}
    for i, sensor in enumerate(wanted.sensors):
        where = f"sensors[{i}].gpio"
        numbered = chip(sensor) and generation == "head"
        if sensor.gpio in taken and not numbered:
            yield Fault(Code.GPIO_CONFLICT, f"pin {sensor.gpio} is driven by {taken[sensor.gpio]}", where)
        for j, other in on_pin.setdefault(sensor.gpio, []):
            if words := _clash(sensor, other, generation):
                yield Fault(Code.GPIO_CONFLICT, f"{words} (sensors[{j}])", where)
        on_pin[sensor.gpio].append((i, sensor))
        if (address := sensor.i2c_address) is not None:
            place = (chip(sensor).replace("bme", "bmp"), address)
            if strapped.setdefault(place, sensor.gpio) != sensor.gpio:
                words = f"two chips at address {address}"
                yield Fault(Code.INVALID_BUS_ADDRESS, words, f"sensors[{i}].i2c_address")


def _clash(one: WantedSensor, other: WantedSensor, generation: Generation) -> str:
    """Why two sensors cannot share a pin; empty if they can."""
    if generation == "dec":
        return f"dec holds one sensor a pin, and would replace the other on {one.gpio}"
    probes = bool(one.onewire_address and other.onewire_address)
    if chip(one) and chip(other):
        if (chip(one), one.i2c_address) != (chip(other), other.i2c_address):
            return f"two I2C chips numbered {one.gpio}: the second is never read"
        return "one sensor twice" if one.sensor_type == other.sensor_type else ""
    if probes:
        return "one probe twice" if one.onewire_address == other.onewire_address else ""
    return f"two sensors on pin {one.gpio}"


def keys(equipment: Equipment) -> set[tuple[str, int, str, str]]:
    """What tells items apart on a device: kind, pin, type and address; of an actuator the pin alone."""
    sensors = (
        ("sensor", s.gpio, s.sensor_type, s.onewire_address or str(s.i2c_address or "")) for s in equipment.sensors
    )
    return set(chain(sensors, (("actuator", a.gpio, "", "") for a in equipment.actuators)))


def without(equipment: Equipment, others: Equipment) -> Equipment:
    """The items of one that are not in the other, however they are set up."""
    gone = keys(others)
    return Equipment(
        sensors=[s for s in equipment.sensors if not keys(Equipment(sensors=[s])) & gone],
        actuators=[a for a in equipment.actuators if not keys(Equipment(actuators=[a])) & gone],
    )
