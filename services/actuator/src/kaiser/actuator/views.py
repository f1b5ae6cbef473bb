"""Commands and actuators as others see them, made of events. Pure."""

from typing import Final, Literal

import msgspec

from kaiser.actuator import shadow as shadows
from kaiser.actuator.shadow import Shadow
from kaiser.actuator.state import ActuatorState
from kaiser.contracts.actuation import Actuator, Command, Desired
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandFact,
    CommandRequested,
)
from kaiser.roster import Member

LATE: Final = "answered_late"
"""A step that is no state: the device answered after the end."""

_replace = msgspec.structs.replace


def told(command: Command | None, event: CommandFact, seq: int) -> Command | None:
    """A command after an event of it; None for one whose request was never seen.

    Args:
        command: What was known.
        event: An event of it, in the order of the log.
        seq: Its sequence in ACTUATORS.
    """
    if isinstance(event, CommandRequested):
        return command or _requested(event, seq)
    if command is None:
        return None
    match event:
        case CommandDispatched():
            steps = _step(command, "dispatched", event.at)
            return _replace(
                command,
                state="dispatched",
                seq=seq,
                steps=steps,
                attempts=event.attempt,
                decision_seq=event.decision_seq,
            )
        case CommandAcknowledged():
            steps = _step(command, "acknowledged", event.at)
            return _replace(command, state="acknowledged", seq=seq, steps=steps)
        case CommandAnsweredLate():
            return _replace(command, seq=seq, steps=_step(command, LATE, event.at))
        case CommandEnded():
            return _replace(
                command,
                state=event.outcome,
                seq=seq,
                steps=_step(command, event.outcome, event.at),
                ended_at=event.at,
                code=event.code,
                detail=event.detail,
                rule=event.rule,
                decision_seq=event.decision_seq or command.decision_seq,
            )


def _requested(event: CommandRequested, seq: int) -> Command:
    state: Literal["held", "requested"] = "held" if event.held_until else "requested"
    return Command(
        command_id=event.command_id,
        correlation_id=event.correlation_id,
        esp_id=event.esp_id,
        gpio=event.gpio,
        action=event.action,
        asked=event.asked,
        level=event.level,
        duration_s=event.duration_s,
        source=event.source,
        by=event.by,
        reason=event.reason,
        state=state,
        seq=seq,
        requested_at=event.at,
        deadline_at=event.deadline_at,
        steps={state: event.at},
        causation_id=event.causation_id,
        idempotency_key=event.idempotency_key,
    )


def _step(command: Command, name: str, at: int) -> dict[str, int]:
    """Steps with one more; the first time counts."""
    return command.steps if name in command.steps else {**command.steps, name: at}


def actuator(esp_id: str, gpio: int, state: ActuatorState, shadow: Shadow, member: Member, seq: int) -> Actuator:
    """An actuator: what it is to be, and what it is."""
    wanted, configured = state.wanted, member.actuators.get(gpio)
    desired = None
    if wanted is not None:
        desired = Desired(
            level=wanted.level,
            version=wanted.version,
            at=wanted.at,
            by=wanted.by,
            command_id=wanted.command_id,
            off_at=wanted.off_at,
        )
    return Actuator(
        esp_id=esp_id,
        gpio=gpio,
        kaiser_id=member.kaiser_id,
        actuator_type=shadows.type_of(shadow, member, gpio),
        name=configured.name if configured is not None else "",
        zone_id=member.zone_id,
        online=member.online,
        known=shadows.is_known(shadow, member),
        desired=desired,
        reported=shadow.view(),
        drift_since=state.drift.since if state.drift is not None else 0,
        policy=state.policy,
        open_commands=[command.id for command in state.open],
        seq=max(seq, shadow.seq),
    )
