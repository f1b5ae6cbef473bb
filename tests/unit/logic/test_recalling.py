"""An engine that has nothing but the log goes on where the one was that wrote it."""

from collections import deque

import msgspec
import pytest

from kaiser.contracts.events.logic import (
    AlarmRaised,
    CommandAsked,
    EngineResumed,
    RuleSkipped,
    RunEnded,
    RunStarted,
    StepEnded,
    StepWaiting,
)
from kaiser.contracts.rules import (
    Alarm,
    Choose,
    Command,
    CronTrigger,
    Delay,
    EventTrigger,
    Notify,
    Option,
    Parallel,
    Ramp,
    Repeat,
    Sequence,
    WaitUntil,
)
from kaiser.logic.engine import Engine
from kaiser.logic.recollecting import Recollection

from .builders import AIR, ESP, FAN, HOUR, MINUTE, OFF, ON, PUMP, SECOND, Site, above, below, heartbeat, rule

DRY = below(30.0, fresh_s=86_400)
NEVER = below(-100.0, AIR, fresh_s=86_400)
ASK = Command(actuator=PUMP, command="ON", on_failure="go_on")
SAY = Notify(channel="websocket", message="so")
RAISE = Alarm(do="raise", name="dry", message="dry")
PULSE = Sequence(steps=(ASK, Delay(for_s=7), OFF))
TWICE = Repeat(times=2, action=Delay(for_s=6))

PROGRAMS = {
    "pulses": (Repeat(times=3, action=PULSE), SAY),
    "at once": (ON, Delay(for_s=9), OFF, RAISE, Delay(for_s=5), SAY),
    "alarms": (RAISE, RAISE, Delay(for_s=9), RAISE, Delay(for_s=5), Alarm(do="clear", name="dry"), Delay(for_s=5), SAY),
    "ramp": (Ramp(actuator=FAN, end=1.0, over_s=30, steps=4), SAY),
    "ramp from": (Ramp(actuator=FAN, start=0.8, end=0.0, over_s=30, steps=4), SAY),
    "waiting": (
        WaitUntil(condition=DRY, timeout_s=20),
        WaitUntil(condition=NEVER, timeout_s=20, on_timeout="go_on"),
        SAY,
    ),
    "side by side": (
        Parallel(
            branches=(PULSE, Repeat(times=2, action=Delay(for_s=6)), Sequence(steps=(SAY, RAISE)), Delay(for_s=40))
        ),
        OFF,
    ),
    "side by side, again and again": (
        Repeat(
            times=3, action=Parallel(branches=(Parallel(branches=(Delay(for_s=3), Delay(for_s=8))), Delay(for_s=5)))
        ),
        SAY,
    ),
    "either or": (
        Choose(options=(Option(when=NEVER, do=SAY), Option(when=DRY, do=Sequence(steps=(Delay(for_s=9), SAY))))),
        Choose(options=(Option(when=NEVER, do=SAY),)),
        Delay(for_s=9),
        Choose(options=(Option(when=NEVER, do=SAY),), otherwise=PULSE),
    ),
    "until": (
        Repeat(times=5, action=Delay(for_s=6), until=DRY),
        Delay(for_s=9),
        Repeat(times=2, action=PULSE, until=NEVER),
    ),
}


def told_by(site):
    told = Recollection()
    for decision in site.decisions:
        if not isinstance(decision, EngineResumed):
            told.take(decision)
    return told


def begins_anew(site):
    """Let an engine go on that knows the log; decisions that follow at once."""
    told = told_by(site)
    engine = Engine()
    engine.recalling.begin(told, site.engine.clock)
    engine.hold()
    runs = deque(told.runs)
    for message in site.log:
        while runs and runs[0].started.at < message.at:
            engine.recalling.run(runs.popleft())
        site.decisions += engine.take(message.stream, message.seq, message.at, message.event)
    for each in runs:
        engine.recalling.run(each)
    engine.recalling.settle(told)
    site.engine = engine
    site.now += 1
    decided = engine.resume(site.now)
    site.decisions += decided
    return [each for each in decided if not isinstance(each, EngineResumed)]


def lives(actions, lost_at):
    """What a run says, apart from when and why; the engine is lost at a second, and anew from the log."""
    site, answered = Site(), set()
    site.define(rule(DRY, actions))
    site.measures(99.0, AIR)
    site.measures(20.0)
    for second in range(120):
        if second == lost_at:
            begins_anew(site)
        site.passes(SECOND - site.now % SECOND)
        for asked in [each for each in site.of(CommandAsked) if each.step not in answered]:
            answered.add(asked.step)
            site.answers_to(asked)
    bodies = [msgspec.to_builtins(each) for each in site.decisions if not isinstance(each, EngineResumed)]
    for body in bodies:
        for name in ("at", "cause", "seen", "until"):
            body.pop(name, None)
    return bodies


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_run_goes_on_from_the_log_alone_whenever_the_engine_is_lost(name) -> None:
    whole = lives(PROGRAMS[name], -1)
    assert whole[-1]["outcome"] == "succeeded"
    for lost_at in range(0, 75, 2):
        assert lives(PROGRAMS[name], lost_at) == whole, lost_at


def test_a_delay_that_is_not_over_ends_when_it_would_have() -> None:
    site = Site()
    site.define(rule(DRY, (ON, Delay(for_s=600), OFF)))
    site.measures(20.0)
    (waiting,) = site.of(StepWaiting)
    site.passes(5 * MINUTE)
    assert begins_anew(site) == []
    site.passes(HOUR)
    assert site.of(StepEnded)[-1].at == waiting.until
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_what_was_done_for_what_is_still_true_is_not_done_again() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(OFF,)))
    site.measures(20.0)
    assert begins_anew(site) == []
    site.measures(19.0)
    assert len(site.of(RunStarted)) == 1
    site.measures(40.0)
    assert site.commands() == ["r ON 25", "r OFF 25"]
    assert [each.run_id for each in site.of(RunStarted)] == ["r.1.1", "r.1.2"]


def test_a_moment_that_was_decided_on_does_not_come_twice_and_one_that_nobody_saw_comes() -> None:
    site = Site()
    raised = Alarm(do="raise", name="tick", message="tick")
    every_minute = CronTrigger(expression="* * * * *", missed_within_s=600)
    site.define(rule(None, (raised,), triggers=(every_minute,)), "clock")
    site.define(rule(None, (SAY,), triggers=(EventTrigger(event="lost", missed_within_s=600),)), "lost")
    site.passes(90 * SECOND)
    count = len(site.decisions)
    begins_anew(site)
    assert len(site.decisions) == count + 1  # EngineResumed
    site.passes(MINUTE)
    assert len({each.cause.at for each in site.of(RunStarted)}) == len(site.of(RunStarted))
    assert len(site.of(AlarmRaised)) == 1


def test_limits_and_cooldowns_hold_across_it() -> None:
    site = Site()
    lost = EventTrigger(event="returned", missed_within_s=0)
    site.define(rule(None, (SAY,), triggers=(lost,), most_runs_per_hour=2, cooldown_s=60))
    site.define(rule(above(0.0, AIR), (SAY,), cooldown_s=3600), "other")
    site.measures(1.0, AIR)
    site.measures(-1.0, AIR)
    begins_anew(site)
    site.measures(1.0, AIR)
    assert [each.reason for each in site.of(RuleSkipped)] == ["cooldown"]


def test_a_run_whose_place_is_not_found_ends_as_failed_and_what_it_had_switched_on_is_switched_off() -> None:
    site = Site()
    site.define(rule(DRY, (ON, Delay(for_s=600), OFF)))
    site.measures(20.0)
    waiting = site.decisions.index(site.of(StepWaiting)[0])
    site.decisions[waiting] = msgspec.structs.replace(site.decisions[waiting], path="actions[7]")
    begins_anew(site)
    (ended,) = site.of(RunEnded)
    assert (ended.outcome, ended.code) == ("failed", "SERVICE_ERROR")
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_what_a_disabled_rule_still_had_to_do_is_done() -> None:
    site = Site()
    site.define(rule(DRY, otherwise=(Delay(for_s=60), OFF)))
    site.measures(20.0)
    site.passes(SECOND)
    site.disable()
    begins_anew(site)
    site.passes(2 * MINUTE)
    assert site.commands() == ["r ON 25", "r OFF 25"]
    assert not site.engine.core.rules


def test_who_has_an_actuator_has_it_still() -> None:
    site = Site()
    site.define(rule(DRY, (ON,), priority=10, hold_s=300), "first")
    site.define(rule(above(0.0, AIR), (OFF,), priority=50), "second")
    site.measures(20.0)
    begins_anew(site)
    site.measures(1.0, AIR)
    assert site.of(StepEnded)[-1].code == "ACTUATOR_CLAIMED"
    assert site.commands() == ["first ON 25"]


def test_a_run_of_a_version_that_is_no_more_ends() -> None:
    site = Site()
    site.define(rule(DRY, (Delay(for_s=600),)))
    site.measures(20.0)
    kept = list(site.decisions)
    site.define(rule(NEVER, (SAY,)), version=2)
    site.happens(heartbeat(ESP, site.now), "HEARTBEATS")
    site.decisions = kept  # who wrote it died before it had written that the run was ended
    begins_anew(site)
    assert [(each.run_id, each.outcome) for each in site.of(RunEnded)] == [("r.1.1", "cancelled")]
