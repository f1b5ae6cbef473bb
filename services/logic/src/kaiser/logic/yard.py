"""What safety would look at in the past: limits, stops and interlocks in force, and what those actuators were doing."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.registry import ZoneOrdered, ZoneSettled
from kaiser.contracts.events.safeguards import (
    DEFAULT_LIMITS,
    ActuatorRef,
    AtMost,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    Limits,
    LimitsSet,
    OnlyWhile,
    PowerBudget,
    Rule,
    Scope,
    SensorBand,
    SensorRef,
)
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.wire import ActuatorStatus
from kaiser.logic.state import ActuatorKey
from kaiser.logic.world import ON, level_of

SensorKey = tuple[str, int, str]

SAFEGUARDS: Final[tuple[type[Any], ...]] = (
    LimitsSet,
    InterlockSet,
    InterlockRemoved,
    EmergencyRequested,
    EmergencyReleased,
    ZoneOrdered,
    ZoneSettled,
)
"""Types of the events that it follows, beside reports and readings."""


class Output(msgspec.Struct):
    """An actuator.

    Attributes:
        level: None where it is not known.
        since: Since when it is on; 0 while it is not.
        off_since: Since when it is off; 0 where that is not known.
        starts: When it was started, oldest first.
        runs: From when to when it was on, oldest first.
    """

    level: float | None = None
    since: int = 0
    off_since: int = 0
    starts: list[int] = []
    runs: list[tuple[int, int]] = []

    def turn(self, level: float | None, at: int) -> None:
        """It is at another level from now on."""
        on = level is not None and level > ON
        if on and not self.since:
            self.since = at
            self.starts.append(at)
        elif not on and self.since:
            self.runs.append((self.since, at))
            self.since, self.off_since = 0, at
        self.level = level


class Measured(msgspec.Struct, frozen=True):
    """The last reading of a sensor with a value."""

    value: float
    at: int


class Yard:
    """All of it, changed by events only.

    Attributes:
        outputs: Actuators.
        latches: Emergency stops in force, by id.
        measured: Sensors that bands are about.
        interlocks: By id.
        bands: Sensors that interlocks in force look at.
    """

    def __init__(self) -> None:
        self.outputs: dict[ActuatorKey, Output] = {}
        self.latches: dict[str, Scope] = {}
        self.measured: dict[SensorKey, Measured] = {}
        self.interlocks: dict[str, Rule] = {}
        self.bands: frozenset[SensorKey] = frozenset()
        self._limits: dict[ActuatorKey, Limits] = {}
        self._zones: dict[str, frozenset[str]] = {}

    def limits(self, key: ActuatorKey) -> Limits:
        """What an actuator may do."""
        return self._limits.get(key, DEFAULT_LIMITS)

    def output(self, key: ActuatorKey) -> Output:
        """An actuator, known or not."""
        return self.outputs.setdefault(key, Output())

    def take(self, event: object) -> None:
        """Take in an event; those that it does not follow change nothing."""
        match event:
            case LimitsSet(esp_id=esp_id, gpio=gpio, limits=limits):
                self._limits[esp_id, gpio] = limits or DEFAULT_LIMITS
            case EmergencyRequested(emergency_id=emergency_id, scope=scope):
                self.latches[emergency_id] = scope
            case EmergencyReleased(emergency_id=emergency_id):
                self.latches.pop(emergency_id, None)
            case InterlockSet(interlock_id=interlock_id, rule=rule):
                self.interlocks[interlock_id] = rule
                self._note_bands()
            case InterlockRemoved(interlock_id=interlock_id):
                self.interlocks.pop(interlock_id, None)
                self._note_bands()
            case ZoneOrdered(esp_id=esp_id, zone_id=zone_id):
                self._zones[esp_id] = self._zones.get(esp_id, frozenset()) | {zone_id}
            case ZoneSettled(esp_id=esp_id, zone_id=zone_id, outcome="confirmed"):
                self._zones[esp_id] = frozenset({zone_id})
            case Readings():
                self._measure(event)
            case DeviceSaid(message=ActuatorStatus() as status):
                self.output((event.esp_id, status.gpio)).turn(level_of(status), event.received_at)

    def zones(self, esp_id: str) -> frozenset[str]:
        """Zones that a device may be in; none where nobody ordered it into one."""
        return self._zones.get(esp_id, frozenset()) - {""}

    def covered(self, key: ActuatorKey) -> bool:
        """Whether a stop may cover an actuator. Which kaiser id its device used is not known here."""
        zones = self.zones(key[0])
        return any(
            scope.kind == "kaiser"
            or (scope.kind == "zone" and not zones)
            or scope.covers(kaiser_id="", zones=zones, esp_id=key[0], gpio=key[1])
            for scope in self.latches.values()
        )

    def rules_of(self, key: ActuatorKey) -> Iterator[tuple[str, Rule]]:
        """Interlocks that restrict an actuator."""
        for interlock_id, rule in sorted(self.interlocks.items()):
            if restricts(rule, key, self.zones(key[0])):
                yield interlock_id, rule

    def in_zone(self, zone_id: str) -> Iterator[ActuatorKey]:
        """Actuators of a zone that draw power."""
        return (key for key, limits in sorted(self._limits.items()) if limits.power_w and zone_id in self.zones(key[0]))

    def looks_at(self, keys: Iterable[ActuatorKey]) -> tuple[frozenset[ActuatorKey], frozenset[SensorKey]]:
        """Other actuators, and sensors, that safety looks at when some actuators are commanded.

        Args:
            keys: Of those that are commanded.
        """
        commanded = frozenset(keys)
        actuators: set[ActuatorKey] = set()
        sensors: set[SensorKey] = set()
        for rule in (rule for key in commanded for _, rule in self.rules_of(key)):
            match rule:
                case AtMost(actuators=group):
                    actuators.update(_key(ref) for ref in group)
                case OnlyWhile(requires=requires):
                    actuators.add(_key(requires))
                case PowerBudget(zone_id=zone_id):
                    actuators.update(self.in_zone(zone_id))
                case SensorBand(sensor=sensor):
                    sensors.add(sensor_key(sensor))
        return frozenset(actuators - commanded), frozenset(sensors)

    def _note_bands(self) -> None:
        bands = (rule for rule in self.interlocks.values() if isinstance(rule, SensorBand))
        self.bands = frozenset(sensor_key(rule.sensor) for rule in bands)

    def _measure(self, batch: Readings) -> None:
        if not self.bands:
            return
        for i, key in enumerate(zip(batch.esp_id, batch.gpio, batch.sensor_type, strict=True)):
            value, at = batch.value[i], min(batch.measured_at[i], batch.received_at[i])
            if key in self.bands and value is not None and not batch.pending[i]:
                known = self.measured.get(key)
                if known is None or at >= known.at:
                    self.measured[key] = Measured(value, at)


def restricts(rule: Rule, key: ActuatorKey, zones: frozenset[str]) -> bool:
    """Whether an interlock restricts an actuator."""
    match rule:
        case AtMost(actuators=group):
            return any(_key(ref) == key for ref in group)
        case OnlyWhile(actuator=actuator) | SensorBand(actuator=actuator):
            return _key(actuator) == key
        case PowerBudget(zone_id=zone_id):
            return zone_id in zones


def sensor_key(sensor: SensorRef) -> SensorKey:
    """A sensor by device, pin and type."""
    return sensor.esp_id, sensor.gpio, sensor.sensor_type


def _key(ref: ActuatorRef) -> ActuatorKey:
    return ref.esp_id, ref.gpio
