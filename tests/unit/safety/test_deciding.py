"""What safety says to a command, rule by rule, and with which values."""

import msgspec
import pytest

from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    ActuatorStopped,
    AtMost,
    CommandApproved,
    CommandRejected,
    DutyCycle,
    Hours,
)
from kaiser.safety.deciding import APPROVAL_HOLDS_US, RULES, decision

from .builders import ESP, FAN, HEATER, LAMP, NOW, PUMP, SECOND, Site


def stopped(site: Site, ref: ActuatorRef) -> None:
    about = {"kaiser_id": "god", "esp_id": ref.esp_id, "gpio": ref.gpio}
    site.event(
        "SAFETY",
        ActuatorStopped(at=site.now, by="kaiser", stop_id="s1", rule="alert x", code="", detail="", **about),
    )


def test_what_nothing_speaks_against_is_clear():
    verdict = Site().ask(PUMP)
    assert verdict.approved
    assert verdict.rule == "clear"
    assert verdict.saw == {"known": True, "on_since": 0}
    assert verdict.max_on_s == 3600
    assert verdict.run_since == NOW
    assert verdict.valid_until == NOW + APPROVAL_HOLDS_US == NOW + 30 * SECOND
    assert (verdict.retry_at, verdict.code, verdict.detail) == (0, "", "")


def test_an_approval_holds_no_longer_than_its_command():
    assert Site().ask(PUMP, deadline_at=NOW + 7).valid_until == NOW + 7


@pytest.mark.parametrize(("action", "level"), [("OFF", 0.0), ("PWM", 0.0)])
def test_off_needs_no_leave_whatever_is_wrong(action, level):
    site = Site(quiet=True)
    site.emergency()
    site.member(standing="rejected", deaf_since=1, lost_at=NOW, actuators={})
    request = site.request(LAMP, action, level)
    verdict = site.decide(request, lease_until=0)
    assert verdict.approved
    assert verdict.rule == "off"
    assert verdict.run_since == 0
    assert verdict.valid_until == request.deadline_at


def test_an_off_whose_deadline_is_over_is_approved_still():
    verdict = Site().ask(PUMP, "OFF", deadline_at=NOW - 5)
    assert verdict.approved
    assert verdict.valid_until == NOW


@pytest.mark.parametrize(("lease_until", "approved"), [(NOW + 1, True), (NOW, False), (0, False)])
def test_without_a_live_lease_nothing_is_switched_on(lease_until, approved):
    site = Site()
    verdict = site.decide(site.request(PUMP), lease_until=lease_until)
    assert verdict.approved is approved
    if not approved:
        assert (verdict.outcome, verdict.rule, verdict.code) == ("rejected", "lease", "SAFETY_UNAVAILABLE")
        assert verdict.saw == {"lease_until": lease_until}


def test_a_command_that_was_superseded_is_not_approved():
    site = Site()
    first = site.request(PUMP)
    site.request(PUMP, "OFF")
    verdict = site.decide(first)
    assert (verdict.rule, verdict.code) == ("command", "COMMAND_ENDED")
    assert verdict.saw["last"] != first.command_id


def test_a_command_that_has_ended_is_not_approved_when_it_is_read_again():
    site = Site()
    request = site.request(PUMP)
    site.end(PUMP, "expired")
    verdict = site.decide(request)
    assert (verdict.rule, verdict.code) == ("command", "COMMAND_ENDED")
    assert verdict.saw == {"last": request.command_id, "ended": True}


def test_a_command_that_was_not_seen_in_the_log_is_not_approved():
    other = Site().request(PUMP)
    assert Site().decide(other).code == "COMMAND_ENDED"


@pytest.mark.parametrize(("late_us", "approved"), [(-1, True), (0, False), (1, False)])
def test_a_command_is_not_approved_after_its_deadline(late_us, approved):
    verdict = Site().ask(PUMP, deadline_at=NOW - late_us)
    assert verdict.approved is approved
    if not approved:
        assert (verdict.rule, verdict.code) == ("command", "COMMAND_EXPIRED")
        assert verdict.saw == {"deadline_at": NOW - late_us}


@pytest.mark.parametrize(
    "scope",
    [
        {"kind": "site"}, {"kind": "kaiser", "kaiser_id": "god"}, {"kind": "zone", "zone_id": "north"},
        {"kind": "device", "esp_id": ESP}, {"kind": "actuator", "esp_id": ESP, "gpio": PUMP.gpio},
    ],
)  # fmt: skip
def test_inside_of_an_emergency_stop_nothing_is_switched_on(scope):
    site = Site()
    site.emergency(**scope)
    verdict = site.ask(PUMP)
    assert (verdict.rule, verdict.code) == ("emergency", "EMERGENCY_ACTIVE")
    assert verdict.saw["emergency_id"] == "e1"
    assert verdict.saw["by"] == "anna"
    assert "smoke" in verdict.detail
    site.release()
    assert site.ask(PUMP).approved


@pytest.mark.parametrize(
    "scope",
    [
        {"kind": "kaiser", "kaiser_id": "other"}, {"kind": "zone", "zone_id": "south"},
        {"kind": "device", "esp_id": "ESP_FFFFFF"}, {"kind": "actuator", "esp_id": ESP, "gpio": LAMP.gpio},
    ],
)  # fmt: skip
def test_outside_of_an_emergency_stop_life_goes_on(scope):
    site = Site()
    site.emergency(**scope)
    assert site.ask(PUMP).approved


def test_a_device_may_be_in_any_of_the_zones_that_are_told_of_it():
    for zones in ({"zone_wanted": "south"}, {"zone_confirmed": "south"}, {"zone_said": "south"}):
        site = Site()
        site.member(**zones)
        site.emergency(kind="zone", zone_id="south")
        assert site.ask(PUMP).code == "EMERGENCY_ACTIVE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"standing": "pending"}, "DEVICE_STATE_FORBIDS"),
        ({"actuators": {}}, "ACTUATOR_NOT_FOUND"),
        ({"lost_at": NOW}, "ESP_OFFLINE"),
        ({"deaf_since": 1}, "DEVICE_DEAF"),
        ({"state": 10}, "SAFE_MODE"),
    ],
)
def test_the_device_has_to_be_there_and_well(changes, code):
    site = Site()
    site.member(**changes)
    verdict = site.ask(PUMP)
    assert (verdict.outcome, verdict.rule, verdict.code) == ("rejected", "device", code)
    assert {"standing", "online", "deaf_since", "state"} <= verdict.saw.keys()


def test_a_device_that_is_not_there_is_told_with_why():
    site = Site()
    site.lose()
    verdict = site.ask(PUMP)
    assert verdict.detail == "the device is not there (last_will)"
    assert (verdict.valid_until, verdict.max_on_s, verdict.run_since) == (0, None, 0)
    site.member(heard_at=0, lost_at=0, lost_because="")
    assert site.ask(PUMP).detail == "the device is not there (never heard)"


def test_of_several_emergency_stops_the_first_is_told():
    site = Site()
    site.emergency(kind="device", esp_id=ESP)
    later = msgspec.structs.replace(site.log[-1][2], emergency_id="e2")
    site.event("SAFETY", later)
    assert site.ask(PUMP).saw["emergency_id"] == "e1"


def test_the_worst_about_a_device_is_told_first():
    site = Site()
    expected = ["SAFE_MODE", "DEVICE_DEAF", "ESP_OFFLINE", "ACTUATOR_NOT_FOUND", "DEVICE_STATE_FORBIDS"]
    changes = [{"state": 11}, {"deaf_since": 1}, {"lost_at": NOW}, {"actuators": {}}, {"standing": "retired"}]
    for code, change in zip(expected, changes, strict=True):
        site.member(**change)
        assert site.ask(PUMP).code == code


def test_a_command_that_waits_for_its_device_is_decided_when_that_comes_back():
    site = Site()
    site.lose()
    request = site.request(PUMP, held_until=NOW + 30 * SECOND)
    verdict = site.decide(request)
    assert (verdict.outcome, verdict.code, verdict.retry_at) == ("deferred", "ESP_OFFLINE", NOW + 30 * SECOND)
    assert not verdict.approved
    site.after(10).come_back()
    assert site.decide(request).approved


@pytest.mark.parametrize(("held_s", "outcome"), [(10, "rejected"), (10.000001, "deferred")])
def test_a_command_waits_no_longer_than_it_was_told(held_s, outcome):
    site = Site()
    site.lose()
    request = site.request(PUMP, held_until=NOW + round(held_s * SECOND))
    assert site.after(10).decide(request).outcome == outcome


def test_a_command_waits_for_nothing_but_its_device():
    site = Site()
    site.member(deaf_since=1)
    assert site.decide(site.request(PUMP, held_until=NOW + 30 * SECOND)).outcome == "rejected"


def test_what_was_stopped_stays_off_until_it_says_so():
    site = Site()
    stopped(site, PUMP)
    verdict = site.ask(PUMP)
    assert (verdict.rule, verdict.code) == ("stop", "STATE_UNKNOWN")
    assert verdict.saw == {"stop_id": "s1", "at": NOW, "by_rule": "alert x"}
    site.after(1).status(PUMP, 0.0)
    assert site.watch(PUMP) == "confirmed"
    assert site.ask(PUMP).approved


def test_what_was_on_when_its_device_vanished_is_made_safe_before_anything_else():
    site = Site()
    site.switch(PUMP)
    site.after(10).lose()
    site.after(10).come_back()
    verdict = site.ask(PUMP)
    assert (verdict.rule, verdict.code) == ("stop", "STATE_UNKNOWN")
    assert verdict.saw == {"on_since": NOW}


def test_what_must_not_stop_may_go_on_after_its_device_was_away():
    site = Site()
    site.limits(PUMP, when_safety_is_silent="hold")
    site.switch(PUMP)
    site.after(10).lose()
    site.after(10).come_back()
    assert site.ask(PUMP).approved


def test_types_and_levels_are_checked_by_what_is_wanted_of_the_device():
    site = Site()
    assert site.ask(PUMP, "PWM", 0.5).code == "COMMAND_NOT_FOR_TYPE"
    assert site.ask(FAN, "PWM", 0.5).approved
    site.limits(LAMP, max_level=0.8)
    verdict = site.ask(LAMP, "ON")
    assert (verdict.rule, verdict.code) == ("level", "LEVEL_NOT_ALLOWED")
    assert verdict.saw == {"level": 1.0, "min_level": 0.0, "max_level": 0.8}
    assert site.ask(LAMP, "PWM", 0.8).approved


def test_outside_of_its_hours_an_actuator_is_not_switched_on():
    site = Site()
    site.limits(PUMP, allowed_hours=(Hours("00:00", "00:01"),))
    verdict = site.ask(PUMP)
    assert (verdict.rule, verdict.code) == ("allowed_hours", "OUTSIDE_ALLOWED_HOURS")
    assert verdict.retry_at > NOW


def test_a_run_that_would_be_too_long_is_not_begun():
    site = Site()
    assert site.ask(PUMP, duration_s=3601).code == "RUN_TOO_LONG"
    assert site.ask(PUMP, duration_s=3600).approved


def test_where_nobody_set_limits_the_equipment_names_the_longest_run():
    site = Site()
    wanted = WantedActuator(gpio=PUMP.gpio, actuator_type="pump", name="pump", max_runtime_s=60)
    site.member(actuators={PUMP.gpio: wanted})
    assert site.ask(PUMP, duration_s=61).code == "RUN_TOO_LONG"
    site.limits(PUMP, max_on_s=90)
    assert site.ask(PUMP, duration_s=90).approved


def test_another_command_goes_on_with_the_run_and_does_not_begin_it_anew():
    site = Site()
    site.limits(LAMP, max_on_s=60, min_off_s=600, starts_per_hour=1)
    site.switch(LAMP)
    verdict = site.after(40).switch(LAMP, "PWM", 0.5)
    assert verdict.approved
    assert verdict.run_since == NOW
    assert verdict.max_on_s == 20
    assert site.after(10).ask(LAMP, "PWM", 0.3, duration_s=11).code == "RUN_TOO_LONG"
    assert site.after(10).ask(LAMP, "PWM", 0.3).code == "RUN_TOO_LONG"
    assert len(site.state.guard(LAMP).starts) == 1


def test_without_a_longest_run_an_approval_names_none():
    site = Site()
    site.limits(PUMP, max_on_s=None)
    assert site.ask(PUMP, duration_s=86_400).max_on_s is None


def test_a_pause_is_kept_between_two_runs():
    site = Site()
    site.limits(PUMP, min_off_s=30)
    assert site.switch(PUMP).approved
    site.after(10).switch(PUMP, "OFF")
    verdict = site.after(29).ask(PUMP)
    assert (verdict.rule, verdict.code) == ("min_off", "COOLING_DOWN")
    assert verdict.retry_at == NOW + 40 * SECOND
    assert site.after(1).ask(PUMP).approved


def test_a_pause_that_cannot_be_told_is_not_over():
    site = Site(quiet=True)
    site.limits(PUMP, min_off_s=30)
    assert site.ask(PUMP).code == "STATE_UNKNOWN"
    site.limits(PUMP)
    assert site.ask(PUMP).approved


def test_a_command_that_the_device_refused_costs_no_pause():
    site = Site()
    site.limits(PUMP, min_off_s=600)
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).end(PUMP, "failed", code="COMMAND_REFUSED")
    site.after(1).status(PUMP, 0.0)
    assert site.ask(PUMP).approved


def test_starts_are_counted_but_not_changes_of_a_level():
    site = Site()
    site.limits(LAMP, starts_per_hour=2)
    for _ in range(2):
        assert site.after(10).switch(LAMP).approved
        assert site.after(10).switch(LAMP, "PWM", 0.4).approved
        site.after(10).switch(LAMP, "OFF")
    verdict = site.after(10).ask(LAMP)
    assert (verdict.rule, verdict.code) == ("starts_per_hour", "TOO_MANY_STARTS")
    assert verdict.saw == {"starts_per_hour": 2, "starts": 2}
    assert verdict.retry_at == NOW + 3610 * SECOND


def test_starts_by_somebody_else_count():
    site = Site()
    site.limits(PUMP, starts_per_hour=1)
    site.status(PUMP, 1.0)
    site.after(10).status(PUMP, 0.0)
    assert site.after(10).ask(PUMP).code == "TOO_MANY_STARTS"


def test_a_share_of_time_is_kept():
    site = Site()
    site.limits(PUMP, duty_cycle=DutyCycle(0.5, 100))
    site.switch(PUMP)
    site.after(50).switch(PUMP, "OFF")
    verdict = site.after(10).ask(PUMP)
    assert (verdict.rule, verdict.code) == ("duty_cycle", "DUTY_CYCLE_EXCEEDED")
    assert verdict.saw["on_s"] == 50
    assert site.after(41).ask(PUMP).approved


def test_an_interlock_rejects_and_is_named():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)), "pump-or-heater")
    site.switch(HEATER)
    verdict = site.ask(PUMP)
    assert (verdict.rule, verdict.code) == ("interlock pump-or-heater", "INTERLOCKED")
    assert verdict.saw == {"most": 1, "on": [f"{ESP}/27"], "unknown": []}


def test_the_rules_object_in_the_order_of_how_much_they_matter():
    site = Site()
    full_of_faults = {"duration_s": 99, "deadline_at": NOW - 1}
    site.limits(
        LAMP,
        max_level=0.1,
        max_on_s=10,
        min_off_s=86_400,
        starts_per_hour=1,
        duty_cycle=DutyCycle(0.01, 3600),
        allowed_hours=(Hours("00:00", "00:01"),),
    )
    site.interlock(AtMost(1, (LAMP, HEATER)))
    site.switch(HEATER)
    site.status(LAMP, 1.0)
    site.after(60).status(LAMP, 0.0)
    stopped(site, LAMP)
    site.member(deaf_since=1)
    site.emergency()
    rules = [site.decide(request := site.request(LAMP, **full_of_faults), lease_until=0).rule]
    rules.append(site.decide(request).rule)
    request = site.request(LAMP, duration_s=99)
    rules.append(site.decide(request).rule)
    hours = {"allowed_hours": (Hours("00:00", "00:01"),)}
    duty = {"duty_cycle": DutyCycle(0.01, 3600)}
    for mend in (
        site.release,
        lambda: site.member(deaf_since=0),
        lambda: (site.after(1), site.status(LAMP, 0.0), site.watch(LAMP)),
        lambda: site.limits(LAMP, max_on_s=10, min_off_s=86_400, starts_per_hour=1, **duty, **hours),
        lambda: site.limits(LAMP, max_on_s=10, min_off_s=86_400, starts_per_hour=1, **duty),
        lambda: site.limits(LAMP, min_off_s=86_400, starts_per_hour=1, **duty),
        lambda: site.limits(LAMP, starts_per_hour=1, **duty),
        lambda: site.limits(LAMP, **duty),
        lambda: site.limits(LAMP),
        lambda: site.interlock(None),
    ):
        mend()
        rules.append(site.decide(request).rule)
    assert rules == [
        "lease", "command", "emergency", "device", "stop", "level", "allowed_hours", "max_on", "min_off",
        "starts_per_hour", "duty_cycle", "interlock x", "clear",
    ]  # fmt: skip
    assert len(RULES) == 12


def test_a_verdict_becomes_the_event_that_says_it_all():
    site = Site()
    request = site.request(PUMP)
    seq = site.seqs["ACTUATORS"]
    event = decision(site.decide(request), request, seq, site.now)
    assert isinstance(event, CommandApproved)
    assert (event.command_id, event.esp_id, event.gpio, event.action, event.level) == (
        request.command_id, ESP, 25, "ON", 1.0,
    )  # fmt: skip
    assert (event.request_seq, event.run_since, event.correlation_id) == (seq, NOW, request.correlation_id)
    assert (event.at, event.by, event.rule, event.max_on_s) == (NOW, "kaiser", "clear", 3600)
    assert event.valid_until == NOW + APPROVAL_HOLDS_US
    site.emergency()
    refused = decision(site.decide(request), request, seq, site.now)
    assert isinstance(refused, CommandRejected)
    assert (refused.rule, refused.code, refused.request_seq) == ("emergency", "EMERGENCY_ACTIVE", seq)
    assert refused.saw["emergency_id"] == "e1"
    assert refused.detail


def test_a_rejection_says_when_to_try_again():
    site = Site()
    site.limits(PUMP, min_off_s=7200)
    request = site.request(PUMP)
    refused = decision(site.decide(request), request, 1, NOW)
    assert isinstance(refused, CommandRejected)
    assert refused.retry_at == NOW + 3600 * SECOND


def test_the_same_state_and_command_give_the_same_verdict():
    site = Site()
    request = site.request(PUMP)
    before = site.state.encode_all()
    assert site.decide(request) == site.decide(request)
    assert site.state.encode_all() == before
