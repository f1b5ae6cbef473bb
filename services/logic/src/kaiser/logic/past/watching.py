"""What of the past rules look at, so that nothing else is read. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.rules import RanTrigger, Rule, RuleRan, SwitchRule
from kaiser.logic.conditions import Evaluator
from kaiser.logic.index import SensorKey
from kaiser.logic.live import LiveRule
from kaiser.logic.settling import waits
from kaiser.logic.state import ActuatorKey
from kaiser.logic.times import SECOND
from kaiser.logic.walking import actions, conditions
from kaiser.logic.world import World

LEAST_LOOK_BACK: Final = 3600 * SECOND
MOST_LOOK_BACK: Final = 8 * 86_400 * SECOND


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What some rules look at.

    Attributes:
        sensors: By device, pin and type; with the addresses that are asked for, where they are.
        devices: Whether they are there.
        actuators: What they report.
        listens: Whether anything that happens may be of interest.
        look_back: How long before its start a trial has to look, so that it knows then what it would, microseconds.
    """

    sensors: dict[SensorKey, frozenset[str]] = {}
    devices: frozenset[str] = frozenset()
    actuators: frozenset[ActuatorKey] = frozenset()
    listens: bool = False
    look_back: int = LEAST_LOOK_BACK

    def concerns(self, batch: Readings) -> int:
        """How many readings of a batch are of sensors that are looked at."""
        sensors = self.sensors
        if len(batch.esp_id) == 1:
            return (batch.esp_id[0], batch.gpio[0], batch.sensor_type[0]) in sensors
        return sum(key in sensors for key in zip(batch.esp_id, batch.gpio, batch.sensor_type, strict=True))


def watch_of(rules: Iterable[Rule], plugins: Mapping[str, Evaluator] | None = None) -> Watch:
    """What rules look at.

    Args:
        rules: Checked ones.
        plugins: Conditions of others.

    Raises:
        ConditionError: One cannot be evaluated.
    """
    sensors: dict[SensorKey, frozenset[str]] = {}
    devices: set[str] = set()
    actuators: set[ActuatorKey] = set()
    listens, look_back = False, LEAST_LOOK_BACK
    for rule in rules:
        needs = LiveRule("watched", 1, rule, World(), plugins or {}).needs
        for key, horizon in needs.series.items():
            sensor = (key.esp_id, key.gpio, key.sensor_type)
            sensors[sensor] = sensors.get(sensor, frozenset()) | {key.address}
            look_back = max(look_back, horizon + key.patience)
        devices |= needs.devices
        actuators |= needs.actuators
        listens = listens or bool(needs.listeners) or any(waits(trigger) for trigger in rule.triggers)
        longest = max((_longest(condition) for _, condition in conditions(rule)), default=0)
        look_back = max(look_back, longest * SECOND)
    return Watch(
        sensors=sensors,
        devices=frozenset(devices),
        actuators=frozenset(actuators),
        listens=listens,
        look_back=min(look_back, MOST_LOOK_BACK),
    )


def others(rule: Rule) -> Iterator[str]:
    """Rules that this one waits for or switches, by id."""
    yield from (trigger.rule for trigger in rule.triggers if isinstance(trigger, RanTrigger))
    yield from (condition.rule for _, condition in conditions(rule) if isinstance(condition, RuleRan))
    yield from (action.rule for _, action in actions(rule) if isinstance(action, SwitchRule))


def _longest(condition: Any) -> int:  # any kind of condition
    """The longest span of time in a condition, seconds; their fields end in ``_s``."""
    spans = [getattr(condition, name) for name in condition.__struct_fields__ if name.endswith("_s")]
    return max((int(span) for span in spans if isinstance(span, int | float)), default=0)
