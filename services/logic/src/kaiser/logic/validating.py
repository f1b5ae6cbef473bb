"""What is wrong with a rule, and where. Pure: what there is on the site is given."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import Seen
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import (
    Action,
    ActuatorIs,
    Alarm,
    Command,
    Compare,
    Condition,
    Difference,
    EventTrigger,
    Happened,
    Hysteresis,
    Notify,
    QualityAtLeast,
    Ramp,
    RanTrigger,
    RateOfChange,
    Rule,
    RuleRan,
    Silent,
    SwitchRule,
    Window,
)
from kaiser.logic import walking
from kaiser.logic.conditions import EVALUATORS, ConditionError, Evaluator, Look, Needs, Truth
from kaiser.logic.cycles import cycles
from kaiser.logic.delivering.mail import address_of
from kaiser.logic.live import LiveRule
from kaiser.logic.world import World

MOST_LEVELS: Final = 40
"""Of what is within what, in the JSON of a rule; some twenty conditions or actions, one within the other."""
MOST_CONDITIONS: Final = 500
"""Of one rule, which are all looked at with each reading of any of its sensors."""

OF_SENSOR: Final = (Compare, Hysteresis, RateOfChange, Window, Silent, QualityAtLeast)

OF_DEVICE: Final = frozenset({"discovered", "lost", "returned", "restarted"})
"""Happenings that have no pin."""

_PLACE = re.compile(r"^(?P<words>.*?)(?: - at `(?P<key>key in )?\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


class SensorFact(msgspec.Struct, frozen=True):
    """A sensor that there is: its bus address and its unit, empty where it has none or nobody knows."""

    address: str = ""
    unit: str = ""


class Site(msgspec.Struct, kw_only=True, frozen=True):
    """What there is to watch and to switch.

    Attributes:
        sensors: By device, pin and type; None where that is not known, and nothing is checked.
        actuators: Type by device and pin, empty for unknown; None where that is not known.
        rules: All others, live or not, by id.
        webhooks: Names of those that are set; None where that is not known.
    """

    sensors: Mapping[tuple[str, int, str], tuple[SensorFact, ...]] | None = None
    actuators: Mapping[tuple[str, int], str] | None = None
    rules: Mapping[str, Rule] = {}
    webhooks: frozenset[str] | None = None


def read(value: Any) -> Rule | Fault:  # JSON values
    """A rule from JSON values, or what is wrong with its shape."""
    deep = _too_deep(value)
    if deep is not None:
        return Fault(path=deep, code=Code.RULE_INVALID, detail=f"{MOST_LEVELS} levels within each other are allowed")
    try:
        return msgspec.convert(value, Rule)
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        assert found is not None
        return Fault(path=found["path"] or "", code=Code.RULE_INVALID, detail=found["words"])


def _too_deep(value: Any) -> str | None:  # JSON values
    """Path of something that is too far within; evaluation, and much before it, goes down into it recursively."""
    level = [("", value)]
    for _ in range(MOST_LEVELS):
        level = [each for path, outer in level for each in _inner(path, outer)]
    return level[0][0] if level else None


def _inner(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{path}.{key}" if path else str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"{path}[{i}]", inner) for i, inner in enumerate(value))


def check(rule_id: str, rule: Rule, site: Site, plugins: Mapping[str, Evaluator] | None = None) -> list[Fault]:
    """Everything that is wrong with a rule; errors keep it from being defined, warnings do not."""
    faults = [*_whole(rule), *_evaluable(rule, plugins or {})]
    for path, condition in walking.conditions(rule):
        faults += _watches(path, condition, site)
    for i, trigger in enumerate(rule.triggers):
        if isinstance(trigger, EventTrigger):
            faults += _happens(f"triggers[{i}]", trigger)
    for path, action in walking.actions(rule):
        faults += _does(path, action, site)
    faults += _refers(rule_id, rule, site)
    faults += cycles(rule_id, rule, site.rules)
    if not any(fault.weight == "error" for fault in faults):
        faults += _compiles(rule_id, rule, plugins or {})
    return faults


def _whole(rule: Rule) -> Iterator[Fault]:
    if rule.condition is None and not rule.triggers:
        yield _fault("condition", Code.RULE_INVALID, "a rule needs a condition or a trigger")
    count = sum(1 for _ in walking.conditions(rule))
    if count > MOST_CONDITIONS:
        yield _fault("condition", Code.RULE_INVALID, f"these are {count} conditions, {MOST_CONDITIONS} are allowed")
    if rule.triggers and rule.again_s is not None:
        yield _fault("again_s", Code.RULE_INVALID, "only a rule that goes by its condition runs again by itself")
    if rule.triggers or rule.otherwise:
        return
    for path, action in walking.actions(rule):
        if isinstance(action, Command) and action.command in {"ON", "PWM"} and action.level != 0:
            ends = action.duration_s or _switches_off(rule, action.actuator)
            if not ends:
                words = "nothing in this rule switches it off again: give a duration, or say what to do otherwise"
                yield _fault(path, Code.RULE_INVALID, words, weight="warning")


def _switches_off(rule: Rule, actuator: ActuatorRef) -> bool:
    return any(
        isinstance(action, Command) and action.actuator == actuator and action.command == "OFF"
        for _, action in walking.actions(rule)
    )


class _Nothing:
    """A part that is looked at by itself, in place of one within another."""

    def truth(self, _: Look) -> Truth:
        return None

    def seen(self, _: Look) -> Seen:
        return Seen(kind="", truth=None)


def _evaluable(rule: Rule, plugins: Mapping[str, Evaluator]) -> Iterator[Fault]:
    needs = Needs(World(), time_zone=rule.time_zone, place=rule.place, plugins=plugins)
    for path, condition in walking.conditions(rule):
        try:
            EVALUATORS[type(condition)](condition, needs, lambda _, __: _Nothing())
        except ConditionError as error:
            yield _fault(f"{path}.{error.where}" if error.where else path, error.code, str(error))


def _compiles(rule_id: str, rule: Rule, plugins: Mapping[str, Evaluator]) -> Iterator[Fault]:
    try:
        LiveRule(rule_id, 1, rule, World(), plugins)
    except ConditionError as error:
        yield _fault(error.where, error.code, str(error))


def _watches(path: str, condition: Condition, site: Site) -> Iterator[Fault]:
    if isinstance(condition, OF_SENSOR):
        unit = getattr(condition, "unit", "")
        yield from _sensor(f"{path}.sensor", condition.sensor, unit, site)
    elif isinstance(condition, Difference):
        yield from _sensor(f"{path}.left.sensor", condition.left.sensor, condition.left.unit, site)
        yield from _sensor(f"{path}.right.sensor", condition.right.sensor, condition.right.unit, site)
        units = {condition.left.unit, condition.right.unit} - {""}
        if len(units) > 1:
            yield _fault(f"{path}.right.unit", Code.UNIT_MISMATCH, f"{condition.left.unit} less {condition.right.unit}")
    elif isinstance(condition, ActuatorIs):
        yield from _actuator(f"{path}.actuator", condition.actuator, site)
        if condition.level and condition.state != "at_least":
            yield _fault(f"{path}.level", Code.RULE_INVALID, f"{condition.state} takes no level; at_least does")
    elif isinstance(condition, Happened):
        yield from _happens(path, condition)
    if isinstance(condition, Window) and condition.aggregate == "count" and condition.unit:
        yield _fault(f"{path}.unit", Code.UNIT_MISMATCH, "a count has no unit")


def _happens(path: str, wanted: Happened | EventTrigger) -> Iterator[Fault]:
    """What is narrowed down by what such an event does not have never happens."""
    if wanted.alert is not None and wanted.event != "alert":
        yield _fault(f"{path}.alert", Code.CONDITION_IMPOSSIBLE, f"{wanted.event} is no alert, and of no kind")
    if wanted.gpio is not None and wanted.event in OF_DEVICE:
        yield _fault(f"{path}.gpio", Code.CONDITION_IMPOSSIBLE, f"{wanted.event} is of a device, and of no pin")


def _sensor(path: str, sensor: SensorRef, unit: str, site: Site) -> Iterator[Fault]:
    if site.sensors is None:
        return
    name = f"{sensor.esp_id}/{sensor.gpio}/{sensor.sensor_type}"
    found = [
        fact
        for fact in site.sensors.get((sensor.esp_id, sensor.gpio, sensor.sensor_type), ())
        if sensor.address in {"", fact.address}
    ]
    if not found:
        yield _fault(path, Code.SENSOR_NOT_FOUND, f"there is no sensor {name}{_at(sensor)}")
        return
    if len(found) > 1:
        words = f"{name} is several: {', '.join(fact.address for fact in found)}; give an address"
        yield _fault(path, Code.SENSOR_AMBIGUOUS, words)
    units = {fact.unit for fact in found} - {""}
    if unit and units and unit not in units:
        yield _fault(f"{path.rpartition('.')[0]}.unit", Code.UNIT_MISMATCH, f"{name} measures in {', '.join(units)}")


def _actuator(path: str, actuator: ActuatorRef, site: Site) -> Iterator[Fault]:
    if site.actuators is not None and (actuator.esp_id, actuator.gpio) not in site.actuators:
        yield _fault(path, Code.ACTUATOR_NOT_FOUND, f"there is no actuator {actuator.esp_id}/{actuator.gpio}")


def _does(path: str, action: Action, site: Site) -> Iterator[Fault]:
    if isinstance(action, Command | Ramp):
        yield from _actuator(f"{path}.actuator", action.actuator, site)
        kind = (site.actuators or {}).get((action.actuator.esp_id, action.actuator.gpio), "")
        levels = isinstance(action, Ramp) or action.command == "PWM"
        if levels and kind in {"pump", "relay"}:
            yield _fault(path, Code.COMMAND_NOT_FOR_TYPE, f"a {kind} is on or off, and knows no level")
    if isinstance(action, Command):
        if action.command == "PWM" and action.level is None:
            yield _fault(f"{path}.level", Code.RULE_INVALID, "PWM needs a level")
        if action.command != "PWM" and action.level is not None:
            yield _fault(f"{path}.level", Code.RULE_INVALID, f"{action.command} takes no level")
        if action.command in {"OFF", "TOGGLE"} and action.duration_s:
            yield _fault(f"{path}.duration_s", Code.RULE_INVALID, f"{action.command} takes no duration")
    elif isinstance(action, Notify):
        yield from _tells(f"{path}.target", action, site)
    elif isinstance(action, Alarm) and action.do == "raise" and not action.message:
        yield _fault(f"{path}.message", Code.RULE_INVALID, "an alarm needs a message")


def _tells(path: str, action: Notify, site: Site) -> Iterator[Fault]:
    if action.channel == "websocket":
        return
    if not action.target:
        yield _fault(path, Code.RULE_INVALID, f"{action.channel} needs a target")
    elif action.channel == "email":
        try:
            address_of(action.target)
        except ValueError as error:
            yield _fault(path, Code.RULE_INVALID, f"{action.target!r} is no e-mail address: {error}")
    elif site.webhooks is not None and action.target not in site.webhooks:
        words = f"no webhook {action.target!r} is set; what it is to be told becomes a dead letter"
        yield _fault(path, Code.RULE_INVALID, words, weight="warning")


def _refers(rule_id: str, rule: Rule, site: Site) -> Iterator[Fault]:
    named = [(f"{path}.rule", each.rule) for path, each in walking.actions(rule) if isinstance(each, SwitchRule)]
    named += [(f"{path}.rule", each.rule) for path, each in walking.conditions(rule) if isinstance(each, RuleRan)]
    named += [
        (f"triggers[{i}].rule", each.rule) for i, each in enumerate(rule.triggers) if isinstance(each, RanTrigger)
    ]
    for path, other in named:
        if other != rule_id and other not in site.rules:
            yield _fault(path, Code.RULE_NOT_FOUND, f"there is no rule {other}")


def _at(sensor: SensorRef) -> str:
    return f" at address {sensor.address}" if sensor.address else ""


def _fault(path: str, code: str, detail: str, weight: Any = "error") -> Fault:  # one of two words
    return Fault(path=path, code=code, detail=detail, weight=weight)
