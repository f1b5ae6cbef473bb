"""Which rules watch what, so that a reading that concerns none costs next to nothing."""

from collections.abc import Iterable

from kaiser.logic.live import LiveRule
from kaiser.logic.series import Series, SeriesKey
from kaiser.logic.settling import waits
from kaiser.logic.world import World

SensorKey = tuple[str, int, str]
"""Device, pin and type."""


class Channel:
    """Series of one sensor, and the rules that look at any of them, the most important first.

    Attributes:
        address: Bus address that a reading must have; empty for any.
    """

    __slots__ = ("address", "rules", "series")

    def __init__(self, address: str, series: tuple[Series, ...], rules: tuple[LiveRule, ...]) -> None:
        self.address = address
        self.series = series
        self.rules = rules


class Index:
    """What live rules watch.

    Attributes:
        sensors: By device, pin and type.
        devices: By id.
        actuators: By device and pin.
        emergencies: Rules that ask whether a stop is in force.
        listeners: Rules that wait for something to happen.
    """

    def __init__(self, rules: Iterable[LiveRule] = (), world: World | None = None) -> None:
        self.sensors: dict[SensorKey, tuple[Channel, ...]] = {}
        self.devices: dict[str, list[LiveRule]] = {}
        self.actuators: dict[tuple[str, int], list[LiveRule]] = {}
        self.emergencies: list[LiveRule] = []
        self.listeners: list[LiveRule] = []
        watched: dict[SeriesKey, int] = {}
        by_sensor: dict[SensorKey, dict[str, list[LiveRule]]] = {}
        for rule in rules:
            self._add(rule, watched, by_sensor)
        if world is not None:
            self._fix(world, watched, by_sensor)

    def _add(
        self, rule: LiveRule, watched: dict[SeriesKey, int], by_sensor: dict[SensorKey, dict[str, list[LiveRule]]]
    ) -> None:
        needs = rule.needs
        for key, horizon in needs.series.items():
            watched[key] = max(watched.get(key, 0), horizon)
            rules = by_sensor.setdefault((key.esp_id, key.gpio, key.sensor_type), {}).setdefault(key.address, [])
            if rule not in rules:
                rules.append(rule)
        for esp_id in needs.devices:
            self.devices.setdefault(esp_id, []).append(rule)
        for actuator in needs.actuators:
            self.actuators.setdefault(actuator, []).append(rule)
        if needs.emergencies:
            self.emergencies.append(rule)
        if needs.listeners or any(waits(trigger) for trigger in rule.rule.triggers):
            self.listeners.append(rule)

    def _fix(
        self, world: World, watched: dict[SeriesKey, int], by_sensor: dict[SensorKey, dict[str, list[LiveRule]]]
    ) -> None:
        world.series = {key: world.series[key] for key in watched}
        for key, horizon in watched.items():
            world.series[key].horizon = horizon
        series_of: dict[tuple[SensorKey, str], list[Series]] = {}
        for key, series in world.series.items():
            series_of.setdefault(((key.esp_id, key.gpio, key.sensor_type), key.address), []).append(series)
        for sensor, rules_of in by_sensor.items():
            self.sensors[sensor] = tuple(
                Channel(address, tuple(series_of[sensor, address]), tuple(rules)) for address, rules in rules_of.items()
            )
