"""Rules of the monolith (wire contract, section 12), with what they meant."""

import pytest

from kaiser.contracts.events.safeguards import SensorRef
from kaiser.contracts.rules import Rule
from kaiser.logic.monolith import MonolithError, convert
from kaiser.logic.validating import SensorFact, Site, read

from .builders import ESP, SECOND
from .builders import Site as Running

SITE = Site(sensors={(ESP, 34, "moisture"): (SensorFact(),), (ESP, 4, "sht31_temp"): (SensorFact(),)})
PUMP_ON = {"type": "actuator_command", "esp_id": ESP, "gpio": 25, "command": "ON"}
DRY = {"type": "sensor_threshold", "esp_id": ESP, "gpio": 34, "sensor_type": "moisture", "operator": "<", "value": 30}


def converted(**fields):
    old = {"rule_name": "Old", "trigger_conditions": DRY, "actions": [PUMP_ON], **fields}
    done = convert(old, SITE, time_zone="Europe/Berlin")
    new = read(done.rule)
    assert isinstance(new, Rule), new
    return new, done


def test_a_threshold_rule_is_what_it_was_and_switches_off_again() -> None:
    new, done = converted(description="d", priority=10, cooldown_seconds=60, max_executions_per_hour=4, enabled=False)
    assert (new.name, new.description, new.priority, new.cooldown_s, new.most_runs_per_hour) == ("Old", "d", 10, 60, 4)
    assert new.condition.operator == "<"
    assert (new.actions[0].command, new.otherwise[0].command) == ("ON", "OFF")
    assert done.enabled is False
    assert done.notes[0].path == "actions"


def test_a_list_of_conditions_goes_by_the_rules_own_operator_and_sees_all_sensors() -> None:
    warm = {"type": "sensor", "esp_id": ESP, "gpio": 4, "operator": "between", "value": 0, "min": 10, "max": 40}
    new, done = converted(trigger_conditions=[DRY, warm], logic_operator="AND")
    assert type(new.condition).__name__ == "AllOf"
    assert done.notes[0].path == "trigger_conditions[1].sensor_type"
    site = Running()
    site.define(new)
    site.measures(20.0)
    site.measures(20.0, SensorRef(ESP, 4, "sht31_temp"))
    assert site.commands() == ["r ON 25"]
    assert converted(trigger_conditions=[DRY, warm], logic_operator="OR")[0].condition != new.condition


def test_zero_is_a_value() -> None:
    new, _ = converted(trigger_conditions={**DRY, "operator": "==", "value": 0})
    site = Running()
    site.define(new)
    site.measures(0.0)
    assert site.commands() == ["r ON 25"]


def test_a_time_rule_runs_once_in_its_window_and_switches_off_after_it() -> None:
    window = {"type": "time", "start_hour": 22, "end_hour": 24, "days_of_week": [0, 6]}
    new, _ = converted(trigger_conditions=window)
    assert (new.condition.start, new.condition.end, new.condition.days) == ("22:00", "00:00", ("mon", "sun"))
    assert new.time_zone == "Europe/Berlin"
    site = Running(now=1_777_233_600 * SECOND)  # Sunday, 2026-04-26, 20:00 UTC, 22:00 in Berlin
    site.define(new)
    site.answers("succeeded")
    site.passes(90 * 60 * SECOND)
    assert site.commands() == ["r ON 25"]
    site.passes(30 * 60 * SECOND)
    site.answers("succeeded")
    site.passes(4 * 3600 * SECOND)
    assert site.commands() == ["r ON 25", "r OFF 25"]


@pytest.mark.parametrize(
    ("old", "fields"),
    [
        ({"activate_above": 28, "deactivate_below": 24}, {"on_above": 28.0, "off_below": 24.0}),
        ({"activate_below": 18, "deactivate_above": 21}, {"on_below": 18.0, "off_above": 21.0}),
    ],
)
def test_hysteresis_works_in_both_directions(old, fields) -> None:
    new, _ = converted(
        trigger_conditions={"type": "hysteresis", "esp_id": ESP, "gpio": 34, "sensor_type": "moisture", **old}
    )
    assert {name: getattr(new.condition, name) for name in fields} == fields
    assert new.otherwise[0].command == "OFF"


def test_a_duration_has_an_end_of_its_own_and_a_level_is_a_level() -> None:
    new, _ = converted(actions=[{**PUMP_ON, "duration_seconds": 30}])
    assert (new.actions[0].duration_s, new.otherwise) == (30, ())
    new, _ = converted(actions=[{**PUMP_ON, "command": "PWM", "value": 0.4}])
    assert (new.actions[0].command, new.actions[0].level) == ("PWM", 0.4)
    new, _ = converted(actions=[{**PUMP_ON, "command": "PWM", "value": 0.0}])
    assert (new.actions[0].command, new.actions[0].level) == ("OFF", None)


def test_all_actions_are_carried_over() -> None:
    steps = [PUMP_ON, {"type": "delay", "seconds": 5}, {"action": {**PUMP_ON, "command": "off"}}]
    told = {"type": "notification", "channel": "email", "target": "a@b.example", "message_template": "dry"}
    new, done = converted(
        actions=[{"type": "sequence", "steps": steps, "abort_on_failure": False, "max_duration_seconds": 60}, told]
    )
    sequence, notify = new.actions
    assert [type(step).__name__ for step in sequence.steps] == ["Command", "Delay", "Command"]
    assert sequence.steps[0].on_failure == "go_on"
    assert (notify.channel, notify.message) == ("email", "dry")
    assert done.notes[-1].path == "actions[0].max_duration_seconds"


def test_sensors_are_written_in_lower_case_and_a_difference_has_two() -> None:
    pair = {"sensor_a": {"esp_id": ESP, "gpio": 4}, "sensor_b": {"esp_id": ESP, "gpio": 34, "sensor_type": "Moisture"}}
    new, done = converted(trigger_conditions={"type": "sensor_diff", **pair, "operator": ">", "value": 2})
    assert (new.condition.left.sensor.sensor_type, new.condition.right.sensor.sensor_type) == ("sht31_temp", "moisture")
    assert len(done.notes) == 3


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"trigger_conditions": {"type": "moon"}}, "trigger_conditions.type"),
        ({"trigger_conditions": []}, "trigger_conditions"),
        (
            {"trigger_conditions": {"type": "compound", "logic": "XOR", "conditions": [DRY]}},
            "trigger_conditions.conditions",
        ),
        ({"trigger_conditions": {**DRY, "operator": "~"}}, "trigger_conditions.operator"),
        ({"trigger_conditions": {**DRY, "value": None}}, "trigger_conditions.value"),
        ({"trigger_conditions": {"type": "sensor", "esp_id": ESP, "gpio": 9}}, "trigger_conditions.operator"),
        ({"trigger_conditions": {**DRY, "gpio": 9, "sensor_type": None}}, "trigger_conditions.sensor_type"),
        ({"trigger_conditions": {"type": "time", "start_hour": 25, "end_hour": 3}}, "trigger_conditions"),
        ({"actions": []}, "actions"),
        ({"actions": [{"type": "sing"}]}, "actions[0].type"),
        ({"actions": [{**PUMP_ON, "command": "DANCE"}]}, "actions[0].command"),
        ({"rule_name": ""}, "rule_name"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(fields, path) -> None:
    with pytest.raises(MonolithError) as refused:
        convert({"rule_name": "Old", "trigger_conditions": DRY, "actions": [PUMP_ON], **fields}, SITE, time_zone="UTC")
    assert refused.value.fault.path == path
