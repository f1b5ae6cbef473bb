"""The aggregate of one actuator: what becomes of what is put to it. Pure: events come out, or a refusal.

A command ends in exactly one :class:`CommandEnded`. At most one is waiting (for its device, or for safety) and at most
one is sent; who comes later takes the place of who is in the same place, and a request that safety rejects disturbs
nothing that is under way.
"""

from collections.abc import Sequence
from typing import Final

from kaiser.actuator import facts, hearing
from kaiser.actuator.commands import (
    Approve,
    Arrive,
    Ask,
    Cancel,
    HearDownlink,
    HearOutcome,
    HearResponse,
    HearStatus,
    Intent,
    Pass,
    Reject,
    Resume,
    SetPolicy,
    Stop,
)
from kaiser.actuator.overdue import overdue
from kaiser.actuator.requesting import request, resume, send_off
from kaiser.actuator.state import NEW, ActuatorState, Fact, evolve
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import COMMAND_EVENTS, SHADOW_EVENTS, ShadowPolicySet, ShadowSettled
from kaiser.contracts.refusals import Refusal

__all__ = ("EVENTS", "NEW", "ActuatorState", "Fact", "decide", "evolve")

EVENTS: Final = (*COMMAND_EVENTS, *SHADOW_EVENTS)


def decide(state: ActuatorState, intent: Intent) -> Sequence[Fact]:
    """What happens; nothing where nothing has to.

    Raises:
        Refusal: A request is refused.
    """
    match intent:
        case Ask():
            return request(state, intent)
        case Approve():
            return _approved(state, intent)
        case Reject():
            return _rejected(state, intent)
        case HearResponse():
            return hearing.respond(state, intent)
        case HearOutcome():
            return hearing.outcome(state, intent)
        case HearStatus():
            return hearing.status(state, intent)
        case HearDownlink():
            return hearing.undelivered(state, intent)
        case Pass():
            return overdue(state, intent)
        case Arrive():
            return _arrived(state, intent)
        case Resume():
            return resume(state, intent.at, intent.around)
        case Stop():
            return _stopped(state, intent)
        case Cancel():
            return _cancelled(state, intent)
        case SetPolicy():
            return _policy(state, intent)


def _approved(state: ActuatorState, approval: Approve) -> Sequence[Fact]:
    waiting, at, around = state.waiting, approval.at, approval.around
    if waiting is None or waiting.id != approval.command_id:
        return ()
    if waiting.request.action == "OFF":
        return ()
    if around.latched:
        words = f"emergency stop {around.latched} is in force here"
        return (facts.ended(waiting, at, "superseded", Code.EMERGENCY_ACTIVE, words),)
    if approval.seq < around.stop_seq:
        return (facts.overruled(waiting, at),)
    if min(approval.valid_until, waiting.request.deadline_at) <= at:
        words = "the deadline had passed, or safety's approval had lapsed"
        return (facts.ended(waiting, at, "expired", Code.COMMAND_EXPIRED, words),)
    if not around.online:
        return (facts.ended(waiting, at, "failed", Code.ESP_OFFLINE, "the device went away before it was told"),)
    events: list[Fact] = []
    if state.sent is not None:
        events.append(facts.superseded(state.sent, at, waiting.id))
    events.append(
        facts.dispatched(waiting.request, at, around, decision_seq=approval.seq, approved_until=approval.valid_until)
    )
    return events


def _rejected(state: ActuatorState, rejection: Reject) -> Sequence[Fact]:
    waiting = state.waiting
    if waiting is None or waiting.id != rejection.command_id or waiting.request.action == "OFF":
        return ()
    if waiting.held and rejection.code == Code.ESP_OFFLINE:
        return ()  # that is what it waits for
    end = facts.ended(
        waiting,
        rejection.at,
        "rejected",
        rejection.code,
        rejection.detail,
        rule=rejection.rule,
        decision_seq=rejection.seq,
    )
    return (end,)


def _arrived(state: ActuatorState, arrival: Arrive) -> Sequence[Fact]:
    """The device is there. OFF goes out; on the rest safety decides now, by itself."""
    waiting, at, around = state.waiting, arrival.at, arrival.around
    if waiting is None or not waiting.held or not around.online:
        return ()
    if waiting.request.action == "OFF":
        return send_off(state, waiting, at, around)
    if around.latched:
        words = f"emergency stop {around.latched} is in force here"
        return (facts.ended(waiting, at, "superseded", Code.EMERGENCY_ACTIVE, words),)
    return ()


def _stopped(state: ActuatorState, stop: Stop) -> Sequence[Fact]:
    """What would have it on ends, but for what safety has allowed since."""
    events: list[Fact] = []
    waiting, sent, wanted = state.waiting, state.sent, state.wanted
    if waiting is not None and waiting.request.level > 0 and not stop.over:
        events.append(facts.ended(waiting, stop.at, "superseded", stop.code, stop.detail))
    if sent is not None and sent.request.level > 0 and sent.decision_seq < stop.seq:
        events.append(facts.ended(sent, stop.at, "superseded", stop.code, stop.detail))
    if wanted is not None and (wanted.level > 0 or wanted.off_at) and wanted.decision_seq < stop.seq:
        off = ShadowSettled(
            kaiser_id=stop.kaiser_id, esp_id=stop.esp_id, gpio=stop.gpio, at=stop.at, desired=0.0, how="accepted"
        )
        events.append(off)
    return events


def _cancelled(state: ActuatorState, cancel: Cancel) -> Sequence[Fact]:
    if state.waiting is not None and state.waiting.id == cancel.command_id:
        return (facts.ended(state.waiting, cancel.at, "cancelled", "", f"by {cancel.by}"),)
    if state.sent is not None and state.sent.id == cancel.command_id:
        raise Refusal(Code.COMMAND_ENDED, "the command is on its way to the device already", "command_id")
    raise Refusal(Code.COMMAND_ENDED, "the command has come to its end already", "command_id")


def _policy(state: ActuatorState, order: SetPolicy) -> Sequence[Fact]:
    around = order.around
    if not around.exists:
        raise Refusal(Code.ACTUATOR_NOT_FOUND, f"the device has no actuator on pin {around.gpio}", "gpio")
    if state.policy == order.policy:
        return ()
    chosen = ShadowPolicySet(
        kaiser_id=around.kaiser_id,
        esp_id=around.esp_id,
        gpio=around.gpio,
        at=order.at,
        policy=order.policy,
        by=order.by,
        reason=order.reason,
    )
    return (chosen,)
