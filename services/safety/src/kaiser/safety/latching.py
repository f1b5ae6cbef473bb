"""Emergency stops in force: what they cover, and who has not said yet that it is off. Pure."""

from collections.abc import Iterable

from kaiser.contracts.events.safeguards import ActuatorRef, Scope
from kaiser.safety.state import Latch, State


def latch_over(state: State, ref: ActuatorRef) -> Latch | None:
    """The emergency stop that is in force over an actuator, the oldest of several; None for none."""
    if not state.latches:
        return None
    member = state.member(ref.esp_id)
    kaiser_id, zones = member.kaiser_id, member.zones
    over = [
        latch
        for latch in state.latches.values()
        if latch.request.scope.covers(kaiser_id=kaiser_id, zones=zones, esp_id=ref.esp_id, gpio=ref.gpio)
    ]
    return min(over, key=lambda latch: latch.seq, default=None)


def in_scope(state: State, scope: Scope) -> Iterable[ActuatorRef]:
    """Every known actuator that a scope covers, in order."""
    for ref in sorted(state.actuators()):
        member = state.member(ref.esp_id)
        if scope.covers(kaiser_id=member.kaiser_id, zones=member.zones, esp_id=ref.esp_id, gpio=ref.gpio):
            yield ref


def unconfirmed(state: State, latch: Latch) -> tuple[ActuatorRef, ...]:
    """Actuators in the scope of a stop that have not said since that they are off."""
    return tuple(ref for ref in in_scope(state, latch.request.scope) if not is_off(state, ref, latch.request.at))


def is_off(state: State, ref: ActuatorRef, since: int) -> bool:
    """Whether an actuator has said that it is off, and that after ``since``, with nothing under way that changes it."""
    return not state.view(ref).possible and state.output(ref).reported_at > since
