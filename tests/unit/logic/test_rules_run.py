"""When a rule runs, what holds it back, and what becomes of runs that meet."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned
from kaiser.contracts.events.logic import (
    CommandAsked,
    NotificationAsked,
    RuleDamped,
    RuleRemoved,
    RuleSkipped,
    RunEnded,
    RunStarted,
    StepEnded,
)
from kaiser.contracts.rules import (
    Command,
    CronTrigger,
    Delay,
    EventTrigger,
    Notify,
    Place,
    RanTrigger,
    SunTrigger,
    SwitchRule,
)
from kaiser.logic.engine import Engine
from kaiser.logic.trying import dry_run

from .builders import (
    AIR,
    ESP,
    FAN,
    HOUR,
    MINUTE,
    NOON,
    OFF,
    ON,
    PUMP,
    SECOND,
    SOIL,
    Site,
    above,
    below,
    readings,
    rule,
)

DRY = below(30.0)


def outcomes(site):
    return [(each.branch, each.outcome, each.code) for each in site.of(RunEnded)]


def skips(site):
    return [each.reason for each in site.of(RuleSkipped)]


def test_a_rule_runs_once_when_its_condition_becomes_true_and_otherwise_when_it_is_over() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,)))
    for value in (40.0, 20.0, 21.0, 40.0, 41.0, 20.0):
        site.measures(value)
    assert site.commands() == ["r ON 25", "r OFF 25", "r ON 25"]


def test_a_run_says_what_set_it_off_and_what_it_saw() -> None:
    site = Site()
    site.define(rule(DRY))
    site.measures(20.0)
    (started,) = site.of(RunStarted)
    assert (started.run_id, started.branch) == ("r.1.1", "then")
    assert (started.cause.kind, started.cause.stream, started.cause.seq) == ("reading", "TELEMETRY", 3)
    assert started.cause.at == site.now
    assert started.seen is not None
    assert (started.seen.value, started.seen.seq) == (20.0, 3)


def test_every_decision_has_the_next_number() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,)))
    for value in (20.0, 40.0, 20.0):
        site.measures(value)
    assert [each.n for each in site.decisions] == list(range(1, len(site.decisions) + 1))


def test_a_condition_that_is_no_longer_known_is_over_unless_the_rule_holds_on() -> None:
    for when_unknown, commands in (("end", ["r ON 25", "r OFF 25"]), ("hold", ["r ON 25"])):
        site = Site()
        site.define(rule(DRY, otherwise=(OFF,), when_unknown=when_unknown))
        site.measures(20.0)
        site.passes(HOUR)
        assert site.commands() == commands


def test_a_rule_that_becomes_live_runs_for_what_is_true_already() -> None:
    site = Site()
    site.define(rule(DRY, actions=(Notify(channel="websocket", message="dry"),)), "first")
    site.measures(20.0)
    site.define(rule(DRY))
    assert site.commands() == ["r ON 25"]


def test_a_cooldown_holds_a_run_back_and_lets_it_go_when_it_is_over() -> None:
    site = Site()
    site.define(rule(DRY, cooldown_s=600))
    for value in (20.0, 40.0, 20.0, 21.0):
        site.measures(value)
    assert site.commands() == ["r ON 25"]
    assert skips(site) == ["cooldown"]
    began = site.of(RunStarted)[0].at
    site.passes(MINUTE)
    for _ in range(10):
        site.passes(MINUTE - SECOND)
        site.measures(20.0)
    assert [each.at for each in site.of(RunStarted)] == [began, began + 600 * SECOND]


def test_a_rule_runs_at_most_so_often_in_any_hour() -> None:
    site = Site()
    site.define(rule(DRY, most_runs_per_hour=2))
    for _ in range(4):
        site.measures(20.0)
        site.measures(40.0)
    assert len(site.of(RunStarted)) == 2
    assert "rate_limit" in skips(site)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 900)), max_size=60),
    st.integers(0, 300),
    st.integers(1, 5),
    st.sampled_from(["single", "restart", "queued", "parallel"]),
)
def test_cooldown_and_limit_hold_for_any_input(inputs, cooldown, most, mode) -> None:
    site = Site()
    fast = {"cooldown_s": cooldown, "most_runs_per_hour": most, "mode": mode}
    site.define(rule(DRY, actions=(ON, Delay(for_s=100)), again_s=50, **fast))
    for dry, span in inputs:
        site.passes(span * SECOND)
        site.measures(20.0 if dry else 40.0)
    starts = sorted(each.at for each in site.of(RunStarted))
    if mode != "queued":  # a queued run has counted when it was queued
        assert all(second - first >= cooldown * SECOND for first, second in itertools.pairwise(starts))
    assert len(site.engine.core.rules["r"].state.starts) <= most
    if mode != "queued":
        assert all(second - first > HOUR - 1 for first, second in zip(starts, starts[most:], strict=False))


def test_while_its_condition_stays_true_a_rule_runs_again_if_it_is_to() -> None:
    site = Site()
    site.define(rule(below(30.0, fresh_s=3600), again_s=300))
    site.measures(20.0)
    site.passes(11 * MINUTE)
    assert len(site.of(RunStarted)) == 3


def test_a_run_that_failed_begins_anew_after_longer_and_longer_times_while_its_condition_is_true() -> None:
    site = Site()
    ask = Command(actuator=PUMP, command="ON")
    site.define(rule(below(30.0, fresh_s=86_400), actions=(ask,), otherwise=(OFF,)))
    site.measures(20.0)
    for runs, wait_s in ((1, 60), (2, 120), (3, 240)):
        site.answers("failed", "ESP_OFFLINE")
        site.passes((wait_s - 1) * SECOND)
        assert len(site.of(RunStarted)) == runs
        site.passes(SECOND)
        assert len(site.of(RunStarted)) == runs + 1
    site.answers("succeeded")
    site.passes(HOUR)
    assert len(site.of(RunStarted)) == 4


SLOW = (ON, Delay(for_s=60), OFF)


def test_single_lets_a_run_begin_when_the_other_is_over_if_its_condition_is_still_true() -> None:
    site = Site()
    site.define(rule(DRY, SLOW))
    for value in (20.0, 40.0, 20.0):
        site.measures(value)
    assert len(site.of(RunStarted)) == 1
    assert skips(site) == ["busy"]
    site.passes(MINUTE)
    assert len(site.of(RunStarted)) == 2


def test_restart_ends_the_run_that_is_under_way() -> None:
    site = Site()
    site.define(rule(DRY, SLOW, mode="restart"))
    for value in (20.0, 40.0, 20.0):
        site.measures(value)
    assert outcomes(site) == [("then", "cancelled", "RUN_REPLACED")]
    assert site.commands() == ["r ON 25", "r ON 25"]  # it goes on: nothing is switched off in between


def test_queued_runs_come_one_after_the_other() -> None:
    site = Site()
    site.define(rule(None, SLOW, mode="queued", most_waiting=1, triggers=(EventTrigger(event="discovered"),)))
    for _ in range(3):
        site.now += SECOND
        site.happens(DeviceDiscovered(kaiser_id="", esp_id=ESP, generation="dec", received_at=site.now), "DEVICES")
    assert len(site.of(RunStarted)) == 1
    assert skips(site) == ["queue_full"]
    site.passes(5 * MINUTE)
    assert outcomes(site) == [("then", "succeeded", "")] * 2


def test_parallel_runs_go_side_by_side_up_to_a_number() -> None:
    site = Site()
    site.define(rule(None, SLOW, mode="parallel", most_waiting=2, triggers=(EventTrigger(event="discovered"),)))
    for _ in range(3):
        site.now += SECOND
        site.happens(DeviceDiscovered(kaiser_id="", esp_id=ESP, generation="dec", received_at=site.now), "DEVICES")
    assert len(site.of(RunStarted)) == 2
    assert skips(site) == ["busy"]


def test_when_the_condition_is_over_otherwise_ends_what_is_under_way() -> None:
    site = Site()
    site.define(rule(DRY, (ON, Delay(for_s=600), ON), otherwise=(OFF,)))
    site.measures(20.0)
    site.measures(40.0)
    assert outcomes(site) == [("then", "cancelled", "RUN_REPLACED"), ("otherwise", "succeeded", "")]
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_a_run_without_otherwise_goes_on_to_its_end() -> None:
    site = Site()
    site.define(rule(DRY, SLOW))
    site.measures(20.0)
    site.measures(40.0)
    site.passes(MINUTE)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_disabling_a_rule_switches_off_what_it_had_switched_on() -> None:
    for fields in ({"actions": (ON, Delay(for_s=600))}, {"actions": (ON,), "otherwise": (OFF,)}):
        site = Site()
        site.define(rule(DRY, **fields))
        site.measures(20.0)
        site.disable()
        assert site.commands() == ["r ON 25", "r OFF 25"]
        assert "r" not in site.engine.core.rules
        site.measures(40.0)
        site.measures(20.0)
        assert len(site.commands()) == 2


def test_a_broken_run_leaves_on_what_it_is_to_leave() -> None:
    site = Site()
    site.define(rule(DRY, (ON, Delay(for_s=600)), when_broken="leave"))
    site.measures(20.0)
    site.disable()
    assert site.commands() == ["r ON 25"]


def test_a_removed_rule_is_gone() -> None:
    site = Site()
    site.define(rule(DRY))
    site.happens(RuleRemoved(rule_id="r", at=site.now, by="t"), "LOGIC")
    site.measures(20.0)
    assert site.commands() == []


def test_a_new_version_goes_on_where_the_one_before_it_was() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,), cooldown_s=3600))
    site.measures(20.0)
    site.define(rule(below(25.0), otherwise=(OFF,), cooldown_s=3600), version=2)
    assert site.commands() == ["r ON 25"]  # what is on is on
    site.measures(27.0)
    assert site.commands() == ["r ON 25", "r OFF 25"]
    site.measures(20.0)
    assert skips(site) == ["cooldown"]
    assert site.of(RunStarted)[-1].version == 2


def test_an_older_version_can_be_live_again() -> None:
    site = Site()
    site.define(rule(below(10.0)))
    site.define(rule(DRY), version=2)
    site.enable(version=1)
    site.measures(20.0)
    assert site.commands() == []


def test_at_a_trigger_a_rule_does_one_thing_or_the_other() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,), triggers=(CronTrigger(expression="*/10 * * * *"),)))
    site.measures(20.0)
    assert site.commands() == []
    site.passes(9 * MINUTE)
    site.measures(20.0)
    site.passes(9 * MINUTE)
    site.measures(40.0)
    site.passes(2 * MINUTE)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_a_trigger_whose_condition_is_not_known_or_false_says_so() -> None:
    site = Site()
    site.define(rule(DRY, triggers=(CronTrigger(expression="*/10 * * * *"),)))
    site.passes(10 * MINUTE)
    site.passes(9 * MINUTE)
    site.measures(40.0)
    site.passes(MINUTE)
    assert skips(site) == ["condition_unknown", "condition_false"]
    assert site.of(RuleSkipped)[1].cause.what == "cron */10 * * * *"


def test_a_sun_trigger_comes_at_its_offset() -> None:
    site = Site()
    site.define(rule(None, triggers=(SunTrigger(event="sunset", offset_s=-1800),), place=Place(52.52, 13.405)))
    site.passes(12 * HOUR)
    (started,) = site.of(RunStarted)
    assert started.cause.what == "sunset"
    assert abs(started.at - (NOON + 6 * HOUR)) < 10 * MINUTE  # sunset is at 18:30 UTC


def test_cron_comes_once_in_the_night_in_which_the_clock_goes_back_and_in_that_in_which_it_goes_forward() -> None:
    for day in (1_774_699_200, 1_792_843_200):  # 2026-03-28 and 2026-10-24, 12:00 UTC
        site = Site(now=day * SECOND)
        site.define(rule(None, triggers=(CronTrigger(expression="30 2 * * *"),), time_zone="Europe/Berlin"))
        site.passes(24 * HOUR)
        assert len(site.of(RunStarted)) == 1


def test_a_run_can_set_off_another_rule() -> None:
    site = Site()
    site.define(rule(DRY), "first")
    site.define(rule(None, (OFF,), triggers=(RanTrigger(rule="first", what="succeeded"),)), "second")
    site.measures(20.0)
    assert [each.rule_id for each in site.of(RunStarted)] == ["first", "second"]
    assert site.of(RunStarted)[1].cause.what == "run of first succeeded"


def test_rules_that_set_each_other_off_for_ever_are_stopped() -> None:
    site = Site()
    note = (Notify(channel="websocket", message="x"),)
    site.define(rule(DRY, note), "start")
    site.define(rule(None, note, triggers=(RanTrigger(rule="start"), RanTrigger(rule="b"))), "a")
    site.define(rule(None, note, triggers=(RanTrigger(rule="a"),)), "b")
    site.measures(20.0)
    assert "loop" in skips(site)
    assert len(site.of(NotificationAsked)) < 30


def test_a_rule_can_switch_another_one() -> None:
    site = Site()
    site.define(rule(above(50.0)), "water")
    site.define(rule(above(5.0, AIR), (SwitchRule(rule="water", enabled=False),)), "frost")
    site.define(rule(below(2.0, AIR), (SwitchRule(rule="water", enabled=True),)), "thaw")
    site.measures(60.0)
    site.measures(10.0, AIR)
    site.measures(40.0)
    site.measures(60.0)
    assert site.commands() == ["water ON 25"]
    site.measures(1.0, AIR)
    site.measures(60.0)  # a rule that becomes live sees what is measured from then on
    assert site.commands() == ["water ON 25", "water ON 25"]


def test_the_more_important_rule_gets_the_actuator_and_the_other_gives_way() -> None:
    site = Site()
    site.define(rule(DRY, (Command(actuator=PUMP, command="ON"),), priority=50), "water")
    site.define(rule(above(35.0, AIR), (OFF,), priority=10), "guard")
    site.measures(40.0, AIR)
    site.measures(20.0)
    assert site.commands() == ["guard OFF 25"]
    (ended,) = site.of(StepEnded)
    assert (ended.outcome, ended.code) == ("yielded", "ACTUATOR_CLAIMED")
    assert "rule guard (priority 10) has ESP_0A1B2C/25" in ended.detail


def test_of_equals_the_first_has_the_actuator_until_its_hold_is_over() -> None:
    site = Site()
    site.define(rule(None, (ON,), triggers=(EventTrigger(event="discovered"),), hold_s=60), "first")
    site.define(rule(None, (OFF,), triggers=(EventTrigger(event="returned"),)), "second")
    seen = {"kaiser_id": "", "esp_id": ESP, "generation": "dec"}
    site.happens(DeviceDiscovered(**seen, received_at=site.now), "DEVICES")
    site.now += 30 * SECOND
    site.happens(DeviceReturned(**seen, received_at=site.now, lost_at=0), "DEVICES")
    assert site.commands() == ["first ON 25"]
    site.now += 31 * SECOND
    site.happens(DeviceReturned(**seen, received_at=site.now, lost_at=0), "DEVICES")
    assert site.commands() == ["first ON 25", "second OFF 25"]


def test_a_more_important_rule_takes_an_actuator_over() -> None:
    site = Site()
    site.define(rule(DRY, priority=50), "water")
    site.define(rule(above(35.0, AIR), (OFF,), priority=10), "guard")
    site.measures(20.0)
    site.measures(40.0, AIR)
    assert site.commands() == ["water ON 25", "guard OFF 25"]


@pytest.mark.parametrize(("when_unknown", "asked"), [("hold", []), ("end", ["other OFF 25"])])
def test_a_rule_that_counts_what_is_not_known_as_what_it_was_has_its_actuator_meanwhile(when_unknown, asked) -> None:
    site = Site()
    site.define(rule(below(30.0, fresh_s=60), hold_s=0, priority=10, when_unknown=when_unknown), "water")
    site.define(rule(above(35.0, AIR), (OFF,), priority=50), "other")
    site.measures(20.0)
    site.passes(2 * MINUTE)
    site.measures(40.0, AIR)
    assert site.commands() == ["water ON 25", *asked]


def test_rules_that_fight_are_found_and_the_less_important_one_has_to_pause() -> None:
    site = Site()
    site.define(rule(DRY, hold_s=0, priority=90), "water")
    site.define(rule(above(25.0), (OFF,), hold_s=0, priority=80), "dry")
    for _ in range(6):
        site.measures(20.0)
        site.passes(20 * SECOND)
        site.measures(40.0)
        site.passes(20 * SECOND)
    (damped,) = site.of(RuleDamped)
    assert (damped.rule_id, damped.rules) == ("water", ("dry", "water"))
    assert [each.code for each in site.of(StepEnded)] == ["RULE_DAMPED"] * len(site.of(StepEnded))
    assert site.commands()[-1] == "dry OFF 25"
    assert all(each.at < damped.until for each in site.of(CommandAsked))
    site.passes(16 * MINUTE)
    site.measures(20.0)
    assert site.commands()[-1] == "water ON 25"


def test_a_rule_that_flaps_has_to_pause_but_may_always_switch_off() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,)))
    for _ in range(10):
        site.measures(20.0)
        site.measures(40.0)
    assert len(site.of(RuleDamped)) == 1
    commands = site.commands()
    assert commands.count("r ON 25") < 5
    assert commands[-1] == "r OFF 25"


def test_pulses_within_one_run_are_no_fight() -> None:
    site = Site()
    site.define(rule(DRY, (ON, Delay(for_s=10), OFF, Delay(for_s=10)) * 5))
    site.measures(20.0)
    site.passes(3 * MINUTE)
    assert len(site.commands()) == 10
    assert site.of(RuleDamped) == []


@pytest.mark.parametrize(
    ("arrange", "verdict"),
    [
        (lambda site: None, "condition_unknown"),
        (lambda site: site.measures(40.0), "condition_false"),
        (lambda site: site.measures(20.0), "running"),
        (lambda site: (site.measures(20.0), site.passes(MINUTE)), "acted"),
        (lambda site: (site.measures(20.0), site.passes(MINUTE), site.measures(40.0), site.measures(20.0)), "cooldown"),
        (lambda site: site.disable(), "disabled"),
    ],
)
def test_a_rule_can_be_asked_why_it_does_not_run(arrange, verdict) -> None:
    site = Site()
    site.define(rule(DRY, SLOW, cooldown_s=600))
    arrange(site)
    before = site.engine.snapshot()
    explanation = site.engine.explain("r")
    assert explanation.verdict == verdict
    assert site.engine.snapshot() == before


def test_the_sentence_names_what_was_decisive() -> None:
    site = Site()
    site.define(rule(below(30.0, unit="%")))
    site.measures(40.0)
    assert site.engine.explain("r").sentence == (
        "Its condition is not true: ESP_0A1B2C/34/moisture is 40, asked for is < 30."
    )
    assert site.engine.explain("nobody").verdict == "unknown"


def test_two_readings_of_one_batch_are_looked_at_one_after_the_other() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,)))
    site.now += SECOND
    site.happens(readings((SOIL, 20.0), (SOIL, 40.0), at=site.now), "TELEMETRY")
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_a_draft_is_held_against_what_is_known_and_nothing_is_done() -> None:
    site = Site()
    site.define(rule(DRY))
    site.measures(40.0)
    before = site.engine.snapshot()
    assert dry_run(site.engine, rule(above(35.0)), None).verdict == "runs"
    assert dry_run(site.engine, rule(above(45.0)), None).verdict == "condition_false"
    assumed = readings((AIR, 50.0), at=site.now)
    assert dry_run(site.engine, rule(above(45.0, AIR)), assumed).verdict == "runs"
    assert site.engine.snapshot() == before


def test_no_run_has_the_name_of_an_earlier_one_though_its_rule_rested():
    site = Site()
    site.define(rule(below(30)))
    site.measures(20)
    site.disable()
    site.enable()
    site.measures(20)
    runs = [each.run_id for each in site.of(RunStarted)]
    assert runs == ["r.1.1", "r.1.2"]


FAN_ON, FAN_OFF = (Command(actuator=FAN, command=word, wait=False) for word in ("ON", "OFF"))


@pytest.mark.parametrize(
    "after",
    [
        rule(None, (FAN_ON,), triggers=(EventTrigger(event="discovered"),)),
        rule(DRY, (FAN_ON,), otherwise=(FAN_OFF,)),
    ],
)
def test_a_version_that_would_not_put_back_what_the_one_before_has_done_waits_until_that_has(after) -> None:
    site = Site()
    site.define(rule(DRY, (ON,), otherwise=(Delay(for_s=60), OFF)))
    site.measures(20.0)
    site.define(after, version=2)
    assert site.commands() == ["r ON 25"]
    site.enable(version=2)
    site.engine = Engine.restore(site.engine.snapshot())
    site.passes(2 * MINUTE)
    site.measures(20.0)
    assert site.commands()[:2] == ["r ON 25", "r OFF 25"]
    assert site.commands()[2:] == ([] if after.triggers else ["r ON 26"])
    assert site.engine.core.rules["r"].state.version == 2
    assert [each.outcome for each in site.of(RunEnded)] == ["succeeded"] * len(site.of(RunStarted))


def test_a_rule_that_is_disabled_while_a_version_waits_rests() -> None:
    site = Site()
    site.define(rule(DRY, (ON,), otherwise=(Delay(for_s=60), OFF)))
    site.measures(20.0)
    site.define(rule(DRY, (FAN_ON,)), version=2)
    site.passes(SECOND)
    site.disable()
    site.passes(2 * MINUTE)
    assert site.commands() == ["r ON 25", "r OFF 25"]
    assert not site.engine.core.rules


def test_a_version_that_puts_back_what_the_one_before_has_done_goes_on_at_once() -> None:
    site = Site()
    site.define(rule(DRY, (ON,), otherwise=(OFF,)))
    site.measures(20.0)
    site.define(rule(below(35.0), (ON,), otherwise=(OFF, FAN_OFF)), version=2)
    assert site.commands() == ["r ON 25"]
    site.measures(40.0)
    assert site.commands() == ["r ON 25", "r OFF 25", "r OFF 26"]
