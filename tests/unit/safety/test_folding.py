"""What events change in what is known, each stream by itself."""

import random

import msgspec
import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandDispatched, CommandEnded
from kaiser.contracts.events.safeguards import AtMost, OnlyWhile, PowerBudget, SensorBand, StopConfirmed
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member
from kaiser.safety.folding import fold_actuators, fold_member, fold_readings, fold_safety
from kaiser.safety.outputs import IN_FLIGHT_US, MOST_RUNS, REMEMBERED_US, commanded, level_of, reported
from kaiser.safety.state import Output, Run, State

from .builders import ESP, FAN, HEATER, LAMP, NOW, PUMP, SECOND, SENSOR, Site


@pytest.mark.parametrize(
    ("kind", "state", "pwm", "level"),
    [
        ("pump", True, 255, 1.0), ("pump", False, 0, 0.0), ("relay", True, None, 1.0), ("relay", False, 255, 0.0),
        ("pwm", True, 255, 1.0), ("pwm", True, 51, 0.2), ("pwm", False, 0, 0.0), ("pwm", True, None, 1.0),
        ("pwm", True, 0, 1 / 255), ("pwm", False, 51, 0.2), ("pwm", False, None, 0.0),
        ("valve", True, 254, 1.0), ("valve", True, 127, 0.5), ("valve", False, 0, 0.0), ("valve", True, 255, 1.0),
        ("valve", True, 0, 0.5), ("pump", None, 255, None), ("pwm", None, None, None),
    ],
)  # fmt: skip
def test_a_status_tells_a_level_as_its_type_does(kind, state, pwm, level):
    status = ActuatorStatus(esp_id=ESP, ts=0, gpio=1, actuator_type=kind, state=state, pwm=pwm)
    assert level_of(status) == level


def test_an_actuator_of_which_nothing_was_heard_may_be_on():
    view = State().view(PUMP)
    assert view.possible
    assert not view.known
    assert not view.evident
    assert view.level == 1.0
    assert not view.sure


def test_a_run_begins_with_the_approval_and_ends_with_the_status_after_the_end():
    site = Site()
    site.ask(PUMP)
    assert (site.view(PUMP).possible, site.view(PUMP).evident, site.view(PUMP).since) == (True, True, NOW)
    site.after(1).dispatch(PUMP)
    assert site.view(PUMP).since == NOW + SECOND
    site.after(9).status(PUMP, 0.0)
    assert site.view(PUMP).possible
    site.end(PUMP, "failed", code="COMMAND_UNVERIFIED")
    assert site.view(PUMP).possible
    assert site.view(PUMP).since == NOW + SECOND
    site.after(1).status(PUMP, 0.0)
    assert not site.view(PUMP).possible
    assert site.view(PUMP).since == 0
    assert site.state.output(PUMP).runs == (Run(NOW + SECOND, NOW + 11 * SECOND),)


def test_an_off_that_the_device_said_before_it_went_on_and_that_came_later_proves_nothing():
    site = Site()
    site.switch(PUMP)
    site.after(1).status(PUMP, 1.0, ts=1000)
    run = site.view(PUMP).since
    for ts in (999, 940, 1000):
        site.after(1).status(PUMP, 0.0, ts=ts)
        assert (site.view(PUMP).possible, site.view(PUMP).known, site.view(PUMP).since) == (True, True, run), ts
        assert site.state.output(PUMP).level == 1.0
    site.after(1).status(PUMP, 1.0, ts=990)
    site.after(1).status(PUMP, 0.0, ts=995)
    assert site.view(PUMP).possible, "a late on does not make an off of before it true"
    site.after(1).status(PUMP, 0.0, ts=1001)
    assert not site.view(PUMP).possible


def test_nothing_rests_on_an_on_that_the_device_said_before_it_went_off_and_that_came_later():
    site = Site()
    site.interlock(OnlyWhile(LAMP, PUMP), "lamp needs pump")
    site.status(PUMP, 1.0, ts=1000)
    assert site.view(PUMP).sure
    site.after(1).status(PUMP, 0.0, ts=1002)
    site.after(1).status(PUMP, 1.0, ts=1001)
    assert (site.view(PUMP).possible, site.view(PUMP).sure) == (True, False)
    assert site.ask(LAMP, "PWM", 0.5).code == Code.INTERLOCKED
    site.after(1).status(PUMP, 1.0, ts=1003)
    assert site.view(PUMP).sure
    assert site.view(PUMP).sure_since == site.now
    site.after(1).status(PUMP, 1.0, ts=1001)
    assert site.view(PUMP).sure, "what it said since holds"


@pytest.mark.parametrize("ts", [0, 939, 1], ids=["not-set", "set-back", "set-back-far"])
def test_an_off_of_a_clock_that_is_not_set_or_was_set_back_counts(ts):
    site = Site()
    site.switch(PUMP)
    site.after(1).status(PUMP, 1.0, ts=1000)
    site.after(1).status(PUMP, 0.0, ts=ts)
    assert not site.view(PUMP).possible
    assert site.state.output(PUMP).said_ts == (ts or 1000)


def test_an_off_within_the_second_of_an_on_counts_where_it_was_told_to_go_off():
    site = Site()
    site.switch(PUMP)
    site.after(1).status(PUMP, 1.0, ts=1000)
    site.ask(PUMP, "OFF")
    site.dispatch(PUMP)
    site.status(PUMP, 0.0, ts=1000)
    assert not site.view(PUMP).possible
    for _ in range(2):  # what is off says so as often as it likes
        site.status(PUMP, 0.0, ts=1000)
        assert site.state.output(PUMP).level == 0.0


def test_another_off_within_the_second_of_an_off_counts_whatever_was_asked_for_meanwhile():
    site = Site()
    site.status(PUMP, 0.0, ts=1000)
    site.ask(PUMP)
    site.after(1).status(PUMP, 0.0, ts=1000)
    assert site.state.output(PUMP).reported_at == site.now


def test_a_try_of_another_command_or_of_one_that_has_ended_sends_nothing_again():
    """Another one's is of a command that was overtaken; the log has it where two instances wrote at a time."""
    sent = Output(
        command_id="c2", command_level=1.0, dispatched=True, sent_id="c2", sent_open=True, sent_at=5, ended=False
    )
    over = msgspec.structs.replace(sent, sent_open=False, ended=True)
    place = {"kaiser_id": "god", "esp_id": ESP, "gpio": 1, "correlation_id": "-"}
    for output, command_id in ((sent, "c1"), (over, "c2")):
        again = CommandDispatched(**place, at=9, command_id=command_id, attempt=2, answer_by=10)
        assert commanded(output, again, 1) == output


def test_an_approved_command_that_was_never_sent_switched_nothing_on():
    site = Site()
    site.ask(PUMP)
    site.after(1).end(PUMP, "superseded")
    assert not site.view(PUMP).possible
    assert site.state.output(PUMP).runs == ()


def test_a_newer_request_takes_the_place_of_an_approval():
    site = Site()
    site.ask(PUMP)
    site.after(1).request(PUMP, "OFF")
    assert not site.view(PUMP).possible


def test_an_approval_of_a_request_that_was_not_read_yet_may_have_done_anything():
    site, behind = Site(), Site()
    site.ask(PUMP)
    for stream, seq, event in site.log:
        if stream == "SAFETY":
            fold_safety(behind.state, seq, event)
    assert behind.view(PUMP).evident
    assert behind.view(PUMP).since == NOW


def test_the_run_is_over_only_when_a_command_that_was_overtaken_cannot_arrive_any_more():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).end(PUMP, "superseded")
    site.ask(PUMP, "OFF")
    site.dispatch(PUMP)
    site.status(PUMP, 0.0)
    assert site.view(PUMP).possible
    site.after(8.999999).status(PUMP, 0.0)
    assert site.view(PUMP).possible
    site.after(0.000001).status(PUMP, 0.0)
    assert not site.view(PUMP).possible
    assert IN_FLIGHT_US == 10 * SECOND


def test_a_command_that_was_answered_is_not_in_flight():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).acknowledge(PUMP)
    site.end(PUMP, "superseded")
    site.status(PUMP, 0.0)
    assert not site.view(PUMP).possible


def test_a_command_that_is_sent_again_is_in_flight_again():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).acknowledge(PUMP)
    site.after(1).dispatch(PUMP)
    site.after(1).end(PUMP, "superseded")
    site.status(PUMP, 0.0)
    assert site.view(PUMP).possible


def test_what_is_under_way_stays_so_when_a_later_request_is_rejected():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    first = site.about(PUMP)
    site.after(1).request(PUMP, "ON")
    site.end(PUMP, "rejected", code="TOO_MANY_STARTS")
    site.after(15).status(PUMP, 0.0)
    assert site.view(PUMP).possible
    again = CommandDispatched(**(first | {"at": site.now}), attempt=2, answer_by=site.now + 10 * SECOND)
    site.event("ACTUATORS", again)
    site.event("ACTUATORS", CommandEnded(**(first | {"at": site.now}), outcome="expired", code="COMMAND_EXPIRED"))
    site.after(1).status(PUMP, 0.0)
    assert site.view(PUMP).possible
    site.after(10).status(PUMP, 0.0)
    assert not site.view(PUMP).possible


def test_an_answer_to_off_says_nothing_about_what_was_sent_before():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.request(PUMP, "OFF")
    site.acknowledge(PUMP)
    site.after(1).status(PUMP, 0.0)
    assert site.view(PUMP).possible


def test_a_command_that_the_device_refused_was_no_run():
    for code in ("COMMAND_REFUSED", "PUBLISH_FAILED", "DOWNLINK_FORBIDDEN", "DOWNLINK_EXPIRED"):
        site = Site()
        off_since = site.state.output(PUMP).off_since
        site.ask(PUMP)
        site.dispatch(PUMP)
        site.after(1).end(PUMP, "failed", code=code)
        assert site.view(PUMP).possible
        site.after(1).status(PUMP, 0.0)
        assert not site.view(PUMP).possible
        assert site.state.output(PUMP).runs == ()
        assert site.state.output(PUMP).off_since == off_since
        assert not site.state.output(PUMP).refused


def test_a_command_that_failed_otherwise_may_have_run():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(11).end(PUMP, "failed", code="COMMAND_UNVERIFIED")
    site.status(PUMP, 0.0)
    assert site.state.output(PUMP).runs == (Run(NOW, NOW + 11 * SECOND),)
    assert site.state.output(PUMP).off_since == NOW + 11 * SECOND


def test_a_refusal_undoes_no_command_before_it():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).end(PUMP, "expired")
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).end(PUMP, "failed", code="COMMAND_REFUSED")
    site.after(10).status(PUMP, 0.0)
    assert site.state.output(PUMP).runs == (Run(NOW, NOW + 12 * SECOND),)


def test_an_off_that_was_refused_undoes_no_run():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.end(PUMP, "superseded")
    site.ask(PUMP, "OFF")
    site.dispatch(PUMP)
    site.end(PUMP, "failed", code="COMMAND_REFUSED")
    assert not site.state.output(PUMP).refused
    assert site.state.output(PUMP).dispatched
    site.after(11).status(PUMP, 0.0)
    assert site.state.output(PUMP).runs == (Run(NOW, NOW + 11 * SECOND),)


def test_only_the_open_command_is_put_on_its_way():
    site = Site()
    site.ask(PUMP)
    before = site.state.output(PUMP)
    other = CommandDispatched(**site.about(PUMP, "other"), attempt=1, answer_by=NOW)
    site.event("ACTUATORS", other)
    assert site.state.output(PUMP) == before
    site.end(PUMP, "cancelled")
    ended = site.state.output(PUMP)
    site.dispatch(PUMP)
    assert site.state.output(PUMP) == ended


def test_a_refusal_within_a_run_does_not_undo_it():
    site = Site()
    site.switch(LAMP)
    site.after(10).ask(LAMP, "PWM", 0.5)
    site.dispatch(LAMP)
    site.end(LAMP, "failed", code="COMMAND_REFUSED")
    assert site.view(LAMP).since == NOW
    site.after(10).status(LAMP, 0.0)
    assert site.state.output(LAMP).runs == (Run(NOW, NOW + 20 * SECOND),)


def test_a_refused_command_that_a_status_belies_was_a_run():
    site = Site()
    site.ask(PUMP)
    site.dispatch(PUMP)
    site.after(1).end(PUMP, "failed", code="COMMAND_REFUSED")
    site.after(1).status(PUMP, 1.0)
    site.after(1).status(PUMP, 0.0)
    assert site.state.output(PUMP).runs == (Run(NOW, NOW + 3 * SECOND),)


def test_a_run_is_as_old_as_the_first_that_is_known_of_it():
    site = Site()
    site.ask(PUMP)
    site.after(1).status(PUMP, 1.0)
    assert site.view(PUMP).since == NOW


def test_the_very_first_request_of_a_log_counts():
    site = Site(quiet=True)
    site.ask(PUMP)
    assert site.state.guard(PUMP).approved_seq == 1
    assert site.view(PUMP).evident


def test_what_somebody_else_switched_on_is_on_since_its_first_status():
    site = Site()
    site.status(PUMP, 1.0)
    site.after(30).status(PUMP, 1.0)
    view = site.view(PUMP)
    assert (view.evident, view.since, view.sure, view.sure_since) == (True, NOW, True, NOW)
    site.after(30).status(PUMP, 0.0)
    assert not site.view(PUMP).possible
    assert site.state.output(PUMP).off_since == NOW + 60 * SECOND
    site.after(30).status(PUMP, 0.0)
    assert site.state.output(PUMP).off_since == NOW + 60 * SECOND


def test_a_device_that_does_not_know_ends_no_run():
    site = Site()
    site.switch(PUMP)
    site.after(1).status(PUMP, None)
    view = site.view(PUMP)
    assert (view.known, view.possible, view.since, view.sure) == (False, True, NOW, False)
    site.after(1).status(PUMP, 1.0)
    assert site.view(PUMP).sure_since == NOW + 2 * SECOND
    assert site.view(PUMP).since == NOW


@pytest.mark.parametrize("fact", ["lost_at", "booted_at"])
def test_a_status_from_before_its_device_was_away_says_nothing(fact):
    site = Site()
    site.after(1).member(**{fact: site.now})
    site.after(1).come_back()
    view = site.view(PUMP)
    assert (view.known, view.possible, view.evident, view.level) == (False, True, False, 1.0)
    site.after(1).status(PUMP, 0.0)
    assert site.view(PUMP).known
    assert not site.view(PUMP).possible


def test_while_its_device_is_away_nothing_is_known():
    site = Site()
    site.after(1).lose()
    assert site.view(PUMP).possible
    assert not site.view(PUMP).known
    assert site.view(PUMP).sure_since == 0


def test_a_run_is_interrupted_by_the_absence_of_its_device_and_not_by_one_before():
    site = Site()
    site.lose()
    site.come_back()
    site.after(1).come_back()
    site.after(1).status(PUMP, 0.0)
    site.switch(PUMP)
    assert not site.view(PUMP).interrupted
    site.lose()
    assert site.view(PUMP).interrupted
    site.after(1).come_back()
    site.status(PUMP, 1.0)
    assert site.view(PUMP).interrupted
    site.after(1).status(PUMP, 0.0)
    assert not site.view(PUMP).interrupted


def test_the_level_is_the_highest_that_it_may_be_at():
    site = Site()
    site.limits(LAMP, power_w=100)
    site.switch(LAMP, "PWM", 0.6)
    assert site.view(LAMP).level == pytest.approx(0.6)
    site.after(1).ask(LAMP, "PWM", 0.9)
    assert site.view(LAMP).level == pytest.approx(0.9)
    site.dispatch(LAMP)
    assert site.view(LAMP).level == pytest.approx(0.9)
    site.status(LAMP, 0.9)
    site.end(LAMP)
    site.after(1).ask(LAMP, "PWM", 0.2)
    assert site.view(LAMP).level == pytest.approx(0.9, abs=0.01)
    site.dispatch(LAMP)
    site.status(LAMP, 0.2)
    site.end(LAMP)
    site.after(9.9).status(LAMP, 0.2)
    assert site.view(LAMP).level == pytest.approx(0.9)
    site.after(0.1).status(LAMP, 0.2)
    assert site.view(LAMP).level == pytest.approx(0.2)
    assert (site.view(LAMP).draw_mw, site.view(LAMP).evident_mw) == (20_000, 20_000)
    site.after(1).lose()
    assert (site.view(LAMP).draw_mw, site.view(LAMP).evident_mw) == (100_000, 20_000)


def test_an_actuator_that_is_off_draws_nothing():
    site = Site()
    site.limits(LAMP, power_w=100)
    assert (site.view(LAMP).draw_mw, site.view(LAMP).evident_mw) == (0, 0)
    site.lose()
    assert (site.view(LAMP).draw_mw, site.view(LAMP).evident_mw) == (100_000, 0)


def test_a_stop_is_open_until_that_very_stop_is_confirmed():
    site = Site()
    site.limits(PUMP, max_on_s=10)
    site.switch(PUMP)
    assert site.after(10).watch(PUMP) == "stopped by max_on"
    stop = site.state.guard(PUMP).stop
    assert stop is not None
    assert (stop.at, stop.rule, stop.seq) == (site.now, "max_on", site.seqs["SAFETY"])
    assert not site.view(PUMP).sure
    confirmation = StopConfirmed(at=site.now, by="", stop_id="other", esp_id=ESP, gpio=PUMP.gpio, tries=1)
    site.event("SAFETY", confirmation)
    assert site.state.guard(PUMP).stop == stop
    site.after(1).status(PUMP, 0.0)
    assert site.watch(PUMP) == "confirmed"
    assert site.state.guard(PUMP).stop is None
    site.event("SAFETY", confirmation)
    assert site.state.guard(PUMP).stop is None


def test_another_emergency_of_the_same_id_is_the_same_one():
    site = Site()
    site.emergency()
    site.after(5).emergency(kind="device", esp_id=ESP)
    assert site.state.latches["e1"].request.at == NOW
    site.release()
    assert site.state.latches == {}


def test_only_the_starts_of_an_hour_are_kept():
    site = Site()
    for _ in range(3):
        site.switch(PUMP)
        site.after(60).switch(PUMP, "OFF")
        site.after(1790).status(PUMP, 0.0)
    assert [at - NOW for at in site.state.guard(PUMP).starts] == [1850 * SECOND, 3700 * SECOND]


def test_a_start_is_forgotten_after_exactly_an_hour():
    site = Site()
    site.switch(PUMP)
    site.after(60).switch(PUMP, "OFF")
    site.after(3540).switch(PUMP)
    assert site.state.guard(PUMP).starts == (NOW + 3600 * SECOND,)


def test_an_off_ends_what_was_approved_before():
    site = Site()
    site.switch(PUMP)
    site.after(1).ask(PUMP, "OFF")
    guard = site.state.guard(PUMP)
    assert (guard.approved_seq, guard.run_since, guard.approved_level) == (0, 0, 0.0)


def test_runs_are_kept_for_a_week():
    output = Output(runs=(Run(1, NOW - REMEMBERED_US), Run(2, NOW - REMEMBERED_US + 1)), on_since=NOW - 5)
    off = ActuatorStatus(esp_id=ESP, ts=0, gpio=1, actuator_type="pump", state=False)
    assert reported(output, off, NOW).runs == (Run(2, NOW - REMEMBERED_US + 1), Run(NOW - 5, NOW))


def test_of_too_many_runs_the_oldest_two_become_one():
    runs = tuple(Run(NOW + i * 10, NOW + i * 10 + 5) for i in range(MOST_RUNS))
    off = ActuatorStatus(esp_id=ESP, ts=0, gpio=1, actuator_type="pump", state=False)
    after = reported(Output(runs=runs, on_since=NOW + 10**6), off, NOW + 10**6 + 7)
    assert len(after.runs) == MOST_RUNS == 2000
    assert len(reported(Output(runs=runs[1:], on_since=NOW + 10**6), off, NOW + 10**6 + 7).runs) == MOST_RUNS
    assert reported(Output(runs=runs[1:], on_since=NOW + 10**6), off, NOW + 10**6 + 7).runs[0] == runs[1]
    assert REMEMBERED_US == 7 * 86_400 * SECOND
    assert after.runs[0] == Run(NOW, NOW + 15)
    assert after.runs[-1] == Run(NOW + 10**6, NOW + 10**6 + 7)


def full() -> Site:
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)), "a")
    site.interlock(OnlyWhile(HEATER, FAN, 1), "b")
    site.interlock(PowerBudget("north", 100), "c")
    site.interlock(SensorBand(LAMP, SENSOR, 5, 30), "d")
    site.limits(PUMP, max_on_s=30)
    site.reading(20)
    site.switch(PUMP)
    site.after(30).watch(PUMP)
    site.after(1).status(PUMP, 0.0)
    site.watch(PUMP)
    site.emergency(kind="zone", zone_id="north")
    site.member(zone_wanted="south")
    site.after(1).lose()
    site.ask(LAMP, "PWM", 0.5)
    return site


def folds(state: State, stream: str, seq: int, event: object) -> None:
    if stream == "roster":
        assert isinstance(event, Member)
        fold_member(state, event)
    else:
        {"ACTUATORS": fold_actuators, "SAFETY": fold_safety, "TELEMETRY": fold_readings}[stream](state, seq, event)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_streams_may_be_read_in_any_order_between_them_and_twice(seed):
    site, rng, state = full(), random.Random(seed), State()
    lanes: dict[str, list] = {}
    for entry in site.log:
        lanes.setdefault(entry[0], []).append(entry)
    while lanes:
        stream = rng.choice(sorted(lanes))
        folds(state, *lanes[stream][0])
        if stream != "roster" and rng.random() < 0.3:
            read = [entry for entry in site.log if entry[0] == stream and entry[1] <= lanes[stream][0][1]]
            folds(state, *rng.choice(read))
        lanes[stream].pop(0)
        if not lanes[stream]:
            del lanes[stream]
    assert state.encode_all() == site.state.encode_all()


def test_a_copy_goes_on_apart():
    site = full()
    before = site.state.encode_all()
    site.state.copy().outputs.clear()
    copy = site.state.copy()
    assert copy.encode_all() == before
    fold_safety(copy, 999, msgspec.structs.replace(site.log[-1][2]))
    assert site.state.encode_all() == before


def test_what_is_derived_is_what_would_be_derived_from_all_at_once():
    site = full()
    assert site.state.zones.keys() == {"north", "south"}
    assert site.state.zones["south"] == frozenset({PUMP, LAMP, HEATER, FAN})
    site.member(zone_wanted="")
    assert site.state.zones.keys() == {"north"}
    assert site.state.dependants == {
        PUMP: frozenset({HEATER}), HEATER: frozenset({PUMP}), FAN: frozenset({HEATER}),
    }  # fmt: skip
    assert [each for each, _ in site.state.rules_of[HEATER]] == ["a", "b"]
    site.interlock(None, "a")
    assert [each for each, _ in site.state.rules_of[HEATER]] == ["b"]
    assert PUMP not in site.state.rules_of


def test_an_actuator_that_is_only_wanted_is_known():
    state = State()
    site = Site(quiet=True)
    fold_member(state, site.state.member(ESP))
    assert sorted(state.actuators()) == sorted([PUMP, LAMP, HEATER, FAN])
    assert state.zones["north"] == frozenset({PUMP, LAMP, HEATER, FAN})


def test_an_actuator_that_nobody_wants_is_known_by_what_it_says():
    site = Site()
    odd = msgspec.structs.replace(PUMP, gpio=2)
    site.status(odd, 1.0)
    assert odd in site.state.actuators()
    assert odd in site.state.zones["north"]


def test_an_event_says_whom_it_concerns():
    site = Site()
    request = site.request(PUMP)
    assert fold_actuators(site.state, 999, request) == (PUMP,)
    assert fold_actuators(site.state, 999, request) == ()
    site.interlock(SensorBand(LAMP, SENSOR, 5, 30))
    site.reading(20)
    assert fold_readings(site.state, 999, site.log[-1][2]) == {LAMP}
    assert fold_member(site.state, site.state.member(ESP)) == {PUMP, LAMP, HEATER, FAN}
    site.emergency(kind="actuator", esp_id=ESP, gpio=26)
    assert fold_safety(site.state, 999, site.log[-1][2]) == (LAMP,)
    assert fold_actuators(site.state, 1000, object()) == ()
    assert site.state.seqs["ACTUATORS"] == 1000
