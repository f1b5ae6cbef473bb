"""Rules on the past: a recorded day of a greenhouse, and what another version would have done otherwise."""

from collections import Counter

import pytest
from msgspec.structs import replace

from kaiser.contracts.events.logic import AlarmRaised, RunStarted
from kaiser.contracts.events.safeguards import EmergencyRequested, Hours, Limits, LimitsSet, Scope
from kaiser.contracts.rules import AllOf, Command, CronTrigger, Delay
from kaiser.logic.backtest import Trial, backtest, what_if
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Ledger, Message, replay
from kaiser.logic.walking import commanded

from .builders import ESP, HOUR, MINUTE, NOON, OFF, ON, PUMP, SECOND, SOIL, below, readings, rule, status
from .greenhouse import MIDNIGHT, RULES, a_day

DIGEST = "51ba3fdbea42a6c63eb8640d1f3771b9c30a20b417a24f727e25580c527c67ca"


@pytest.fixture(scope="module")
def day():
    return a_day(seed=4711)


def digest(decisions):
    ledger = Ledger()
    for each in decisions:
        ledger.add(each)
    return ledger.digest


def test_a_backtest_over_the_recorded_day_decides_what_was_decided_live(day) -> None:
    assert digest(replay(Engine(), day.log)) == digest(day.decisions)


def test_with_a_restart_each_hour_it_is_the_same_day(day) -> None:
    engine, decisions, hour = Engine(), [], 0
    for message in day.log:
        if (message.at - MIDNIGHT) // HOUR > hour:
            hour += 1
            engine = Engine.restore(engine.snapshot())
        decisions += engine.take(message.stream, message.seq, message.at, message.event)
    assert digest(decisions) == digest(day.decisions)


def test_the_day_is_the_one_that_it_was_when_this_was_written(day) -> None:
    """A change of what the engine decides shows here; if it is meant, so is the new digest."""
    runs = Counter((each.rule_id, each.branch) for each in day.of(RunStarted))
    assert runs[("water", "then")] >= 1
    assert runs[("heat-night", "then")] >= 2
    assert runs[("mist", "then")] == 2
    assert len(day.of(AlarmRaised)) == 1
    assert digest(day.decisions) == DIGEST


def test_one_degree_more_shows_in_the_comparison(day) -> None:
    span = {"start": MIDNIGHT, "end": MIDNIGHT + 24 * HOUR}
    night = RULES["heat-night"]
    assert isinstance(night.condition, AllOf)
    hysteresis, hours = night.condition.conditions
    warmer = replace(night, condition=AllOf(conditions=(replace(hysteresis, on_below=15.0), hours)))
    report = what_if(
        Trial({"heat-night": (1, night)}, "heat-night", **span),
        Trial({"heat-night": (2, warmer)}, "heat-night", **span),
        day.log,
    )
    assert report.changed > 0
    assert {change.actuator.gpio for change in report.changes} == {26}
    assert report.on_s["ESP_0A1B2C/26"] != 0
    assert report.before.digest != report.after.digest


def test_a_version_compared_with_itself_has_no_differences(day) -> None:
    span = {"start": MIDNIGHT, "end": MIDNIGHT + 24 * HOUR}
    report = what_if(
        Trial({"water": (1, RULES["water"])}, "water", **span),
        Trial({"water": (1, RULES["water"])}, "water", **span),
        day.log,
    )
    assert (report.changed, report.vetoed, set(report.on_s.values())) == (0, 0, {0.0})
    assert report.before == report.after


def soil(*values, every=MINUTE):
    """The soil at noon and after it."""
    return [
        Message(NOON + i * every, "TELEMETRY", i + 1, readings((SOIL, value), at=NOON + i * every))
        for i, value in enumerate(values)
    ]


def trial(tried, messages, end=NOON + HOUR, start=NOON):
    return backtest({"r": (3, tried)}, "r", messages, start=start, end=end)


def test_a_report_counts_runs_and_the_time_that_actuators_are_on() -> None:
    report = trial(rule(below(30.0), otherwise=(OFF,)), soil(40.0, 20.0, 20.0, 40.0, 40.0))
    assert (report.version, report.readings, report.run_count) == (3, 5, 2)
    (pump,) = report.on_time
    assert (pump.on_s, pump.starts) == (120.0, 1)
    assert [(run.branch, run.outcome) for run in report.runs] == [("then", "succeeded"), ("otherwise", "succeeded")]


def test_a_duration_ends_by_itself_and_a_level_weighs() -> None:
    pwm = Command(actuator=PUMP, command="PWM", level=0.5, duration_s=90)
    (pump,) = trial(rule(below(30.0), (pwm,)), soil(20.0)).on_time
    assert (pump.on_s, pump.level_s) == (90.0, 45.0)


def test_what_is_still_on_counts_up_to_the_end() -> None:
    (pump,) = trial(rule(below(30.0), (ON,)), soil(20.0), end=NOON + 10 * MINUTE).on_time
    assert pump.on_s == 600.0


def test_what_the_actuator_did_in_the_past_is_left_out_for_what_the_rule_does_with_it() -> None:
    messages = [*soil(20.0), Message(NOON + SECOND, "ACTUATORS", 1, status(PUMP, 0.0, NOON))]
    report = trial(rule(below(30.0), (Command(actuator=PUMP, command="ON"), Delay(for_s=5))), messages)
    assert report.runs[0].outcome == "succeeded"


def test_before_its_start_a_backtest_only_looks() -> None:
    report = trial(rule(below(30.0, fresh_s=3600)), soil(20.0, 20.0), start=NOON + 5 * MINUTE)
    assert report.readings == 0
    assert [run.started_at for run in report.runs] == [NOON + 5 * MINUTE - 1]


def test_safety_says_no_by_the_limits_that_were_in_force() -> None:
    limits = Limits(max_on_s=60, min_off_s=600, allowed_hours=(Hours("11:00", "12:30"),))
    about = {"at": 0, "by": "t", "reason": "t"}
    told = Message(NOON - SECOND, "SAFETY", 1, LimitsSet(esp_id=ESP, gpio=25, limits=limits, **about))
    tried = rule(None, (ON, Delay(for_s=120), ON), triggers=(CronTrigger(expression="*/20 * * * *"),))
    report = trial(tried, [told, *soil(40.0)])
    assert {veto.code for veto in report.vetoed} == {"COOLING_DOWN", "OUTSIDE_ALLOWED_HOURS"}
    assert report.on_time[0].on_s <= 120.0


def test_an_emergency_stop_of_the_past_holds_in_a_backtest() -> None:
    stop = EmergencyRequested(at=0, by="t", emergency_id="e", scope=Scope(kind="site"), reason="leak")
    told = Message(NOON - SECOND, "SAFETY", 1, stop)
    report = trial(rule(below(30.0), (Command(actuator=PUMP, command="ON"),)), [told, *soil(20.0)])
    assert report.vetoed[0].code == "EMERGENCY_ACTIVE"
    assert report.runs[0].outcome == "failed"
    assert report.on_time[0].on_s == 0.0


def test_every_actuator_that_a_rule_commands_is_found() -> None:
    assert {key for each in RULES.values() for key in commanded(each)} == {(ESP, 25), (ESP, 26), (ESP, 27)}
