"""Evaluators of conditions, one small module a kind, and the table of them."""

from typing import Any, Final

from kaiser.contracts.rules import (
    ActuatorIs,
    AllOf,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    CronMatches,
    DeviceIs,
    Difference,
    DuringHours,
    EmergencyActive,
    Happened,
    Hysteresis,
    Not,
    Plugin,
    QualityAtLeast,
    RateOfChange,
    RuleRan,
    Silent,
    Sun,
    Sustained,
    Window,
)
from kaiser.logic.conditions import (
    actuator,
    compare,
    compound,
    device,
    difference,
    emergency,
    happened,
    hysteresis,
    plugin,
    quality,
    rate,
    silent,
    sustained,
    timing,
    window,
)
from kaiser.logic.conditions.node import ConditionError, Evaluator, Look, Memory, Needs, Node, Truth

__all__ = ("EVALUATORS", "ConditionError", "Evaluator", "Look", "Memory", "Needs", "Node", "Truth", "build")

EVALUATORS: Final[dict[type[Any], Evaluator]] = {  # structs without a common type of their own
    Compare: compare.build,
    Hysteresis: hysteresis.build,
    Sustained: sustained.build,
    RateOfChange: rate.build,
    Window: window.build,
    Difference: difference.build,
    Silent: silent.build,
    QualityAtLeast: quality.build,
    DeviceIs: device.build,
    ActuatorIs: actuator.build,
    DuringHours: timing.build_hours,
    CronMatches: timing.build_cron,
    Sun: timing.build_sun,
    Happened: happened.build,
    EmergencyActive: emergency.build,
    RuleRan: happened.build,
    AllOf: compound.build_all,
    AnyOf: compound.build_any,
    Not: compound.build_not,
    AtLeast: compound.build_some,
    Plugin: plugin.build,
}
"""Kind to evaluator; a new kind is a struct in the contract, a module here, and a line in this table."""


def build(condition: Condition, needs: Needs) -> Node:
    """The node of a condition, with those of its parts.

    Raises:
        ConditionError: It cannot be evaluated as it stands.
    """
    return EVALUATORS[type(condition)](condition, needs, build)
