"""What is wrong with a rule, and where; and rules as YAML."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import (
    ActuatorIs,
    AllOf,
    AtLeast,
    Choose,
    Command,
    Compare,
    CronMatches,
    CronTrigger,
    DuringHours,
    EventTrigger,
    Happened,
    Hysteresis,
    Not,
    Notify,
    Option,
    Plugin,
    RanTrigger,
    Rule,
    RuleRan,
    Sun,
    SwitchRule,
    WaitUntil,
    Window,
)
from kaiser.logic import texts
from kaiser.logic.validating import SensorFact, Site, check, read

from .builders import AIR, ESP, FAN, OFF, ON, PUMP, SOIL, above, below, rule
from .greenhouse import RULES

SITE = Site(
    sensors={
        (ESP, 34, "moisture"): (SensorFact(unit="%"),),
        (ESP, 4, "ds18b20"): (SensorFact("28aa"), SensorFact("28bb")),
    },
    actuators={(ESP, 25): "pump", (ESP, 26): "pwm"},
)
SOUND = {"actions": (ON,), "otherwise": (OFF,)}
COUNT = Window(sensor=SOIL, aggregate="count", over_s=9, operator="<", value=1.0, unit="%")
NEVER = CronTrigger(expression="0 0 31 2 *")
BLANK = Compare(sensor=SOIL, operator=">")


def faults(tried, site=SITE, rule_id="r"):
    return [(fault.path, fault.code) for fault in check(rule_id, tried, site) if fault.weight == "error"]


def test_a_sound_rule_has_no_faults() -> None:
    assert check("r", rule(below(30.0, unit="%"), **SOUND), SITE) == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"name": "x", "actions": [{"kind": "delay", "for_s": 0}]}, "actions[0].for_s"),
        ({"name": "x", "actions": [{"kind": "dealy"}]}, "actions[0].kind"),
        ({"name": "x", "actions": []}, "actions"),
        ({"name": "x"}, ""),
        ({"name": "x", "actions": [{"kind": "delay", "for_s": 1}], "prio": 1}, ""),
        (
            {
                "name": "x",
                "condition": {"kind": "all", "conditions": [{"kind": "hours", "start": "25:00", "end": "06:00"}]},
                "actions": [{"kind": "delay", "for_s": 1}],
            },
            "condition.conditions[0].start",
        ),
        ([], ""),
    ],
)
def test_a_wrong_shape_is_refused_where_it_is_wrong(value, path) -> None:
    found = read(value)
    assert isinstance(found, Fault)
    assert (found.path, found.code) == (path, "RULE_INVALID")


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        (rule(None, **SOUND), ("condition", "RULE_INVALID")),
        (rule(AllOf(conditions=(below(1.0, AIR),)), **SOUND), ("condition.conditions[0].sensor", "SENSOR_AMBIGUOUS")),
        (rule(below(1.0, unit="°C"), **SOUND), ("condition.unit", "UNIT_MISMATCH")),
        (rule(Not(condition=BLANK), **SOUND), ("condition.condition.value", "RULE_INVALID")),
        (
            rule(Compare(sensor=SOIL, operator="between", low=5.0, high=1.0), **SOUND),
            ("condition.low", "CONDITION_IMPOSSIBLE"),
        ),
        (
            rule(Hysteresis(sensor=SOIL, on_below=45.0, off_above=30.0), **SOUND),
            ("condition.off_above", "CONDITION_IMPOSSIBLE"),
        ),
        (rule(Hysteresis(sensor=SOIL, on_below=45.0), **SOUND), ("condition", "RULE_INVALID")),
        (
            rule(AtLeast(count=3, conditions=(below(1.0), above(2.0))), **SOUND),
            ("condition.count", "CONDITION_IMPOSSIBLE"),
        ),
        (rule(DuringHours(start="10:00", end="12:00", days=()), **SOUND), ("condition.days", "CONDITION_IMPOSSIBLE")),
        (
            rule(DuringHours(start="10:00", end="12:00", time_zone="Mars/Base"), **SOUND),
            ("condition.time_zone", "TIME_ZONE_UNKNOWN"),
        ),
        (rule(CronMatches(expression="61 * * * *"), **SOUND), ("condition.expression", "SCHEDULE_INVALID")),
        (rule(Sun(phase="day"), **SOUND), ("condition.place", "PLACE_MISSING")),
        (rule(Plugin(name="nobody"), **SOUND), ("condition.name", "PLUGIN_UNKNOWN")),
        (rule(None, triggers=(NEVER,), **SOUND), ("triggers[0].expression", "SCHEDULE_INVALID")),
        (rule(below(1.0), (Command(actuator=FAN, command="PWM"),)), ("actions[0].level", "RULE_INVALID")),
        (rule(below(1.0), (Command(actuator=PUMP, command="PWM", level=0.5),)), ("actions[0]", "COMMAND_NOT_FOR_TYPE")),
        (
            rule(below(1.0), (Choose(options=(Option(when=above(1.0, AIR), do=ON),)),)),
            ("actions[0].options[0].when.sensor", "SENSOR_AMBIGUOUS"),
        ),
        (
            rule(below(1.0), (WaitUntil(condition=Sun(phase="day"), timeout_s=5),)),
            ("actions[0].condition.place", "PLACE_MISSING"),
        ),
        (rule(below(1.0), (Notify(channel="email", message="x"),)), ("actions[0].target", "RULE_INVALID")),
        (
            rule(below(1.0), (Notify(channel="email", target="eva", message="x"),)),
            ("actions[0].target", "RULE_INVALID"),
        ),
        (rule(Happened(event="lost", alert="drift"), **SOUND), ("condition.alert", "CONDITION_IMPOSSIBLE")),
        (
            rule(Not(condition=Happened(event="lost", gpio=4)), **SOUND),
            ("condition.condition.gpio", "CONDITION_IMPOSSIBLE"),
        ),
        (rule(None, triggers=(EventTrigger(event="returned", gpio=4),)), ("triggers[0].gpio", "CONDITION_IMPOSSIBLE")),
        (rule(ActuatorIs(actuator=PUMP, state="on", level=0.5), **SOUND), ("condition.level", "RULE_INVALID")),
        (rule(below(1.0), (SwitchRule(rule="nobody", enabled=True),)), ("actions[0].rule", "RULE_NOT_FOUND")),
        (rule(None, triggers=(RanTrigger(rule="nobody"),), **SOUND), ("triggers[0].rule", "RULE_NOT_FOUND")),
        (rule(COUNT, **SOUND), ("condition.unit", "UNIT_MISMATCH")),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_where_it_stands(tried, expected) -> None:
    assert expected in faults(tried)


def test_an_unknown_sensor_and_an_unknown_actuator_are_named() -> None:
    tried = rule(below(1.0), (ON,), otherwise=(OFF,))
    assert faults(tried, Site(sensors={}, actuators={})) == [
        ("condition.sensor", "SENSOR_NOT_FOUND"),
        ("actions[0].actuator", "ACTUATOR_NOT_FOUND"),
        ("otherwise[0].actuator", "ACTUATOR_NOT_FOUND"),
    ]
    assert faults(tried, Site()) == []  # where nobody knows what there is, nothing is said about it


def test_what_nothing_switches_off_again_is_warned_of() -> None:
    (warning,) = check("r", rule(below(30.0)), SITE)
    assert (warning.path, warning.weight) == ("actions[0]", "warning")


def test_rules_that_would_set_each_other_off_are_an_error_and_through_an_actuator_a_warning() -> None:
    by_run = rule(None, triggers=(RanTrigger(rule="a"),), **SOUND)
    tried = rule(RuleRan(rule="b"), **SOUND)
    assert faults(tried, Site(rules={"b": by_run}), "a") == [("", "RULE_CYCLE")]
    by_state = rule(ActuatorIs(actuator=PUMP, state="on"), (Command(actuator=FAN, command="ON", duration_s=5),))
    back = rule(ActuatorIs(actuator=FAN, state="on"), **SOUND)
    (fault,) = check("a", back, Site(rules={"b": by_state}))
    assert (fault.code, fault.weight) == ("RULE_CYCLE", "warning")
    assert fault.detail == "a sets off b sets off a through the state of an actuator"


def test_a_rule_may_watch_what_it_switches() -> None:
    assert check("r", rule(ActuatorIs(actuator=PUMP, state="on", for_s=60), (OFF,)), Site()) == []


def test_rules_as_yaml_come_back_as_they_were() -> None:
    text = texts.dump(RULES)
    assert {rule_id: read(value) for rule_id, value in texts.load(text).items()} == RULES
    assert "lateness_s" not in text  # what is as it would be anyway is left out


def test_people_may_write_on_and_times_without_quotes() -> None:
    text = """
rules:
  lamp:
    name: Lamp
    condition: {kind: hours, start: 22:00, end: 06:30, days: [mon, sun]}
    actions:
      - {kind: command, actuator: {esp_id: ESP_0A1B2C, gpio: 25}, command: ON}
"""
    found = read(texts.load(text)["lamp"])
    assert isinstance(found, Rule)
    assert found.condition == DuringHours(start="22:00", end="06:30", days=("mon", "sun"))
    assert found.actions[0].command == "ON"


@pytest.mark.parametrize(
    "text",
    [
        "rules: {a: &x {name: y}, b: *x}",
        "rules: {a: {name: x, name: y}}",
        "rules: {a: {name: x}, a: {name: y}}",
        "rules: [",
        "",
        "- 1",
        "rules: {a: 1}",
        "rules: {a: {name: x, hold_s: 1e999}}",
        "rules: {a: {name: x, hold_s: !!float .nan}}",
        "rules: " + "[" * 5000,
        "rules: !!python/object/apply:os.system [ls]",
    ],
)
def test_yaml_that_could_mean_something_else_is_refused(text) -> None:
    with pytest.raises(texts.TextError):
        texts.load(text)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text) -> None:
    with contextlib.suppress(texts.TextError):
        assert isinstance(texts.load(text), dict)


@pytest.mark.parametrize("depth", [50, 5000])
def test_conditions_that_are_too_far_within_each_other_are_refused_with_their_place(depth) -> None:
    condition = {"kind": "event", "event": "lost"}
    for _ in range(depth):
        condition = {"kind": "not", "condition": condition}
    fault = read({"name": "Deep", "condition": condition, "actions": [{"kind": "alarm", "do": "clear", "name": "a"}]})
    assert isinstance(fault, Fault)
    assert fault.path.startswith("condition.condition.condition")
    assert fault.code == "RULE_INVALID"


def test_more_conditions_than_can_be_looked_at_with_each_reading_are_refused() -> None:
    wide = AllOf(conditions=(AllOf(conditions=(below(30.0),) * 50),) * 10)
    assert faults(rule(wide, **SOUND)) == [("condition", "RULE_INVALID")]


def test_a_webhook_that_is_not_set_is_a_warning_with_its_place() -> None:
    tried = rule(below(30.0), (Notify(channel="webhook", target="pager", message="x"),))
    assert check("r", tried, SITE) == []
    (fault,) = check("r", tried, msgspec.structs.replace(SITE, webhooks=frozenset({"office"})))
    assert (fault.path, fault.weight) == ("actions[0].target", "warning")
    assert check("r", tried, msgspec.structs.replace(SITE, webhooks=frozenset({"pager"}))) == []
