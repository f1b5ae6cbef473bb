"""What happens when a moment has come that :mod:`kaiser.actuator.timers` waits for. Pure.

Whether it has come is the monotonic clock's to say: nothing here compares wall clocks with deadlines, for they can be
set. What is due and does not fit the state any more is of no effect.
"""

from collections.abc import Sequence
from typing import Final

from kaiser.actuator import facts
from kaiser.actuator.commands import Around, Ask, Pass
from kaiser.actuator.hearing import agrees
from kaiser.actuator.requesting import request, send_late_off
from kaiser.actuator.state import HOUR_US, ActuatorState, Fact, Sent, Waiting, Wanted, is_said, is_to_settle
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal

KAISER: Final = "kaiser"
MOST_ASSERTED: Final = 3
"""Times in an hour that a drifted state is asserted again by itself."""


def overdue(state: ActuatorState, passed: Pass) -> Sequence[Fact]:
    """What has to happen now."""
    due, waiting, sent = passed.due, state.waiting, state.sent
    if due.kind in ("decide", "hold"):
        return _never_sent(state, waiting, passed) if waiting is not None and waiting.id == due.command_id else ()
    if due.kind in ("answer", "settle", "deadline"):
        return _unanswered(sent, passed) if sent is not None and sent.id == due.command_id else ()
    if due.kind == "reset":
        return _reset(state, passed)
    wanted = state.wanted
    if wanted is None or wanted.version != due.attempt:
        return ()
    if due.kind == "off":
        return _over(state, wanted, passed)
    if state.open:
        return ()
    return _off(state, wanted, passed) if due.kind == "insist" else _drifted(state, wanted, passed)


def _never_sent(state: ActuatorState, waiting: Waiting, passed: Pass) -> Sequence[Fact]:
    if passed.due.kind == "hold":
        if not waiting.held:
            return ()
        if not passed.around.online:
            words = "the device did not come in time"
            return (facts.ended(waiting, passed.at, "expired", Code.COMMAND_EXPIRED, words),)
    elif waiting.held or waiting.request.at != passed.due.since:
        return ()
    if waiting.request.action == "OFF":
        return send_late_off(state, waiting, passed.at, passed.around)
    words = "safety did not decide in time, and without it nothing is switched on"
    return (facts.ended(waiting, passed.at, "failed", Code.SAFETY_UNAVAILABLE, words),)


def _unanswered(sent: Sent, passed: Pass) -> Sequence[Fact]:
    due, at, around = passed.due, passed.at, passed.around
    if passed.newer_than == sent.id and agrees(sent.request.level, around):
        return (facts.ended(sent, at, "succeeded"),)
    if due.kind == "settle":
        return _judged(sent, at, around)
    if due.kind == "deadline":
        words = "its status never showed it" if sent.acked_at else "the device did not answer in time"
        return (facts.ended(sent, at, "expired", Code.COMMAND_EXPIRED, words),)
    if sent.acked_at or sent.attempt != due.attempt:
        return ()
    return _again(sent, at, around)


def _judged(sent: Sent, at: int, around: Around) -> Sequence[Fact]:
    """The settle time is over. A state told after the device's answer counts; without one the next status decides."""
    if not sent.acked_at or around.level is None or around.level_at <= sent.acked_at:
        return ()
    return (facts.unverified(sent, at, around),)


def _again(sent: Sent, at: int, around: Around) -> Sequence[Fact]:
    """Another try under the same id, where that is allowed: ON, OFF and PWM may be repeated."""
    request = sent.request
    if around.deaf:
        return (facts.ended(sent, at, "failed", Code.DEVICE_DEAF, "the device hears nothing until it is power-cycled"),)
    if request.action != "OFF":
        if around.latched:
            words = f"emergency stop {around.latched} is in force here"
            return (facts.ended(sent, at, "superseded", Code.EMERGENCY_ACTIVE, words),)
        if sent.decision_seq < around.stop_seq:
            return (facts.overruled(sent, at),)
        if sent.approved_until <= at:
            return ()
    if sent.attempt >= facts.MOST_TRIES:
        return ()
    again = facts.dispatched(
        request,
        at,
        around,
        attempt=sent.attempt + 1,
        deadline_at=sent.deadline_at,
        decision_seq=sent.decision_seq,
        approved_until=sent.approved_until,
    )
    return (again,)


def _over(state: ActuatorState, wanted: Wanted, passed: Pass) -> Sequence[Fact]:
    """A duration is over, whatever is open.

    A device that does not answer may well be on, and requests that follow each other while safety is silent must not
    keep it so. What waits for a device that is gone may wait on.
    """
    if any(command.request.level <= 0 for command in state.open):
        return ()
    if state.waiting is not None:
        asked_late = passed.due.at == wanted.off_at  # it came after the moment had: safety has its time to decide
        if asked_late or (state.waiting.held and not passed.around.online):
            return ()
    return _off(state, wanted, passed)


def _off(state: ActuatorState, wanted: Wanted, passed: Pass) -> Sequence[Fact]:
    """The duration is over, or the OFF that ended it was not seen to work."""
    due = passed.due
    if (due.kind == "off" and not wanted.off_at) or (due.kind == "insist" and not wanted.insist):
        return ()
    words = "its duration is over" if due.kind == "off" else "its duration is over, and it was not seen to go off"
    return _asked(state, _ask(passed, wanted, "timer", 0.0, words, hold_s=passed.around.patience.hold_off_s))


def _drifted(state: ActuatorState, wanted: Wanted, passed: Pass) -> Sequence[Fact]:
    around, at = passed.around, passed.at
    if not around.known or agrees(wanted.level, around):
        return ()
    said: list[Fact] = []
    if not is_said(state, wanted, around.level):
        said.append(facts.drifted(at, around, wanted.level, state.policy))
    elif not is_to_settle(state):
        return ()
    ends_a_run = wanted.level <= 0 and (wanted.insist or wanted.off_at)  # which no policy lets go on
    if state.policy == "accept" and around.level is not None and not ends_a_run:
        return (*said, facts.settled(at, around, around.level, how="accepted"))
    recent = [asserted for asserted in state.asserted if asserted > at - HOUR_US]
    if state.policy == "reassert" and len(recent) < MOST_ASSERTED:
        words = f"the device reports {around.level} by itself"
        return (*said, *_asked(state, _ask(passed, wanted, "drift", wanted.level, words, hold_s=0)))
    return said


def _reset(state: ActuatorState, passed: Pass) -> Sequence[Fact]:
    """It may have power whatever it says, or none: after an OFF it is what it says. What ran was ended by the reset."""
    if any(command.request.level <= 0 for command in state.open):
        return ()
    words = "it is inverted, and after it was configured or started it does not do what it says"
    ask = Ask(
        at=passed.at,
        around=passed.around,
        command_id=passed.new_id,
        correlation_id=passed.new_id,
        asked="OFF",
        level=0.0,
        source="safety",
        by=KAISER,
        reason=words,
    )
    return _asked(state, ask)


def _asked(state: ActuatorState, ask: Ask) -> Sequence[Fact]:
    """What comes of a request of our own; nothing where a person's would be refused."""
    try:
        return request(state, ask)
    except Refusal:
        return ()


def _ask(passed: Pass, wanted: Wanted, source: str, level: float, words: str, *, hold_s: int) -> Ask:
    asked, duration_s = "OFF", 0
    if level > 0:
        asked = "ON" if level >= 1 else "PWM"
        left_us = wanted.off_at - passed.at
        duration_s = max(1, min(wanted.run_s, -(-left_us // 1_000_000))) if wanted.off_at else 0
    return Ask(
        at=passed.at,
        around=passed.around,
        command_id=passed.new_id,
        correlation_id=wanted.correlation_id or passed.new_id,
        asked=asked,  # type: ignore[arg-type]  # one of three words
        level=level,
        duration_s=duration_s,
        source=source,  # type: ignore[arg-type]  # timer or drift
        by=KAISER,
        reason=words,
        causation_id=wanted.command_id,
        hold_s=hold_s,
    )
