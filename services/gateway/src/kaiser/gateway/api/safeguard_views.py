"""What the REST API shows of limits, interlocks, emergency stops, violations and alerts."""

from datetime import datetime
from typing import Any

import msgspec

from kaiser.contracts import safeguarding
from kaiser.contracts.events.safeguards import Limits, Rule, Scope, Severity
from kaiser.gateway.api.views import instant, moment


class SafetyDecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order: the sequence of the event that it caused, and whether anything had to happen."""

    seq: int
    changed: bool


class LimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """What one actuator may do, who said so and why; ``by`` is empty where these are the defaults."""

    esp_id: str
    gpio: int
    limits: Limits
    by: str
    reason: str
    at: datetime | None
    seq: int


class InterlockView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule between actuators, who made it and why."""

    interlock_id: str
    rule: Rule
    by: str
    reason: str
    at: datetime
    seq: int


class EmergencyView(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency stop in force.

    Attributes:
        actuators: How many known actuators are in its scope.
        confirmed: How many of them have said since that they are off.
        unconfirmed: The others, ``ESP_…/25``, at most 100.
    """

    emergency_id: str
    scope: Scope
    by: str
    reason: str
    at: datetime
    seq: int
    actuators: int
    confirmed: int
    unconfirmed: list[str]


class ViolationView(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was rejected or an actuator that was stopped.

    Attributes:
        saw: The values that the rule saw, by name.
        reference: Id of the command or of the stop.
    """

    seq: int
    at: datetime
    kind: str
    esp_id: str
    gpio: int
    rule: str
    code: str
    detail: str
    saw: dict[str, Any]
    reference: str
    correlation_id: str
    by: str


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What safety decided on a command, by which rule, and what it saw."""

    seq: int
    at: datetime
    command_id: str
    esp_id: str
    gpio: int
    approved: bool
    rule: str
    code: str
    detail: str
    saw: dict[str, Any]


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An open alert; ``count`` is how often it was raised, ``acted`` what was done at once."""

    alert_id: str
    esp_id: str
    gpio: int
    kind: str
    severity: Severity
    detail: str
    acted: str
    raised_at: datetime
    last_at: datetime
    count: int


def decided(found: safeguarding.SafetyDecided) -> SafetyDecisionView:
    """Show what came of an order."""
    return SafetyDecisionView(seq=found.seq, changed=found.changed)


def limits(found: safeguarding.ActuatorLimits) -> LimitsView:
    """Show limits."""
    return LimitsView(**msgspec.structs.asdict(found) | {"at": moment(found.at)})


def interlock(found: safeguarding.Interlock) -> InterlockView:
    """Show an interlock."""
    return InterlockView(**msgspec.structs.asdict(found) | {"at": instant(found.at)})


def emergency(found: safeguarding.Emergency) -> EmergencyView:
    """Show an emergency stop."""
    return EmergencyView(**msgspec.structs.asdict(found) | {"at": instant(found.at)})


def violation(found: safeguarding.Violation) -> ViolationView:
    """Show a violation."""
    return ViolationView(**msgspec.structs.asdict(found) | {"at": instant(found.at)})


def decision(found: safeguarding.DecisionView) -> DecisionView:
    """Show a decision."""
    return DecisionView(**msgspec.structs.asdict(found) | {"at": instant(found.at)})


def alert(found: safeguarding.Alert) -> AlertView:
    """Show an alert."""
    times = {"raised_at": instant(found.raised_at), "last_at": instant(found.last_at)}
    return AlertView(**msgspec.structs.asdict(found) | times)
