"""What the events of one actuator make of it. Pure; the same events give the same state, bit by bit."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import (
    Action,
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandFact,
    CommandOutcome,
    CommandRequested,
    DriftPolicy,
    ShadowDrifted,
    ShadowFact,
    ShadowPolicySet,
    ShadowSettled,
)

Fact = CommandFact | ShadowFact

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
MOST_KEYS: Final = 2000
"""Idempotency keys remembered for a day; of more than that in a day, the last."""
MOST_PAST: Final = 16
"""Ended commands whose answers may still come."""

SURELY_NOT: Final = frozenset({Code.COMMAND_REFUSED, Code.PUBLISH_FAILED, Code.DOWNLINK_FORBIDDEN})
"""Codes of failures after which the device has certainly not done it."""


class Waiting(msgspec.Struct, frozen=True):
    """A command that was not sent yet: held for its device, or not decided."""

    request: CommandRequested

    @property
    def id(self) -> str:
        """Of the command."""
        return self.request.command_id

    @property
    def held(self) -> bool:
        """Whether it waits for its device."""
        return self.request.held_until > 0


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is on its way or was answered, and has no end yet.

    Attributes:
        request: What was asked.
        attempt: Last try.
        sent_at: When the first went out, unix microseconds.
        tried_at: When the last went out.
        answer_by: When the next is due, or the end.
        decision_seq: The approval's sequence in SAFETY; 0 for OFF.
        approved_until: Until when it may be sent again; 0 for OFF.
        acked_at: When the device said that it does it; 0 for not yet.
        before: What was desired before.
        deadline_at: It ends as expired if it has no end by then.
    """

    request: CommandRequested
    attempt: int
    sent_at: int
    tried_at: int
    answer_by: int
    decision_seq: int
    approved_until: int
    acked_at: int = 0
    before: "Wanted | None" = None
    deadline_at: int = 0

    @property
    def id(self) -> str:
        """Of the command."""
        return self.request.command_id


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was sent and has ended; its answers may come late.

    Attributes:
        answers: Answers that it got; at most one a try is to be expected.
    """

    command_id: str
    correlation_id: str
    action: Action
    level: float
    sent_at: int
    tries: int
    answers: int
    outcome: CommandOutcome


class Key(msgspec.Struct, frozen=True):
    """A request that must not be carried out twice."""

    command_id: str
    asked: str
    level: float
    duration_s: int
    at: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the actuator is to be.

    Attributes:
        level: 0.0 to 1.0.
        version: Counts its changes.
        at: Since when.
        by: Who wanted it.
        command_id: Command that it comes from; empty for a stop, or where it was accepted.
        correlation_id: Of that command.
        decision_seq: Sequence in SAFETY of that command's approval; 0 for none.
        off_at: End of a duration; 0 for none.
        run_s: The duration.
        insist: Whether it is an OFF at or after the end of a duration, which is told until it is seen.
    """

    level: float
    version: int
    at: int
    by: str
    command_id: str = ""
    correlation_id: str = ""
    decision_seq: int = 0
    off_at: int = 0
    run_s: int = 0
    insist: bool = False


class Drift(msgspec.Struct, frozen=True):
    """Desired and reported state differ, and it was said."""

    since: int
    desired: float
    reported: float | None


class ActuatorState(msgspec.Struct, frozen=True, kw_only=True):
    """One actuator.

    Attributes:
        waiting: Command that was not sent yet; at most one.
        sent: Command that was sent and has no end; at most one. A later one takes its place when it is sent itself, so
            that a request which safety then rejects disturbs nothing.
        past: Ended commands, oldest first.
        keys: Idempotency keys, oldest first.
        wanted: Desired state; None before the first command.
        drift: What was said of a difference.
        policy: What is done about one.
        asserted: When a drifted state was asserted again, in the last hour.
        ended_at: When the last command ended.
        done_at: When the last one succeeded.
    """

    waiting: Waiting | None = None
    sent: Sent | None = None
    past: tuple[Past, ...] = ()
    keys: Mapping[str, Key] = {}
    wanted: Wanted | None = None
    drift: Drift | None = None
    policy: DriftPolicy = "alarm"
    asserted: tuple[int, ...] = ()
    ended_at: int = 0
    done_at: int = 0

    @property
    def open(self) -> tuple[Waiting | Sent, ...]:
        """Commands without an end, oldest first."""
        return tuple(command for command in (self.sent, self.waiting) if command is not None)


NEW: Final = ActuatorState()


def deadline(request: CommandRequested, sent_at: int) -> int:
    """When a command that is sent now expires; the time for which it waited for its device does not count."""
    return sent_at + request.deadline_at - request.held_until if request.held_until else request.deadline_at


def is_said(state: ActuatorState, wanted: Wanted, level: float | None) -> bool:
    """Whether it was said that the device reports this level instead of the desired one."""
    return state.drift is not None and (state.drift.desired, state.drift.reported) == (wanted.level, level)


def is_to_settle(state: ActuatorState) -> bool:
    """Whether a drift was said and what its policy asks for was not done, because its process died in between."""
    if state.drift is None or state.policy == "alarm":
        return False
    return state.policy == "accept" or not any(at >= state.drift.since for at in state.asserted)


Slot = Literal["waiting", "sent"]

_replace = msgspec.structs.replace


def evolve(state: ActuatorState, event: Fact) -> ActuatorState:
    """The state after an event."""
    match event:
        case CommandRequested():
            return _requested(state, event)
        case CommandDispatched():
            return _dispatched(state, event)
        case CommandAcknowledged():
            if state.sent is None or state.sent.id != event.command_id:
                return state
            return _replace(state, sent=_replace(state.sent, acked_at=event.at))
        case CommandEnded():
            return _ended(state, event)
        case CommandAnsweredLate():
            past = tuple(
                _replace(was, answers=was.answers + 1) if was.command_id == event.command_id else was
                for was in state.past
            )
            return _replace(state, past=past)
        case ShadowPolicySet():
            return _replace(state, policy=event.policy, asserted=())
        case ShadowDrifted():
            return _replace(state, drift=Drift(event.at, event.desired, event.reported))
        case ShadowSettled():
            return _settled(state, event)


def _requested(state: ActuatorState, event: CommandRequested) -> ActuatorState:
    state = _replace(state, waiting=Waiting(event))
    if event.source == "drift":
        recent = tuple(at for at in state.asserted if at > event.at - HOUR_US)
        state = _replace(state, asserted=(*recent, event.at))
    if not event.idempotency_key or event.idempotency_key in state.keys:
        return state
    keys = {name: key for name, key in state.keys.items() if key.at > event.at - DAY_US}
    while len(keys) >= MOST_KEYS:
        keys.pop(next(iter(keys)))
    keys[event.idempotency_key] = Key(event.command_id, event.asked, event.level, event.duration_s, event.at)
    return _replace(state, keys=keys)


def _dispatched(state: ActuatorState, event: CommandDispatched) -> ActuatorState:
    waiting, sent = state.waiting, state.sent
    if sent is not None and sent.id == event.command_id:
        again = _replace(sent, attempt=event.attempt, tried_at=event.at, answer_by=event.answer_by)
        return _replace(state, sent=again)
    if waiting is None or waiting.id != event.command_id:
        return state
    request, before = waiting.request, state.wanted
    first = Sent(
        request=request,
        attempt=event.attempt,
        sent_at=event.at,
        tried_at=event.at,
        answer_by=event.answer_by,
        decision_seq=event.decision_seq,
        approved_until=event.approved_until,
        before=before,
        deadline_at=deadline(request, event.at),
    )
    off_at, run_s, insist = _timer(request, event.at, before)
    wanted = Wanted(
        level=request.level,
        version=before.version + 1 if before else 1,
        at=event.at,
        by=request.by,
        command_id=request.command_id,
        correlation_id=request.correlation_id,
        decision_seq=event.decision_seq,
        off_at=off_at,
        run_s=run_s,
        insist=insist,
    )
    return _replace(state, waiting=None, sent=first, wanted=wanted, drift=None)


def _timer(request: CommandRequested, at: int, before: Wanted | None) -> tuple[int, int, bool]:
    """End of a duration, the duration, and whether OFF is told until it is seen.

    An OFF may get lost: until it has worked, the end of the run that it cuts short stays what it was.
    """
    if request.level > 0:
        return (at + request.duration_s * 1_000_000, request.duration_s, False) if request.duration_s else (0, 0, False)
    if request.source == "timer":
        return 0, 0, True
    return (before.off_at, before.run_s, before.insist) if before is not None else (0, 0, False)


def _ended(state: ActuatorState, event: CommandEnded) -> ActuatorState:
    if state.waiting is not None and state.waiting.id == event.command_id:
        return _replace(state, waiting=None, ended_at=event.at)
    sent = state.sent
    if sent is None or sent.id != event.command_id:
        return state
    was = Past(
        command_id=sent.id,
        correlation_id=sent.request.correlation_id,
        action=sent.request.action,
        level=sent.request.level,
        sent_at=sent.sent_at,
        tries=sent.attempt,
        answers=int(sent.acked_at > 0 or event.code == Code.COMMAND_REFUSED),
        outcome=event.outcome,
    )
    past = (*state.past, was)[-MOST_PAST:]
    done_at = event.at if event.outcome == "succeeded" else state.done_at
    wanted = _given_up(state.wanted, sent, event)
    return _replace(state, sent=None, past=past, ended_at=event.at, done_at=done_at, wanted=wanted)


def _given_up(wanted: Wanted | None, sent: Sent, event: CommandEnded) -> Wanted | None:
    """What is desired after a command's end.

    One that switched something on and did not succeed is not desired any more: nobody waits for it, and what a device
    does an hour later by itself is no news to anybody. Its timer stays, unless the device has surely not done it: of
    more tries than one, only the last is known not to have been.
    """
    if wanted is None or wanted.command_id != sent.id:
        return wanted
    if event.outcome == "succeeded":
        return wanted if wanted.level > 0 else _replace(wanted, off_at=0, run_s=0, insist=False)
    if event.outcome == "superseded" or wanted.level == 0:
        return wanted
    before = sent.before
    surely_not = event.code in SURELY_NOT and sent.attempt == 1
    off_at, run_s = (0, 0) if surely_not else (wanted.off_at, wanted.run_s)
    if before is None:
        return _replace(wanted, level=0.0, version=wanted.version + 1, at=event.at, off_at=off_at, run_s=run_s)
    if not off_at:
        off_at, run_s = before.off_at, before.run_s
    return _replace(before, version=wanted.version + 1, at=event.at, off_at=off_at, run_s=run_s)


def _settled(state: ActuatorState, event: ShadowSettled) -> ActuatorState:
    wanted = state.wanted
    if event.how == "reported" or wanted is None:
        return _replace(state, drift=None)
    given = Wanted(level=event.desired, version=wanted.version + 1, at=event.at, by="kaiser")
    if event.desired > 0:  # another level, in the same run
        given = _replace(given, off_at=wanted.off_at, run_s=wanted.run_s)
    return _replace(state, drift=None, wanted=given)
