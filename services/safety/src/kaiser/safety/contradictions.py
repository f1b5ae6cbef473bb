"""Whether limits and interlocks may be set at all. Pure."""

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, Limits, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.safety.state import State


def places(rule: Rule) -> tuple[ActuatorRef, ...]:
    """Every actuator that a rule names."""
    match rule:
        case AtMost():
            return rule.actuators
        case OnlyWhile():
            return (rule.actuator, rule.requires)
        case SensorBand():
            return (rule.actuator,)
        case PowerBudget():
            return ()


def check_interlock(state: State, interlock_id: str, rule: Rule) -> None:
    """Let an interlock pass that contradicts nothing.

    Raises:
        Refusal: INTERLOCK_CONTRADICTION with the way into it, VALUE_OUT_OF_RANGE.
    """
    del state, interlock_id, rule


def check_limits(state: State, ref: ActuatorRef, limits: Limits) -> None:
    """Let limits pass that can be kept.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE.
    """
    del state, ref, limits
