"""Thousands of interleavings of commands, statuses, readings, stops, losses, restarts and time, with all invariants."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, OnlyWhile, PowerBudget, SensorBand
from kaiser.safety.folding import fold_member
from kaiser.safety.latching import unconfirmed
from kaiser.safety.state import State
from kaiser.safety.watching import EMERGENCY_GRACE_US, concerned, confirmed, due, look, stopped

from .builders import ESP, FAN, FOLDS, HEATER, LAMP, PUMP, SECOND, SENSOR, Site

REFS = (PUMP, LAMP, HEATER, FAN)
IN_FLIGHT_S = 9
"""Messages arrive or are lost within that; see ``IN_FLIGHT_US``."""

PUMP_MAX_S, OTHERS_MAX_S = 60, 200

refs = st.sampled_from(REFS)


class Greenhouse(RuleBasedStateMachine):
    """Safety's state beside a plant that obeys late, or not at all.

    Never the pump with the lamp; the heater only while the fan is on; the lamp only while it is cool; 1000 W in all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.site = Site()
        self.on = dict.fromkeys(REFS, False)
        self.on_since = dict.fromkeys(REFS, 0)
        self.sent: dict[ActuatorRef, list[tuple[float, int]]] = {ref: [] for ref in REFS}
        self.linked = True
        self.approved_in_emergency: list[str] = []
        self.ends: dict[str, int] = {}

    @initialize()
    def interlocks(self) -> None:
        site = self.site
        site.limits(PUMP, max_on_s=PUMP_MAX_S, min_off_s=20, starts_per_hour=6, power_w=500)
        for ref in (LAMP, HEATER, FAN):
            site.limits(ref, max_on_s=OTHERS_MAX_S, power_w=400)
        site.interlock(AtMost(1, (PUMP, LAMP)), "never-both")
        site.interlock(OnlyWhile(HEATER, FAN), "heater-needs-fan")
        site.interlock(SensorBand(LAMP, SENSOR, None, 30, 100), "cool")
        site.interlock(PowerBudget("north", 1000), "power")

    # What people and devices do

    @rule(ref=refs, duration_s=st.sampled_from([0, 0, 10, 61]))
    def switch_on(self, ref: ActuatorRef, duration_s: int) -> None:
        self.supersede(ref)
        verdict = self.site.ask(ref, duration_s=duration_s)
        if verdict.approved:
            if self.site.state.latches:
                self.approved_in_emergency.append(verdict.rule)
        else:
            assert verdict.rule
            assert verdict.code
            assert verdict.detail
            self.ended(ref)

    @rule(ref=refs)
    def switch_off(self, ref: ActuatorRef) -> None:
        self.supersede(ref)
        assert self.site.ask(ref, "OFF").approved
        self.dispatch(ref)

    def supersede(self, ref: ActuatorRef) -> None:
        if not self.site.state.output(ref).ended:
            self.site.end(ref, "superseded")
            self.ended(ref)

    def ended(self, ref: ActuatorRef) -> None:
        command = self.site.open[ref]
        self.ends[command] = self.ends.get(command, 0) + 1

    @rule(ref=refs)
    def dispatch_what_is_approved(self, ref: ActuatorRef) -> None:
        output, guard = self.site.state.output(ref), self.site.state.guard(ref)
        if guard.approved_seq == output.command_seq > 0 and not output.ended and not output.dispatched:
            self.dispatch(ref)

    def dispatch(self, ref: ActuatorRef) -> None:
        self.site.dispatch(ref)
        self.send(ref, self.site.state.output(ref).command_level)

    def send(self, ref: ActuatorRef, level: float) -> None:
        if self.linked:
            self.sent[ref].append((level, self.site.now))

    @rule(ref=refs)
    def arrive(self, ref: ActuatorRef) -> None:
        if self.sent[ref]:
            level, _ = self.sent[ref].pop(0)
            self.turn(ref, on=level > 0)

    @rule(ref=refs)
    def the_device_does_all_that_it_is_told_and_says_so(self, ref: ActuatorRef) -> None:
        self.dispatch_what_is_approved(ref)
        while self.sent[ref]:
            self.arrive(ref)
        self.status(ref)
        self.end(ref, "succeeded")

    @rule(ref=refs)
    def lose_a_message(self, ref: ActuatorRef) -> None:
        if self.sent[ref]:
            self.sent[ref].pop(0)

    @rule(ref=refs)
    def somebody_switches_it_off_by_hand(self, ref: ActuatorRef) -> None:
        self.turn(ref, on=False)

    def turn(self, ref: ActuatorRef, *, on: bool) -> None:
        if on != self.on[ref]:
            self.on[ref], self.on_since[ref] = on, self.site.now

    @rule(ref=refs)
    def status(self, ref: ActuatorRef) -> None:
        if self.linked:
            self.site.status(ref, float(self.on[ref]))

    @rule(ref=refs, how=st.sampled_from(["succeeded", "failed", "expired"]))
    def end(self, ref: ActuatorRef, how: str) -> None:
        output = self.site.state.output(ref)
        waits = any(level > 0 for level, _ in self.sent[ref])
        if not output.ended and output.dispatched and not waits:
            self.site.end(ref, how, code="" if how == "succeeded" else "COMMAND_UNVERIFIED")
            self.ended(ref)

    @rule(value=st.sampled_from([20.0, 20.0, 31.0]))
    def reading(self, value: float) -> None:
        self.site.reading(value)

    @precondition(lambda self: self.linked)
    @rule()
    def the_link_breaks(self) -> None:
        self.linked = False
        self.sent = {ref: [] for ref in REFS}
        self.site.lose()

    @precondition(lambda self: not self.linked)
    @rule()
    def the_link_is_back(self) -> None:
        self.site.after(0.001)
        self.linked = True
        self.site.come_back()

    @precondition(lambda self: not self.linked)
    @rule()
    def the_device_restarts(self) -> None:
        for ref in REFS:
            self.turn(ref, on=False)
        self.site.after(0.001)
        self.linked = True
        self.site.member(heard_at=self.site.now, booted_at=self.site.now)

    @precondition(lambda self: not self.site.state.latches)
    @rule()
    def emergency(self) -> None:
        self.site.emergency()
        for ref in REFS:
            self.send(ref, 0.0)

    @rule()
    def release(self) -> None:
        for latch in self.site.state.latches.values():
            if unconfirmed(self.site.state, latch):
                return
        if self.site.state.latches:
            assert not any(self.on.values())
            self.site.release()

    @rule(seconds=st.sampled_from([0.5, 1, 3, 10, 30]))
    def time_passes(self, seconds: float) -> None:
        end = self.site.now + round(seconds * SECOND)
        while self.site.now < end:
            _, next_at = due(self.site.state, self.site.now)
            ahead = min([at for at in (next_at, self.next_loss(), self.site.now + SECOND) if at > self.site.now])
            self.site.now = min(end, ahead)
            self.lose_what_is_old()
            self.watch()
            self.repeat_stops()
            self.no_run_is_too_long()

    def next_loss(self) -> int:
        return min((at + IN_FLIGHT_S * SECOND for those in self.sent.values() for _, at in those), default=0)

    def lose_what_is_old(self) -> None:
        for ref in REFS:
            self.sent[ref] = [one for one in self.sent[ref] if self.site.now < one[1] + IN_FLIGHT_S * SECOND]

    def repeat_stops(self) -> None:
        """The shell tells it again and again; over a link that is up it arrives within a second here."""
        for ref in REFS:
            if self.linked and (self.site.state.guard(ref).stop is not None or self.site.state.latches):
                self.sent[ref] = []
                self.turn(ref, on=False)

    # What safety does by itself

    def watch(self) -> None:
        while True:
            looks, _ = due(self.site.state, self.site.now)
            if not looks:
                return
            for seen in looks:
                if seen.stop is not None:
                    stop = stopped(self.site.state, seen, self.site.now, stop_id=f"s{self.site.seqs['SAFETY'] + 1}")
                    self.site.event("SAFETY", stop)
                    self.send(seen.ref, 0.0)
                else:
                    self.site.event("SAFETY", confirmed(seen, self.site.now, tries=1))

    # What happens to the log

    @rule(data=st.data())
    def something_is_read_twice(self, data: st.DataObject) -> None:
        known = [entry for entry in self.site.log if entry[0] != "roster"]
        stream, seq, event = data.draw(st.sampled_from(known))
        before = self.site.state.encode_all()
        assert not FOLDS[stream](self.site.state, seq, event)
        assert self.site.state.encode_all() == before

    @rule(data=st.data())
    def safety_restarts(self, data: st.DataObject) -> None:
        """From the log, the streams in any order between them: bit by bit the same."""
        lanes: dict[str, list[tuple[str, int, Any]]] = {}
        for entry in self.site.log:
            lanes.setdefault(entry[0], []).append(entry)
        state, order = State(), data.draw(st.permutations(sorted(lanes)))
        at_once = data.draw(st.integers(1, 50))
        while any(lanes.values()):
            for stream in order:
                for _, seq, event in lanes[stream][:at_once]:
                    if stream == "roster":
                        fold_member(state, event)
                    else:
                        FOLDS[stream](state, seq, event)
                del lanes[stream][:at_once]
        assert state.encode_all() == self.site.state.encode_all()
        self.site.state = state

    # What must always be so

    @invariant()
    def the_watch_has_looked(self) -> None:
        self.watch()

    @invariant()
    def what_is_on_is_never_taken_for_off(self) -> None:
        for ref in REFS:
            coming = any(level > 0 for level, _ in self.sent[ref])
            if self.on[ref] or coming:
                assert self.site.view(ref).possible, ref

    @invariant()
    def never_both_and_never_too_much_power(self) -> None:
        assert not (self.on[PUMP] and self.on[LAMP])
        assert 500 * self.on[PUMP] + 400 * sum(self.on[ref] for ref in (LAMP, HEATER, FAN)) <= 1000

    @invariant()
    def what_has_lost_its_requirement_is_being_stopped(self) -> None:
        fan, heater = self.site.view(FAN), self.site.view(HEATER)
        if heater.evident and not fan.sure:
            assert self.site.state.guard(HEATER).stop is not None

    @invariant()
    def nothing_was_approved_inside_of_an_emergency_stop(self) -> None:
        assert self.approved_in_emergency == []

    @invariant()
    def every_command_ends_once(self) -> None:
        assert all(count == 1 for count in self.ends.values()), self.ends

    @invariant()
    def a_look_at_one_is_a_look_at_all(self) -> None:
        self.watch()  # invariants are looked at in no order
        looks, next_at = due(self.site.state, self.site.now)
        assert looks == ()
        alone = [look(self.site.state, ref, self.site.now).next_at for ref in concerned(self.site.state, REFS)]
        assert next_at == min((at for at in alone if at), default=0)

    def no_run_is_too_long(self) -> None:
        """Not past the longest run, a second for the stop to arrive, while there is a link."""
        for ref in REFS:
            most = PUMP_MAX_S if ref == PUMP else OTHERS_MAX_S
            if self.on[ref] and self.linked:
                assert self.site.now - self.on_since[ref] <= (most + 1) * SECOND, ref
                latches = self.site.state.latches.values()
                for latch in latches:
                    assert self.site.now - latch.request.at <= EMERGENCY_GRACE_US + SECOND


Greenhouse.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestGreenhouse = Greenhouse.TestCase


def test_a_decision_can_be_made_again_by_hand_from_what_was_recorded():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    verdict = site.ask(PUMP, duration_s=61)
    recorded = site.log[-2][2]
    assert msgspec.to_builtins(recorded)["saw"] == verdict.saw == {"max_on_s": 60, "duration_s": 61, "on_s": 0.0}
    assert recorded.esp_id == ESP
