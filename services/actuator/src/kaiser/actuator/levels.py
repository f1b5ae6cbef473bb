"""What actuators of each type can be told, and what their status says of it (wire contract, 4.5, 5.1, 9). Pure.

A level is 0.0 for off to 1.0 for full power; a valve knows 0, 0.5 and 1.
"""

from typing import Final, Literal

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import Action
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.wire import ActuatorStatus

Asked = Literal["ON", "OFF", "PWM", "TOGGLE"]

MIDDLE_FROM: Final = 0.33
OPEN_FROM: Final = 0.66
"""Thirds of a valve's level, as both firmware generations cut them."""

PWM_STEP: Final = 1 / 255
_EPSILON: Final = 1e-6


class Wish(msgspec.Struct, frozen=True):
    """What a device is to be told: never TOGGLE, which undoes itself when it is delivered twice."""

    action: Action
    level: float


def wish(asked: Asked, level: float | None, actuator_type: str, now_at: float | None) -> Wish:
    """What was asked for, as this type of actuator can do it.

    Args:
        asked: Word of the request.
        level: For PWM.
        actuator_type: What the actuator is.
        now_at: Level that TOGGLE is resolved by; None where nobody knows.

    Raises:
        Refusal: COMMAND_NOT_FOR_TYPE, MISSING_REQUIRED_FIELD, or STATE_UNKNOWN for TOGGLE.
    """
    match asked:
        case "ON":
            return Wish("ON", 1.0)
        case "OFF":
            return Wish("OFF", 0.0)
        case "TOGGLE":
            if now_at is None:
                words = "neither the device nor anybody else said what the actuator is now, so it cannot be toggled"
                raise Refusal(Code.STATE_UNKNOWN, words, "command")
            return Wish("OFF", 0.0) if now_at > 0 else Wish("ON", 1.0)
        case "PWM":
            return _pwm(level, actuator_type)


def _pwm(level: float | None, actuator_type: str) -> Wish:
    if actuator_type not in ("pwm", "valve"):
        raise Refusal(Code.COMMAND_NOT_FOR_TYPE, f"a {actuator_type} is on or off; PWM is for pwm and valve", "command")
    if level is None:
        raise Refusal(Code.MISSING_REQUIRED_FIELD, "PWM needs a level of 0.0 to 1.0", "level")
    reached = third(level) if actuator_type == "valve" else min(1.0, max(0.0, level))
    # PWM 0 is OFF: it needs nobody's leave, and is told in the one word that nobody misreads
    return Wish("PWM", reached) if reached > 0 else Wish("OFF", 0.0)


def third(level: float) -> float:
    """The position that a valve takes for a level."""
    return 1.0 if level >= OPEN_FROM else 0.5 if level >= MIDDLE_FROM else 0.0


def reported(status: ActuatorStatus) -> float | None:
    """The level that a status tells; None where the device does not know."""
    if status.state is None:
        return None
    match status.actuator_type:
        case "pwm" if status.pwm is not None:
            return status.pwm / 255
        case "valve" if status.pwm is not None:
            return round(status.pwm / 127) / 2  # position times 127
        case _:
            return float(status.state)


def same(wanted: float, said: float, actuator_type: str) -> bool:
    """Whether a reported level is what was wanted, as finely as the device can do it; off is off and nothing else."""
    if wanted == 0:
        return said == 0
    if actuator_type == "valve":
        return third(wanted) == third(said)
    if actuator_type == "pwm":
        return abs(wanted - said) <= PWM_STEP + _EPSILON
    return said > 0
