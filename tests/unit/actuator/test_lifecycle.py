"""What becomes of a command: one situation a test."""

import msgspec
import pytest

from kaiser.actuator.commands import HearStatus, Stop
from kaiser.actuator.state import MOST_KEYS
from kaiser.contracts.events.actuation import (
    CommandDispatched,
    CommandEnded,
    CommandRequested,
    ShadowDrifted,
    ShadowSettled,
)

from .world import ESP, GPIO, US, World


@pytest.fixture
def world() -> World:
    return World()


def kinds(facts) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def running(world: World, **more) -> str:
    """A pump that was switched on and says so."""
    command_id = world.ask("ON", **more)
    world.approve(command_id)
    world.respond("ON")
    world.status(1.0)
    assert world.ends[command_id].outcome == "succeeded"
    return command_id


# requests


def test_on_waits_for_safety_and_off_goes_out_at_once(world):
    world.ask("ON")
    assert kinds(world.facts) == ["CommandRequested"]
    world.ask("OFF")
    assert kinds(world.facts[1:]) == ["CommandEnded", "CommandRequested", "CommandDispatched"]
    assert world.ends["c1"].outcome == "superseded"


@pytest.mark.parametrize(
    ("around", "code"),
    [
        ({"registered": False}, "ESP_DEVICE_NOT_FOUND"),
        ({"approved": False}, "DEVICE_STATE_FORBIDS"),
        ({"exists": False}, "ACTUATOR_NOT_FOUND"),
        ({"actuator_type": ""}, "TYPE_UNKNOWN"),
        ({"deaf": True}, "DEVICE_DEAF"),
        ({"online": False}, "ESP_OFFLINE"),
        ({"latched": "e1"}, "EMERGENCY_ACTIVE"),
        ({"gpio": 1}, "DOWNLINK_FORBIDDEN"),
    ],
)
def test_what_cannot_be_told_to_the_device_is_refused_and_leaves_no_trace(world, around, code):
    world.around = msgspec.structs.replace(world.around, **around)
    assert world.ask("ON") == code
    assert world.facts == []


def test_off_goes_through_in_an_emergency(world):
    world.latch()
    assert world.ask("OFF") == "c1"
    assert world.tries["c1"]


@pytest.mark.parametrize(
    ("kind", "asked", "level", "action", "reached"),
    [
        ("pwm", "ON", None, "ON", 1.0),
        ("pwm", "PWM", 0.35, "PWM", 0.35),
        ("pwm", "PWM", 0.0, "OFF", 0.0),
        ("valve", "PWM", 0.2, "OFF", 0.0),
        ("valve", "PWM", 0.4, "PWM", 0.5),
        ("valve", "PWM", 0.7, "PWM", 1.0),
        ("relay", "OFF", 0.7, "OFF", 0.0),
    ],
)
def test_levels_become_what_the_type_can_do(kind, asked, level, action, reached):
    world = World(kind)
    world.ask(asked, level=level)
    request = world.requested["c1"]
    assert (request.action, request.level) == (action, reached)


@pytest.mark.parametrize(
    ("kind", "asked", "level", "code"),
    [
        ("pump", "PWM", 0.5, "COMMAND_NOT_FOR_TYPE"),
        ("relay", "PWM", 1.0, "COMMAND_NOT_FOR_TYPE"),
        ("pwm", "PWM", None, "MISSING_REQUIRED_FIELD"),
        ("pump", "TOGGLE", None, "STATE_UNKNOWN"),
    ],
)
def test_what_a_type_cannot_do_is_refused(kind, asked, level, code):
    assert World(kind).ask(asked, level=level) == code


def test_toggle_goes_by_what_is_reported(world):
    world.status(1.0)
    world.ask("TOGGLE")
    assert (world.requested["c1"].action, world.requested["c1"].asked) == ("OFF", "TOGGLE")


def test_toggle_goes_by_what_is_desired_where_nothing_known_is_reported(world):
    running(world)
    world.go()
    world.come()
    assert not world.around.known
    world.ask("TOGGLE")
    assert world.requested["c2"].action == "OFF"


# idempotency


def test_the_same_key_is_the_same_command_whatever_has_happened_since(world):
    first = world.ask("ON", key="k")
    world.reject(first)
    world.go()
    assert world.ask("ON", key="k") == first
    assert kinds(world.facts) == ["CommandRequested", "CommandEnded"]


def test_the_same_key_for_something_else_is_refused(world):
    world.ask("ON", key="k")
    assert world.ask("OFF", key="k") == "IDEMPOTENCY_CONFLICT"
    assert world.ask("ON", key="k", duration_s=5) == "IDEMPOTENCY_CONFLICT"


def test_a_toggle_that_is_repeated_does_not_undo_itself(world):
    world.status(0.0)
    first = world.ask("TOGGLE", key="k")
    world.approve(first)
    world.status(1.0)
    assert world.ask("TOGGLE", key="k") == first


def test_keys_are_remembered_for_a_day_and_two_thousand_of_them_at_most(world):
    world.ask("OFF", key="first")
    world.wait(86_399)
    assert world.ask("OFF", key="first") == "c1"
    world.wait(3600)
    assert world.ask("OFF", key="second") != "c1"
    assert "first" not in world.state.keys
    for number in range(MOST_KEYS):
        world.ask("OFF", key=f"k{number}")
    assert len(world.state.keys) == MOST_KEYS
    assert "second" not in world.state.keys


# decisions


def test_safety_rejects_with_its_rule_and_what_runs_is_not_disturbed(world):
    first = running(world)
    second = world.ask("ON")
    world.reject(second)
    end = world.ends[second]
    assert (end.outcome, end.code, end.rule, end.decision_seq) == ("rejected", "INTERLOCKED", "interlock x", 2)
    assert world.state.wanted.command_id == first


def test_an_approval_that_comes_twice_sends_once(world):
    command_id = world.ask("ON")
    world.approve(command_id)
    assert world.approve_again(1) == ()
    assert len(world.tries[command_id]) == 1


def test_an_approval_that_has_lapsed_sends_nothing(world):
    command_id = world.ask("ON")
    world.approve(command_id, valid_s=-1)
    assert world.ends[command_id].outcome == "expired"
    assert command_id not in world.tries


def test_an_approval_for_a_device_that_went_away_sends_nothing(world):
    command_id = world.ask("ON")
    world.go()
    world.approve(command_id)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "ESP_OFFLINE")


def test_without_safety_on_fails_after_two_seconds_and_says_so(world):
    command_id = world.ask("ON")
    world.wait(1.9)
    assert command_id not in world.ends
    world.wait(0.2)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "SAFETY_UNAVAILABLE")
    assert world.approve(command_id) == ()


def test_a_newer_command_takes_the_place_of_the_older_when_it_is_sent_itself(world):
    first, second = world.ask("ON"), None
    world.approve(first)
    second = world.ask("ON")
    assert first not in world.ends
    world.approve(second)
    assert world.ends[first].outcome == "superseded"
    assert world.state.sent.id == second


# answers


def test_a_status_that_shows_it_is_success_even_if_the_answer_was_lost(world):
    command_id = world.ask("ON")
    world.approve(command_id)
    world.status(1.0)
    assert world.ends[command_id].outcome == "succeeded"
    assert world.respond("ON") == ()


def test_the_device_refuses(world):
    command_id = world.ask("ON")
    world.approve(command_id)
    world.respond("ON", success=False, detail="Command failed")
    end = world.ends[command_id]
    assert (end.outcome, end.code, end.detail) == ("failed", "COMMAND_REFUSED", "Command failed")
    assert world.state.wanted.level == 0.0


def test_the_device_says_that_it_did_it_and_its_status_shows_otherwise(world):
    command_id = world.ask("ON")
    world.approve(command_id)
    world.respond("ON")
    world.wait(0.1)
    world.status(0.0)
    assert command_id not in world.ends
    world.wait(3)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "COMMAND_UNVERIFIED")


def test_a_status_from_before_the_answer_does_not_speak_against_it(world):
    command_id = world.ask("ON")
    world.approve(command_id)
    world.status(0.0)
    world.wait(0.1)
    world.respond("ON")
    world.wait(20)
    assert command_id not in world.ends
    world.wait(11)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("expired", "COMMAND_EXPIRED")


def test_a_valve_may_report_its_old_position_while_it_travels():
    world = World("valve")
    command_id = world.ask("ON")
    world.approve(command_id)
    world.respond("ON")
    world.wait(0.1)
    world.status(0.0)
    world.wait(5)
    assert command_id not in world.ends
    world.status(1.0)
    assert world.ends[command_id].outcome == "succeeded"


def test_dec_gets_three_tries_ten_seconds_apart_under_the_same_id(world):
    command_id = world.ask("OFF")
    world.wait(29.9)
    assert [one.attempt for one in world.tries[command_id]] == [1, 2, 3]
    assert [one.at - world.tries[command_id][0].at for one in world.tries[command_id]] == [0, 10 * US, 20 * US]
    world.wait(0.2)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("expired", "COMMAND_EXPIRED")


def test_on_is_sent_again_only_as_long_as_safety_allows(world):
    command_id = world.ask("ON")
    world.approve(command_id, valid_s=15)
    world.wait(29.9)
    assert [one.attempt for one in world.tries[command_id]] == [1, 2]
    assert command_id not in world.ends
    world.wait(0.2)
    assert world.ends[command_id].outcome == "expired"


def test_a_deaf_device_gets_no_second_try(world):
    command_id = world.ask("OFF")
    world.deafen()
    world.wait(10.1)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "DEVICE_DEAF")


def test_the_bridge_could_not_send_it(world):
    command_id = world.ask("OFF")
    world.refuse_downlink(command_id)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "PUBLISH_FAILED")


def test_head_admits_it_first_and_then_fails():
    world = World(generation="head")
    command_id = world.ask("OFF")
    assert kinds(world.outcome(command_id, good=True)) == ["CommandAcknowledged"]
    assert world.outcome(command_id, good=True) == ()
    world.outcome(command_id, good=False)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "COMMAND_REFUSED")


def test_a_late_answer_is_recorded_once_a_try_and_changes_nothing(world):
    command_id = world.ask("ON", timeout_s=5)
    world.approve(command_id)
    world.wait(6)
    before = world.state.wanted
    assert kinds(world.respond("ON")) == ["CommandAnsweredLate"]
    assert world.respond("ON") == ()
    assert world.state.wanted == before


def test_a_late_refusal_of_dec_is_not_taken_for_an_answer_to_the_command_that_is_sent_now(world):
    first = world.ask("ON", timeout_s=5)
    world.approve(first)
    world.wait(6)
    second = world.ask("ON")
    world.approve(second)
    facts = world.respond("ON", success=False)
    assert [(type(fact).__name__, fact.command_id) for fact in facts] == [("CommandAnsweredLate", first)]
    world.respond("ON", success=False)
    assert world.ends[second].code == "COMMAND_REFUSED"


def test_a_late_answer_of_head_says_whose_it_is():
    world = World(generation="head")
    first = world.ask("OFF")
    second = world.ask("OFF")
    facts = world.respond("OFF", success=False, correlation_id=first)
    assert [(type(fact).__name__, fact.command_id) for fact in facts] == [("CommandAnsweredLate", first)]
    assert second not in world.ends


# held commands


def test_a_held_off_goes_out_when_its_device_comes(world):
    world.go()
    command_id = world.ask("OFF", hold_s=60)
    assert command_id not in world.tries
    world.wait(30)
    world.come()
    assert len(world.tries[command_id]) == 1
    assert world.state.sent.deadline_at == world.wall + 30 * US
    world.wait(30.1)
    assert (world.ends[command_id].outcome, len(world.tries[command_id])) == ("expired", 3)


def test_safety_decides_on_a_held_on_when_its_device_comes(world):
    world.go()
    command_id = world.ask("ON", hold_s=60)
    world.wait(30)
    assert world.reject(command_id, "ESP_OFFLINE") == ()
    assert not world.come()
    world.approve(command_id)
    assert len(world.tries[command_id]) == 1


def test_a_held_on_whose_device_came_and_that_safety_never_decided_on_fails_for_that(world):
    world.go()
    command_id = world.ask("ON", hold_s=60)
    world.come()
    world.wait(61)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("failed", "SAFETY_UNAVAILABLE")


def test_a_held_command_expires_when_its_device_does_not_come(world):
    world.go()
    command_id = world.ask("ON", hold_s=60)
    world.wait(61)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("expired", "COMMAND_EXPIRED")
    world.come()
    assert command_id not in world.tries


def test_a_held_command_is_cancelled_and_one_on_its_way_is_not(world):
    world.go()
    held = world.ask("OFF", hold_s=60)
    assert world.cancel(held) == ""
    assert world.ends[held].outcome == "cancelled"
    world.come()
    sent = world.ask("OFF")
    assert world.cancel(sent) == "COMMAND_ENDED"
    assert world.cancel(held) == "COMMAND_ENDED"


# stops


def test_a_stop_ends_what_would_have_it_on_and_gives_the_desired_state_up(world):
    command_id = world.ask("ON", duration_s=60)
    world.approve(command_id)
    assert kinds(world.stop()) == ["CommandEnded", "ShadowSettled"]
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("superseded", "RUN_TOO_LONG")
    assert (world.state.wanted.level, world.state.wanted.off_at) == (0.0, 0)


def test_a_stop_that_is_delivered_again_does_not_end_what_safety_allowed_after_it(world):
    stop = Stop(at=world.wall, kaiser_id="god", esp_id="E", gpio=25, seq=1, code="C", detail="")
    world.safety_seq = 1
    running(world)
    assert not world.put(stop)
    assert world.state.wanted.level == 1.0


def test_a_stop_leaves_an_off_alone(world):
    command_id = world.ask("OFF")
    assert not world.stop()
    assert world.state.sent.id == command_id


def test_an_emergency_ends_what_waits_for_safety_too(world):
    command_id = world.ask("ON")
    world.latch()
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("superseded", "EMERGENCY_ACTIVE")
    assert world.approve(command_id) == ()


def test_an_approval_sends_nothing_into_an_emergency_that_is_known_already(world):
    command_id = world.ask("ON")
    world.latch(stop=False)
    world.approve(command_id)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("superseded", "EMERGENCY_ACTIVE")
    assert command_id not in world.tries


def test_there_is_no_second_try_of_an_on_in_an_emergency(world):
    command_id = world.ask("ON")
    world.approve(command_id, valid_s=60)
    world.latch(stop=False)
    world.wait(10.1)
    assert (world.ends[command_id].outcome, world.ends[command_id].code) == ("superseded", "EMERGENCY_ACTIVE")
    assert len(world.tries[command_id]) == 1


def test_what_was_allowed_before_a_stop_is_not_sent_after_it_although_the_stop_is_over(world):
    command_id = world.ask("ON")
    world.around = msgspec.structs.replace(world.around, stop_seq=2)
    world.approve(command_id)
    assert (world.ends[command_id].outcome, command_id in world.tries) == ("superseded", False)
    again = world.ask("ON")
    world.safety_seq = 2
    world.approve(again)
    assert world.tries[again]


def test_what_was_on_before_a_stop_is_desired_no_more_although_the_stop_is_over_and_what_is_asked_for_since_waits_on(
    world,
):
    running(world)
    world.policy("reassert")
    world.safety_seq = 2
    since = world.ask("ON")
    world.put(Stop(at=world.wall, kaiser_id="god", esp_id=ESP, gpio=GPIO, seq=2, code="", detail="", over=True))
    assert world.state.wanted.level == 0
    world.approve(since)
    assert world.tries[since]


def test_what_was_allowed_before_a_stop_is_not_tried_again_after_it(world):
    command_id = world.ask("ON")
    world.approve(command_id, valid_s=30)
    world.around = msgspec.structs.replace(world.around, stop_seq=2)
    world.wait(25)
    assert (world.ends[command_id].outcome, len(world.tries[command_id])) == ("superseded", 1)


def test_a_status_from_before_the_command_proves_nothing_whatever_the_clocks_say(world):
    world.status(0.0)
    on = world.ask("ON")
    world.approve(on)
    off = world.ask("OFF")
    world.around = msgspec.structs.replace(world.around, level_at=world.wall + 60 * US)
    world.put(HearStatus(at=world.wall, around=world.around, newer_than=on))
    world.wait(11)
    assert off not in world.ends
    assert len(world.tries[off]) == 2
    world.status(0.0)
    assert world.ends[off].outcome == "succeeded"


# durations


def test_a_duration_ends_with_an_off_of_our_own(world):
    first = running(world, duration_s=60)
    world.wait(59.9)
    assert len(world.requested) == 1
    world.wait(0.2)
    off = world.state.sent.request
    assert (off.action, off.source, off.by, off.causation_id) == ("OFF", "timer", "kaiser", first)
    assert off.correlation_id == world.requested[first].correlation_id


def test_a_clock_that_is_set_while_it_counts_changes_nothing(world):
    running(world, duration_s=60)
    world.set_clock(-3600)
    world.wait(59)
    assert len(world.requested) == 1
    world.set_clock(7200)
    world.wait(0.9)
    assert len(world.requested) == 1
    world.wait(0.2)
    assert len(world.requested) == 2


@pytest.mark.parametrize(("clock", "left"), [(-3600, 60), (0, 30), (3600, 0)])
def test_after_a_restart_a_clock_that_was_set_makes_a_run_at_most_as_long_as_asked(world, clock, left):
    running(world, duration_s=60)
    world.wait(30)
    world.set_clock(clock)
    world.crash()
    world.wait(max(0, left - 0.1))
    assert len(world.requested) == (1 if left else 2)
    world.wait(0.2)
    assert len(world.requested) == 2


def test_a_duration_ends_although_its_device_takes_part_no_more(world):
    running(world, duration_s=10)
    world.around = msgspec.structs.replace(world.around, approved=False)
    facts = world.wait(10)
    assert [fact.source for fact in facts if isinstance(fact, CommandRequested)] == ["timer"]
    assert world.ask("OFF") == "DEVICE_STATE_FORBIDS"


def test_a_duration_ends_in_time_although_the_device_has_not_answered(world):
    command_id = world.ask("ON", duration_s=12, timeout_s=600)
    world.approve(command_id)
    facts = world.wait(12)
    assert [(fact.source, fact.action) for fact in facts if isinstance(fact, CommandRequested)] == [("timer", "OFF")]
    assert world.ends[command_id].outcome == "superseded"


def test_requests_that_nobody_decides_on_do_not_keep_a_run_going(world):
    running(world, duration_s=10)
    world.wait(9)
    facts = []
    for _ in range(6):
        world.ask("ON", duration_s=10)
        facts += world.wait(1)
    assert [(fact.source, fact.action) for fact in facts if isinstance(fact, CommandRequested)] == [("timer", "OFF")]


def test_a_request_that_safety_decides_on_in_time_goes_on_with_a_run_that_is_just_over(world):
    running(world, duration_s=10)
    world.wait(9.5)
    again = world.ask("ON", duration_s=10)
    world.wait(1)
    world.approve(again)
    assert world.tries[again]
    assert world.state.wanted.off_at == world.wall + 10 * US


def test_the_off_of_a_duration_is_told_until_it_is_seen(world):
    running(world, duration_s=10)
    world.wait(10.1)
    world.wait(30)
    offs = [request for request in world.requested.values() if request.source == "timer"]
    assert len(offs) == 1
    world.wait(16)
    offs = [request for request in world.requested.values() if request.source == "timer"]
    assert len(offs) == 2
    world.status(0.0)
    world.wait(600)
    assert len([request for request in world.requested.values() if request.source == "timer"]) == 2


def test_the_off_of_a_duration_waits_for_a_device_that_went_away(world):
    running(world, duration_s=10)
    world.go()
    world.wait(60)
    assert world.state.waiting.held
    world.come()
    assert world.state.sent.request.source == "timer"


def test_a_run_that_was_never_confirmed_is_ended_too(world):
    command_id = world.ask("ON", duration_s=60, timeout_s=5)
    world.approve(command_id, valid_s=1)
    world.wait(6)
    assert world.ends[command_id].outcome == "expired"
    assert world.state.wanted.level == 0.0
    world.wait(55)
    assert world.state.sent.request.source == "timer"


def test_a_later_command_forgets_the_duration_of_the_one_before(world):
    running(world, duration_s=60)
    running(world)
    world.wait(120)
    assert not [request for request in world.requested.values() if request.source == "timer"]


def test_one_that_is_refused_leaves_the_duration_of_the_one_before(world):
    running(world, duration_s=60)
    second = world.ask("ON", duration_s=600)
    world.approve(second)
    world.respond("ON", success=False)
    world.wait(61)
    assert [request.source for request in world.requested.values()] == ["user", "user", "timer"]


def timers_offs(world: World) -> int:
    return len(
        [request for request in world.requested.values() if (request.source, request.action) == ("timer", "OFF")]
    )


def test_a_run_ends_in_time_although_the_last_of_several_tries_was_refused_for_an_earlier_one_may_have_worked(world):
    command_id = world.ask("ON", duration_s=60)
    world.approve(command_id, valid_s=30)
    world.wait(11)
    assert world.tries[command_id][-1].attempt == 2
    world.refuse_downlink(command_id)
    assert world.ends[command_id].outcome == "failed"
    world.status(1.0)
    world.wait(50)
    assert timers_offs(world) == 1


def test_a_run_ends_in_time_although_somebodys_off_before_that_was_lost(world):
    running(world, duration_s=60)
    world.wait(5)
    off = world.ask("OFF", timeout_s=10)
    world.wait(11)
    assert world.ends[off].outcome == "expired"
    world.wait(45)
    assert timers_offs(world) == 1
    world.respond("OFF")
    world.status(0.0)
    world.wait(600)
    assert timers_offs(world) == 1


def test_a_run_ends_in_time_although_two_offs_before_that_were_lost_one_behind_the_other(world):
    running(world, duration_s=60)
    world.ask("OFF")
    world.wait(5)
    world.ask("OFF", timeout_s=10)
    world.wait(56)
    assert timers_offs(world) == 1


def test_an_off_that_worked_needs_no_other_at_the_end_of_the_duration(world):
    running(world, duration_s=60)
    world.ask("OFF")
    world.status(0.0)
    assert (world.state.wanted.off_at, world.state.wanted.run_s) == (0, 0)
    world.wait(600)
    assert timers_offs(world) == 0


def test_an_off_that_is_told_until_it_is_seen_is_so_although_somebodys_own_was_lost_as_well(world):
    running(world, duration_s=10)
    world.wait(41)
    assert timers_offs(world) == 1
    world.ask("OFF", timeout_s=10)
    world.wait(11)
    world.wait(16)
    assert timers_offs(world) == 2


def test_the_end_of_a_run_is_not_taken_back_by_a_policy_that_accepts_what_the_device_does(world):
    world.policy("accept")
    running(world, duration_s=10)
    world.wait(41)
    world.status(1.0)
    world.wait(16)
    assert timers_offs(world) == 2
    assert world.state.wanted.level == 0.0


def test_an_off_that_was_lost_is_asserted_again_although_the_duration_would_end_the_run_later(world):
    world.policy("reassert")
    running(world, duration_s=3600)
    off = world.ask("OFF", timeout_s=10)
    world.wait(11)
    assert world.ends[off].outcome == "expired"
    world.status(1.0)
    world.wait(60)
    assert ("drift", "OFF") in [(request.source, request.action) for request in world.requested.values()]


def test_a_level_that_is_accepted_keeps_the_end_of_the_duration():
    world = World("pwm")
    world.policy("accept")
    command_id = world.ask("PWM", level=0.5, duration_s=60)
    world.approve(command_id)
    world.respond("PWM")
    world.status(0.5)
    world.status(0.8)
    world.wait(5)
    assert world.state.wanted.level == 0.8
    world.wait(56)
    assert timers_offs(world) == 1


# drift


def drifts(world: World) -> list[ShadowDrifted]:
    return [fact for fact in world.facts if isinstance(fact, ShadowDrifted)]


def test_drift_is_said_once_and_settled_when_the_device_comes_back_to_it(world):
    running(world)
    world.wait(60)
    world.status(0.0)
    world.wait(2.9)
    assert drifts(world) == []
    world.wait(0.2)
    assert [(fact.desired, fact.reported, fact.policy) for fact in drifts(world)] == [(1.0, 0.0, "alarm")]
    world.status(0.0)
    world.wait(600)
    assert len(drifts(world)) == 1
    assert kinds(world.status(1.0)) == ["ShadowSettled"]
    assert world.state.drift is None


def test_what_is_not_known_any_more_does_not_drift(world):
    running(world)
    world.status(0.0)
    world.go()
    world.wait(60)
    assert drifts(world) == []


def test_drift_is_asserted_again_three_times_an_hour_and_then_only_said(world):
    world.policy("reassert")
    running(world)
    for _ in range(5):
        world.status(0.0)
        world.wait(4)
        if world.state.waiting is not None:
            world.approve(world.state.waiting.id)
            world.respond("ON")
            world.status(1.0)
        world.wait(10)
    again = [request for request in world.requested.values() if request.source == "drift"]
    assert len(again) == 3
    assert len(drifts(world)) == 4


def test_a_state_that_is_asserted_again_keeps_the_end_of_its_duration(world):
    world.policy("reassert")
    running(world, duration_s=60)
    world.wait(30)
    world.status(0.0)
    world.wait(4)
    again = world.state.waiting.request
    assert (again.source, again.action, again.duration_s) == ("drift", "ON", 27)


def test_drift_is_accepted(world):
    world.policy("accept")
    running(world)
    world.status(0.0)
    world.wait(4)
    settled = world.facts[-1]
    assert isinstance(settled, ShadowSettled)
    assert (settled.desired, settled.how) == (0.0, "accepted")
    assert world.state.wanted.level == 0.0


def test_a_command_makes_drift_a_thing_of_the_past(world):
    running(world)
    world.status(0.0)
    world.wait(4)
    assert world.state.drift is not None
    world.ask("OFF")
    assert world.state.drift is None


def test_an_on_that_nobody_confirmed_is_not_desired_any_more(world):
    command_id = world.ask("ON", timeout_s=5)
    world.approve(command_id)
    world.wait(6)
    world.policy("reassert")
    world.status(0.0)
    world.wait(600)
    assert [request.source for request in world.requested.values()] == ["user"]


def test_every_try_says_until_when_it_may_arrive(world):
    command_id = world.ask("OFF")
    first: CommandDispatched = world.tries[command_id][0]
    assert first.answer_by == world.wall + 10 * US


def test_an_end_says_to_whom_and_when(world):
    world.ask("ON")
    world.wait(2)
    end: CommandEnded = world.ends["c1"]
    assert (end.esp_id, end.gpio, end.kaiser_id, end.correlation_id, end.at) == (
        "ESP_0A1B2C", 25, "god", "c1", world.wall,
    )  # fmt: skip


# deaths amid a decision


def test_an_off_that_was_requested_and_not_sent_before_a_death_is_sent_after_it(world):
    first = running(world)
    world.stored_before_death = 1
    off = world.ask("OFF")
    assert off not in world.tries
    world.wait(2.1)
    assert len(world.tries[off]) == 1
    assert world.ends[first].outcome == "succeeded"


def test_a_drift_that_was_said_and_not_settled_before_a_death_is_settled_after_it(world):
    world.policy("accept")
    running(world)
    world.status(0.0)
    world.stored_before_death = 1
    world.wait(3.1)
    assert world.stored_before_death == 0
    assert isinstance(world.facts[-1], ShadowSettled)
    assert len(drifts(world)) == 1
