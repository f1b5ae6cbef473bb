"""What runs do, step by step, and that they survive a restart at any of them."""

import pytest

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    NotificationAsked,
    RunEnded,
    StepEnded,
    StepRefused,
    StepWaiting,
)
from kaiser.contracts.rules import (
    ActuatorIs,
    Alarm,
    Choose,
    Command,
    Delay,
    Notify,
    Option,
    Parallel,
    Ramp,
    Repeat,
    Sequence,
    Silent,
    WaitUntil,
)
from kaiser.logic.engine import Engine

from .builders import AIR, FAN, HOUR, MINUTE, OFF, ON, PUMP, SECOND, Site, above, below, rule

DRY = below(30.0, fresh_s=86_400)
ASK = Command(actuator=PUMP, command="ON")


def running(*actions, **fields):
    site = Site()
    site.define(rule(DRY, actions, **fields))
    site.measures(20.0)
    return site


def ended(site):
    return [(each.outcome, each.code) for each in site.of(RunEnded)]


def test_a_command_is_asked_for_with_all_that_it_takes() -> None:
    pwm = Command(actuator=PUMP, command="PWM", level=0.4, duration_s=90, hold_s=60, timeout_s=20)
    (asked,) = running(pwm).of(CommandAsked)
    assert (asked.command, asked.level, asked.duration_s, asked.hold_s, asked.timeout_s) == ("PWM", 0.4, 90, 60, 20)
    assert (asked.run_id, asked.step, asked.path) == ("r.1.1", 1, "actions[0]")


def test_a_run_waits_for_the_end_of_a_command_and_goes_on() -> None:
    site = running(ASK, OFF)
    assert site.commands() == ["r ON 25"]
    site.answers("succeeded")
    assert site.commands() == ["r ON 25", "r OFF 25"]
    (step,) = site.of(StepEnded)
    assert (step.outcome, step.command_id) == ("succeeded", "cmd r.1.1/1")


@pytest.mark.parametrize("outcome", ["failed", "rejected", "expired", "superseded", "cancelled"])
def test_a_command_that_does_not_succeed_ends_the_run_unless_it_may_fail(outcome) -> None:
    site = running(ASK, OFF)
    site.answers(outcome, "COOLING_DOWN")
    assert ended(site) == [("failed", "COOLING_DOWN")]
    site = running(Command(actuator=PUMP, command="ON", on_failure="go_on"), OFF)
    site.answers(outcome, "COOLING_DOWN")
    assert ended(site) == [("succeeded", "")]


def test_a_command_without_an_end_is_given_up() -> None:
    site = running(ASK)
    site.passes(41 * SECOND)
    assert ended(site) == [("failed", "OPERATION_TIMEOUT")]


def test_what_is_refused_at_once_fails() -> None:
    site = running(ASK)
    site.now += SECOND
    site.happens(
        StepRefused(rule_id="r", run_id="r.1.1", step=1, at=site.now, code="ESP_OFFLINE", detail="away"), "LOGIC"
    )
    assert ended(site) == [("failed", "ESP_OFFLINE")]


def test_an_answer_to_a_command_of_another_run_is_nothing_to_this_one() -> None:
    site = running(ASK)
    first = site.of(CommandAsked)[0]
    site.answers("failed", "ESP_OFFLINE")
    site.passes(MINUTE)
    site.answers_to(first, "succeeded")
    assert ended(site) == [("failed", "ESP_OFFLINE")]


def test_a_delay_waits() -> None:
    site = running(ON, Delay(for_s=30), OFF)
    assert site.of(StepWaiting)[0].until == site.now + 30 * SECOND
    site.passes(29 * SECOND)
    assert site.commands() == ["r ON 25"]
    site.passes(SECOND)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_waiting_for_a_condition_ends_when_it_is_true() -> None:
    site = running(ON, WaitUntil(condition=ActuatorIs(actuator=PUMP, state="on", for_s=10), timeout_s=60), OFF)
    site.reports(1.0)
    site.passes(9 * SECOND)
    assert site.commands() == ["r ON 25"]
    site.passes(SECOND)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_waiting_too_long_fails_or_goes_on() -> None:
    wait = {"condition": above(50.0, AIR), "timeout_s": 60}
    site = running(WaitUntil(**wait), ON)
    site.passes(MINUTE)
    assert ended(site) == [("failed", "WAIT_TIMED_OUT")]
    site = running(WaitUntil(**wait, on_timeout="go_on"), ON)
    site.passes(MINUTE)
    assert ended(site) == [("succeeded", "")]


def test_each_wait_begins_to_listen_when_it_begins() -> None:
    wait = WaitUntil(condition=Silent(sensor=AIR, for_s=30), timeout_s=600)
    site = running(Delay(for_s=60), wait, ON)
    site.passes(80 * SECOND)
    assert site.commands() == []
    site.passes(10 * SECOND)
    assert site.commands() == ["r ON 25"]


def test_a_ramp_goes_in_equal_steps() -> None:
    site = running(Ramp(actuator=FAN, start=0.0, end=1.0, over_s=30, steps=4))
    for _ in range(4):
        site.answers("succeeded")
        site.passes(10 * SECOND)
    assert site.commands() == ["r PWM 0.25 26", "r PWM 0.5 26", "r PWM 0.75 26", "r PWM 1 26"]
    assert ended(site) == [("succeeded", "")]


def test_a_ramp_down_begins_where_the_actuator_is_and_ends_with_off() -> None:
    site = Site()
    site.reports(0.8, FAN)
    site.define(rule(DRY, (Ramp(actuator=FAN, end=0.0, over_s=10, steps=2),)))
    site.measures(20.0)
    site.answers("succeeded")
    site.passes(10 * SECOND)
    assert site.commands() == ["r PWM 0.4 26", "r OFF 26"]


def test_steps_in_parallel_are_over_when_the_last_of_them_is() -> None:
    fan = Command(actuator=FAN, command="ON", wait=False)
    site = running(
        Parallel(branches=(Sequence(steps=(ON, Delay(for_s=30))), Sequence(steps=(fan, Delay(for_s=60))))), OFF
    )
    assert site.commands() == ["r ON 25", "r ON 26"]
    site.passes(59 * SECOND)
    assert len(site.commands()) == 2
    site.passes(SECOND)
    assert site.commands()[-1] == "r OFF 25"


def test_one_branch_that_fails_ends_the_run_and_switches_off_what_it_had_switched_on() -> None:
    fan = Command(actuator=FAN, command="ON")
    site = running(Parallel(branches=(Sequence(steps=(ON, Delay(for_s=300))), fan)))
    site.answers("rejected", "INTERLOCKED")
    assert ended(site) == [("failed", "INTERLOCKED")]
    assert site.commands() == ["r ON 25", "r ON 26", "r OFF 25", "r OFF 26"]
    assert [each.cleanup for each in site.of(CommandAsked)] == [False, False, True, True]


def test_what_has_an_end_of_its_own_is_not_switched_off_by_a_broken_run() -> None:
    site = running(Command(actuator=PUMP, command="ON", duration_s=60, wait=False), Delay(for_s=300))
    site.disable()
    assert site.commands() == ["r ON 25"]


def test_repeat_counts_its_rounds_and_stops_early() -> None:
    pulse = Sequence(steps=(ON, Delay(for_s=10), OFF, Delay(for_s=10)))
    site = running(Repeat(action=pulse, times=3))
    site.passes(5 * MINUTE)
    assert len(site.commands()) == 6
    site = running(Repeat(action=pulse, times=100, until=above(50.0, fresh_s=3600)))
    site.passes(15 * SECOND)
    site.measures(60.0)
    site.passes(MINUTE)
    assert len(site.commands()) == 2
    assert ended(site) == [("succeeded", "")]


def test_choose_takes_the_first_option_that_is_true() -> None:
    fan = Command(actuator=FAN, command="ON", wait=False)
    options = (Option(when=above(50.0, AIR), do=fan), Option(when=below(25.0), do=ON))
    assert running(Choose(options=options, otherwise=OFF)).commands() == ["r ON 25"]
    site = Site()
    site.define(rule(DRY, (Choose(options=options, otherwise=OFF), fan)))
    site.measures(28.0)
    assert site.commands() == ["r OFF 25", "r ON 26"]
    site = Site()
    site.define(rule(DRY, (Choose(options=options),)))
    site.measures(28.0)
    assert ended(site) == [("succeeded", "")]


def test_a_message_is_filled_in() -> None:
    site = running(Notify(channel="email", target="a@b.example", message="{rule} at {value}: {cause} ({run})"))
    assert site.of(NotificationAsked)[0].message == "A rule at 20: ESP_0A1B2C/34/moisture (r.1.1)"


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    up = Alarm(do="raise", name="dry", severity="error", message="too dry")
    site = Site()
    site.define(rule(DRY, (up, up), otherwise=(Alarm(do="clear", name="dry"),)))
    for value in (20.0, 40.0, 41.0, 20.0):
        site.measures(value)
    assert len(site.of(AlarmRaised)) == 2
    assert len(site.of(AlarmCleared)) == 1


STEPS = (
    Notify(channel="websocket", message="x"),
    Parallel(
        branches=(
            Sequence(steps=(ASK, Delay(for_s=20), OFF)),
            Repeat(
                action=Sequence(steps=(Command(actuator=FAN, command="TOGGLE", wait=False), Delay(for_s=7))), times=4
            ),
            WaitUntil(condition=below(25.0, AIR), timeout_s=45, on_timeout="go_on"),
        )
    ),
    Ramp(actuator=FAN, start=0.2, end=0.8, over_s=9, steps=3),
)


def test_a_run_survives_a_restart_at_every_moment() -> None:
    def live(restart_at):
        site, answered = running(*STEPS), set()
        for second in range(90):
            if second == restart_at:
                site.engine = Engine.restore(site.engine.snapshot())
            site.passes(SECOND)
            for asked in [each for each in site.of(CommandAsked) if each.step not in answered]:
                answered.add(asked.step)
                site.answers_to(asked)
        return site.decisions

    whole = live(-1)
    assert [each.outcome for each in whole if isinstance(each, RunEnded)] == ["succeeded"]
    for moment in range(0, 90, 3):
        assert live(moment) == whole


def test_of_what_was_over_while_the_service_was_away_a_run_goes_on_at_once() -> None:
    site = running(ON, Delay(for_s=30), OFF)
    engine = Engine.restore(site.engine.snapshot())
    engine.hold()
    held = engine.tick(site.now + 60 * SECOND)
    assert [type(each) for each in held] == [StepEnded]  # that the delay was over then is a fact
    decided = engine.resume(site.now + 300 * SECOND)
    assert [each.command for each in decided if isinstance(each, CommandAsked)] == ["OFF"]
    assert all(each.at == site.now + 300 * SECOND for each in decided if isinstance(each, CommandAsked))


def test_nothing_is_done_for_what_came_and_went_while_the_service_was_away() -> None:
    site = Site()
    site.define(rule(below(30.0), otherwise=(OFF,)))
    site.engine.hold()
    for value in (20.0, 40.0):
        site.measures(value)
    assert site.engine.resume(site.now + MINUTE)[1:] == []
    assert site.commands() == []


def test_rounds_within_rounds_of_which_none_waits_end_as_a_loop_and_hold_nothing_up() -> None:
    rounds = Notify(channel="websocket", message="again")
    for _ in range(3):
        rounds = Repeat(times=1000, action=rounds)
    site = running(rounds)
    assert ended(site) == [("failed", "RULE_LOOP")]
    assert len(site.decisions) < 5000


def test_as_many_rounds_as_anybody_likes_where_each_of_them_waits() -> None:
    pulse = Sequence(steps=(Notify(channel="websocket", message="again"), Delay(for_s=1)))
    site = running(Repeat(times=100, action=Repeat(times=100, action=pulse)))
    site.passes(3 * HOUR)
    assert ended(site) == [("succeeded", "")]
    assert len(site.of(NotificationAsked)) == 10_000
