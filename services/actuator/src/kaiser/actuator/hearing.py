"""What answers and states of a device make of its commands. Pure."""

from collections.abc import Sequence

from kaiser.actuator import facts
from kaiser.actuator.commands import Around, HearDownlink, HearOutcome, HearResponse, HearStatus
from kaiser.actuator.levels import same
from kaiser.actuator.matching import by_id, whose
from kaiser.actuator.state import ActuatorState, Fact, Past, Sent
from kaiser.contracts.codes import Code


def respond(state: ActuatorState, heard: HearResponse) -> Sequence[Fact]:
    """The device answered a command."""
    found = whose(state, heard)
    if isinstance(found, Sent):
        return _answered(found, heard, by_response=True, success=heard.success)
    if isinstance(found, Past):
        return _late(found, heard, success=heard.success)
    return ()


def outcome(state: ActuatorState, heard: HearOutcome) -> Sequence[Fact]:
    """A ``head`` device told what became of an intent; twice, and late, are normal (wire contract, section 4.16)."""
    found = by_id(state, heard.command_id)
    if isinstance(found, Sent):
        return _answered(found, heard, by_response=False, success=heard.good)
    if isinstance(found, Past):
        return _late(found, heard, success=heard.good)
    return ()


def status(state: ActuatorState, heard: HearStatus) -> Sequence[Fact]:
    """The device told the actuator's state, after the command was sent."""
    around, sent = heard.around, state.sent
    if sent is not None:
        return shown(sent, heard.at, around) if heard.newer_than == sent.id else ()
    wanted = state.wanted
    if state.drift is not None and wanted is not None and agrees(wanted.level, around):
        return (facts.settled(heard.at, around, wanted.level),)
    return ()


def shown(sent: Sent, at: int, around: Around) -> Sequence[Fact]:
    """What the state of the actuator says of a command that is under way."""
    if agrees(sent.request.level, around):
        return (facts.ended(sent, at, "succeeded"),)
    settled_at = sent.acked_at + around.patience.settle_us(around.actuator_type)
    if sent.acked_at and around.level is not None and around.level_at >= settled_at:
        return (facts.unverified(sent, at, around),)
    return ()


def agrees(level: float, around: Around) -> bool:
    """Whether the device reports a level."""
    return around.level is not None and same(level, around.level, around.actuator_type)


def undelivered(state: ActuatorState, heard: HearDownlink) -> Sequence[Fact]:
    """The bridge could not send a command."""
    if state.sent is None or state.sent.id != heard.command_id:
        return ()
    return (facts.ended(state.sent, heard.at, "failed", heard.code or Code.PUBLISH_FAILED, heard.detail),)


def _answered(sent: Sent, heard: HearResponse | HearOutcome, *, by_response: bool, success: bool) -> Sequence[Fact]:
    if not success:
        words = heard.detail or "the device said that it failed"
        return (facts.ended(sent, heard.at, "failed", Code.COMMAND_REFUSED, words),)
    if sent.acked_at:
        return ()
    return (facts.acknowledged(sent, heard.at, by_response=by_response, detail=heard.detail),)


def _late(past: Past, heard: HearResponse | HearOutcome, *, success: bool) -> Sequence[Fact]:
    """An answer to an ended command; one that only says again how it ended is no news."""
    if past.answers >= past.tries or (success and past.outcome == "succeeded"):
        return ()
    return (facts.answered_late(past, heard.at, heard.around, success=success, detail=heard.detail),)
