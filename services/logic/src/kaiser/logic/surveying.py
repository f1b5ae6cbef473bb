"""What there is to watch and to switch, learnt from what devices are to have and from what they say. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kaiser.contracts.events.equipment import Equipment
from kaiser.logic.validating import SensorFact

Sensor = tuple[str, int, str]
"""Device, pin and type."""

Row = tuple[str, int, str, str, str]
"""Device, pin, type, address and unit of a reading."""

UNMARKED: Final = ""
"""Address of a sensor whose device sends none."""


class Known(NamedTuple):
    """What one device has."""

    sensors: dict[Sensor, tuple[SensorFact, ...]]
    actuators: dict[tuple[str, int], str]


class Survey:
    """Every sensor and actuator that was configured or heard of.

    What was measured counts for more than what was ordered: whether a device sends addresses shows in its readings
    only, and so does the unit.
    """

    def __init__(self) -> None:
        self._ordered: dict[str, dict[Sensor, set[str]]] = {}
        self._measured: dict[str, dict[Sensor, dict[str, str]]] = {}
        self._rows: set[Row] = set()
        self._wanted: dict[str, dict[tuple[str, int], str]] = {}
        self._reported: dict[str, dict[tuple[str, int], str]] = {}

    def configured(self, esp_id: str, equipment: Equipment) -> None:
        """A device is to have this, and nothing else."""
        sensors: dict[Sensor, set[str]] = {}
        for each in equipment.sensors:
            address = each.onewire_address or str(each.i2c_address or "")
            sensors.setdefault((esp_id, each.gpio, each.sensor_type), set()).add(address)
        self._ordered[esp_id] = sensors
        self._wanted[esp_id] = {(esp_id, each.gpio): each.actuator_type for each in equipment.actuators}

    def measured(self, rows: Iterable[Row]) -> None:
        """Readings came; a unit that was known once stays known where a reading has none."""
        fresh = set(rows) - self._rows
        for esp_id, gpio, sensor_type, address, unit in fresh:
            units = self._measured.setdefault(esp_id, {}).setdefault((esp_id, gpio, sensor_type), {})
            if unit != units.get(address):
                self._rows.discard((esp_id, gpio, sensor_type, address, units.get(address, "")))
            units[address] = unit or units.get(address, "")
        self._rows |= fresh

    def reported(self, esp_id: str, gpio: int, actuator_type: str) -> None:
        """An actuator told its state."""
        self._reported.setdefault(esp_id, {})[esp_id, gpio] = actuator_type

    def of(self, esp_id: str) -> Known:
        """What one device has."""
        ordered, measured = self._ordered.get(esp_id, {}), self._measured.get(esp_id, {})
        sensors = {key: _facts(ordered.get(key, set()), measured.get(key, {})) for key in {*ordered, *measured}}
        return Known(sensors, self._wanted.get(esp_id, {}) | self._reported.get(esp_id, {}))


def _facts(ordered: set[str], units: Mapping[str, str]) -> tuple[SensorFact, ...]:
    silent = ordered - units.keys() - {UNMARKED} if units else ordered
    found = {**dict.fromkeys(() if UNMARKED in units else silent, ""), **units}
    return tuple(SensorFact(address, unit) for address, unit in sorted(found.items()))
