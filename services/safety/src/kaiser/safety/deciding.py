"""Decides on a command: the first rule that objects rejects it, and names the values that it saw. Pure.

The order of the rules is that of how much they matter, and so of what a person wants to be told first.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.safeguards import ActuatorRef, CommandApproved, CommandRejected, Limits
from kaiser.safety import limits as limiting
from kaiser.safety.interlocks import why_not
from kaiser.safety.latching import latch_over
from kaiser.safety.objecting import SECOND, Objection
from kaiser.safety.state import State, View

APPROVAL_HOLDS_US: Final = 30 * SECOND
"""An approval is good for a command and its repetitions; what was seen then must not be much older when it arrives."""

BY: Final = "kaiser"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What safety says to a command.

    Attributes:
        outcome: ``deferred`` is for a command that waits for its device: ask again when the device is there, and at
            ``retry_at`` at the latest.
        rule: The rule that decided: ``off``, ``clear``, or the one that objected.
        code: Stable code; empty where it is approved.
        detail: In words; empty where it is approved.
        saw: The values that the rule saw, by name.
        retry_at: When the same rule would allow it, unix microseconds; 0 for unknown.
        valid_until: Of an approval, when the command must be on its way.
        max_on_s: Of an approval, how long it may stay on from now; None for no limit.
        run_since: Of an approval, since when the run counts that it starts or goes on with; 0 for OFF.
    """

    outcome: Literal["approved", "rejected", "deferred"]
    rule: str
    code: str = ""
    detail: str = ""
    saw: dict[str, Any] = {}
    retry_at: int = 0
    valid_until: int = 0
    max_on_s: int | None = None
    run_since: int = 0

    @property
    def approved(self) -> bool:
        """Whether the command may be carried out."""
        return self.outcome == "approved"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and what the rules look at."""

    state: State
    request: CommandRequested
    ref: ActuatorRef
    view: View
    limits: Limits
    now: int
    lease_until: int


def decide(state: State, request: CommandRequested, now: int, *, lease_until: int) -> Verdict:
    """Decide on a command.

    The request must have been folded before: what was never seen in ACTUATORS, or has its end there, is rejected.

    Args:
        state: What is known.
        request: The command.
        now: Unix microseconds.
        lease_until: Until when this instance may decide at all, and knows everything that it has to, unix microseconds;
            0 while it does not.
    """
    ref = ActuatorRef(request.esp_id, request.gpio)
    if request.action == "OFF" or request.level <= 0:
        return Verdict(outcome="approved", rule="off", valid_until=max(request.deadline_at, now))
    case = Case(
        state=state,
        request=request,
        ref=ref,
        view=state.view(ref),
        limits=state.limits(ref),
        now=now,
        lease_until=lease_until,
    )
    for rule in RULES:
        objection = rule(case)
        if objection is not None:
            return _against(objection, request, now)
    return _clear(case)


def decision(verdict: Verdict, request: CommandRequested, seq: int, now: int) -> CommandApproved | CommandRejected:
    """The event that a verdict is recorded as.

    Args:
        verdict: Approved or rejected; a deferred one is not recorded.
        request: The command.
        seq: Sequence of its request in ACTUATORS.
        now: When it was decided, unix microseconds.
    """
    common: dict[str, Any] = {
        "at": now,
        "by": BY,
        "correlation_id": request.correlation_id,
        "command_id": request.command_id,
        "esp_id": request.esp_id,
        "gpio": request.gpio,
        "action": request.action,
        "level": request.level,
        "rule": verdict.rule,
        "saw": verdict.saw,
        "request_seq": seq,
    }
    if verdict.outcome == "approved":
        return CommandApproved(
            **common, valid_until=verdict.valid_until, max_on_s=verdict.max_on_s, run_since=verdict.run_since
        )
    assert verdict.outcome == "rejected", verdict
    return CommandRejected(**common, code=verdict.code, detail=verdict.detail, retry_at=verdict.retry_at)


def _against(objection: Objection, request: CommandRequested, now: int) -> Verdict:
    waits = objection.code == Code.ESP_OFFLINE and now < request.held_until
    return Verdict(
        outcome="deferred" if waits else "rejected",
        rule=objection.rule,
        code=objection.code.value,
        detail=objection.detail,
        saw=objection.saw,
        retry_at=request.held_until if waits else objection.retry_at,
    )


def _clear(case: Case) -> Verdict:
    since = case.view.since or case.now
    most = case.limits.max_on_s
    return Verdict(
        outcome="approved",
        rule="clear",
        saw={"known": case.view.known, "on_since": case.view.since},
        valid_until=min(case.now + APPROVAL_HOLDS_US, case.request.deadline_at),
        max_on_s=None if most is None else most - (case.now - since) // SECOND,
        run_since=since,
    )


def _lease(case: Case) -> Objection | None:
    if case.now < case.lease_until:
        return None
    detail = "this instance of safety may not decide now"
    return Objection(rule="lease", code=Code.SAFETY_UNAVAILABLE, detail=detail, saw={"lease_until": case.lease_until})


def _command(case: Case) -> Objection | None:
    output, request = case.state.output(case.ref), case.request
    if output.command_id != request.command_id or output.ended:
        saw = {"last": output.command_id, "ended": output.ended}
        return Objection(rule="command", code=Code.COMMAND_ENDED, detail="the command is not open any more", saw=saw)
    if case.now >= request.deadline_at:
        saw = {"deadline_at": request.deadline_at}
        return Objection(rule="command", code=Code.COMMAND_EXPIRED, detail="its deadline is over", saw=saw)
    return None


def _emergency(case: Case) -> Objection | None:
    latch = latch_over(case.state, case.ref)
    if latch is None:
        return None
    stop = latch.request
    detail = f"an emergency stop of {stop.scope.words()} is in force: {stop.reason}"
    saw = {"emergency_id": stop.emergency_id, "scope": stop.scope.words(), "at": stop.at, "by": stop.by}
    return Objection(rule="emergency", code=Code.EMERGENCY_ACTIVE, detail=detail, saw=saw)


def _device(case: Case) -> Objection | None:
    member = case.state.member(case.ref.esp_id)
    saw = {"standing": member.standing, "online": member.online, "deaf_since": member.deaf_since, "state": member.state}
    if not member.approved:
        code, detail = Code.DEVICE_STATE_FORBIDS, f"the device is {member.standing}"
    elif case.ref.gpio not in member.actuators:
        code, detail = (
            Code.ACTUATOR_NOT_FOUND,
            f"nobody has configured an actuator on pin {case.ref.gpio} of this device here",
        )
    elif not member.online:
        code, detail = Code.ESP_OFFLINE, f"the device is not there ({member.lost_because or 'never heard'})"
        saw["lost_at"] = member.lost_at
    elif member.deaf_since:
        code, detail = Code.DEVICE_DEAF, "the device speaks and does not hear"
    elif member.safe_mode:
        code, detail = Code.SAFE_MODE, "the device says that it is in safe mode"
    else:
        return None
    return Objection(rule="device", code=code, detail=detail, saw=saw)


def _stop(case: Case) -> Objection | None:
    stop = case.state.guard(case.ref).stop
    if stop is not None:
        detail = f"it was stopped by {stop.rule}, and has not said yet that it is off"
        saw: dict[str, Any] = {"stop_id": stop.stop_id, "at": stop.at, "by_rule": stop.rule}
    elif case.view.interrupted and case.limits.when_safety_is_silent == "safe":
        detail = "its device was away while it was on, and it is made safe first"
        saw = {"on_since": case.view.since}
    else:
        return None
    return Objection(rule="stop", code=Code.STATE_UNKNOWN, detail=detail, saw=saw)


def _type(case: Case) -> Objection | None:
    wanted = case.state.member(case.ref.esp_id).actuators[case.ref.gpio]
    action, level = case.request.action, case.request.level
    return limiting.check_type(wanted.actuator_type, action) or limiting.check_level(
        case.limits, wanted.actuator_type, action, level
    )


def _hours(case: Case) -> Objection | None:
    return limiting.check_hours(case.limits, case.now)


def _run(case: Case) -> Objection | None:
    return limiting.check_run(case.limits, case.request.duration_s, case.view.since, case.now)


def _pause(case: Case) -> Objection | None:
    if case.view.since:
        return None
    off_since = case.state.output(case.ref).off_since
    return limiting.check_pause(case.limits, off_since, case.now, known=case.view.known)


def _starts(case: Case) -> Objection | None:
    if case.view.since or case.limits.starts_per_hour is None:
        return None
    seen = [run.since for run in case.state.output(case.ref).runs]
    return limiting.check_starts(case.limits, case.state.guard(case.ref).starts, seen, case.now)


def _duty(case: Case) -> Objection | None:
    runs = case.state.output(case.ref).runs
    return limiting.check_duty(case.limits, runs, case.view.since, case.request.duration_s, case.now)


def _interlocks(case: Case) -> Objection | None:
    return why_not(case.state, case.ref, case.request.level, case.now)


RULES: Final[tuple[Callable[[Case], Objection | None], ...]] = (
    _lease,
    _command,
    _emergency,
    _device,
    _stop,
    _type,
    _hours,
    _run,
    _pause,
    _starts,
    _duty,
    _interlocks,
)
