"""Events of one actuator, as they follow from a command. Pure."""

from typing import Final, Literal

from kaiser.actuator.commands import Around
from kaiser.actuator.state import Past, Sent, Waiting, deadline
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandOutcome,
    CommandRequested,
    DriftPolicy,
    ShadowDrifted,
    ShadowSettled,
)

MOST_TRIES: Final = 3


def ended(
    command: Waiting | Sent,
    at: int,
    outcome: CommandOutcome,
    code: str = "",
    detail: str = "",
    *,
    rule: str = "",
    decision_seq: int = 0,
) -> CommandEnded:
    """The end of a command."""
    request = command.request
    return CommandEnded(
        kaiser_id=request.kaiser_id,
        esp_id=request.esp_id,
        gpio=request.gpio,
        at=at,
        command_id=request.command_id,
        correlation_id=request.correlation_id,
        outcome=outcome,
        code=code,
        detail=detail,
        rule=rule,
        decision_seq=decision_seq,
    )


def superseded(command: Waiting | Sent, at: int, by: str) -> CommandEnded:
    """The end of a command whose place another one took."""
    return ended(command, at, "superseded", "", f"command {by} took its place")


def overruled(command: Waiting | Sent, at: int) -> CommandEnded:
    """The end of a command that safety allowed before the actuator was stopped, even if that stop is over by now."""
    return ended(command, at, "superseded", "", "the actuator was stopped after safety had allowed it")


def dispatched(
    request: CommandRequested,
    at: int,
    around: Around,
    *,
    attempt: int = 1,
    deadline_at: int | None = None,
    decision_seq: int = 0,
    approved_until: int = 0,
) -> CommandDispatched:
    """A command on its way. The last try has until the deadline."""
    answer_by = deadline(request, at) if deadline_at is None else deadline_at
    if attempt < MOST_TRIES:
        answer_by = min(answer_by, at + around.patience.answer_us(around.generation))
    return CommandDispatched(
        kaiser_id=around.kaiser_id,
        esp_id=request.esp_id,
        gpio=request.gpio,
        at=at,
        command_id=request.command_id,
        correlation_id=request.correlation_id,
        attempt=attempt,
        answer_by=answer_by,
        decision_seq=decision_seq,
        approved_until=approved_until,
    )


def acknowledged(sent: Sent, at: int, *, by_response: bool, detail: str) -> CommandAcknowledged:
    """The device said that it does it."""
    request = sent.request
    return CommandAcknowledged(
        kaiser_id=request.kaiser_id,
        esp_id=request.esp_id,
        gpio=request.gpio,
        at=at,
        command_id=request.command_id,
        correlation_id=request.correlation_id,
        by_message="response" if by_response else "intent_outcome",
        detail=detail,
    )


def answered_late(past: Past, at: int, around: Around, *, success: bool, detail: str) -> CommandAnsweredLate:
    """The device answered what had ended."""
    return CommandAnsweredLate(
        kaiser_id=around.kaiser_id,
        esp_id=around.esp_id,
        gpio=around.gpio,
        at=at,
        command_id=past.command_id,
        correlation_id=past.correlation_id,
        success=success,
        detail=detail,
    )


def drifted(at: int, around: Around, desired: float, policy: DriftPolicy) -> ShadowDrifted:
    """The device reports something else than what is desired."""
    return ShadowDrifted(
        kaiser_id=around.kaiser_id,
        esp_id=around.esp_id,
        gpio=around.gpio,
        at=at,
        desired=desired,
        reported=around.level,
        policy=policy,
    )


def settled(
    at: int, around: Around, desired: float, *, how: Literal["reported", "accepted"] = "reported"
) -> ShadowSettled:
    """The device came to what is desired, or it to the device."""
    return ShadowSettled(
        kaiser_id=around.kaiser_id, esp_id=around.esp_id, gpio=around.gpio, at=at, desired=desired, how=how
    )


def unverified(sent: Sent, at: int, around: Around) -> CommandEnded:
    """The device said that it did it, and its status shows otherwise."""
    words = f"the device reports {around.level}, {sent.request.level} was asked for"
    return ended(sent, at, "failed", Code.COMMAND_UNVERIFIED, words)
