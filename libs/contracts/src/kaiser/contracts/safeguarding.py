"""Requests to safety: over NATS on ``command.safety.{name}`` and ``query.safety.{name}``.

Every reply is a :class:`kaiser.contracts.queries.Reply`. Times are unix microseconds, 0 for never.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.safeguards import Limits, Rule, Scope, Severity

Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class SafetyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every order to safety says.

    Attributes:
        by: User name of who orders it.
        reason: Why.
        correlation_id: Shared by all events that come of it; made by safety where it is empty.
        known_seq: Of limits and interlocks: sequence of the event that whoever orders it has seen, 0 for none; another
            one is refused with STATE_CHANGED. None for whatever is there.
    """

    by: str
    reason: Reason
    correlation_id: str = ""
    known_seq: int | None = None


class SetLimits(SafetyOrder, frozen=True, kw_only=True):
    """Give an actuator other limits. ``command.safety.set_limits`` answers ``SafetyDecided``.

    Attributes:
        limits: All of them; None takes them back to the defaults.
    """

    esp_id: str
    gpio: int
    limits: Limits | None


class SetInterlock(SafetyOrder, frozen=True, kw_only=True):
    """Make or change an interlock. ``command.safety.set_interlock`` answers ``SafetyDecided``.

    Refused with INTERLOCK_CONTRADICTION and the way into it where an actuator could never be switched on any more.
    """

    interlock_id: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    rule: Rule


class RemoveInterlock(SafetyOrder, frozen=True, kw_only=True):
    """Take an interlock away. ``command.safety.remove_interlock`` answers ``SafetyDecided``."""

    interlock_id: str


class ReleaseEmergency(SafetyOrder, frozen=True, kw_only=True):
    """Let actuators be switched on again. ``command.safety.release_emergency`` answers ``SafetyDecided``.

    Refused with EMERGENCY_UNCONFIRMED while an actuator in the scope has not said that it is off.

    Attributes:
        unconfirmed: Release although some have not said so: devices that are gone for good.
    """

    emergency_id: str
    unconfirmed: bool = False


class ClearAlert(SafetyOrder, frozen=True, kw_only=True):
    """Say that an alert is over. ``command.safety.clear_alert`` answers ``SafetyDecided``."""

    alert_id: str


class SafetyDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order.

    Attributes:
        seq: Sequence in SAFETY of the event that it caused, or of the last that says the same.
        changed: Whether anything had to happen.
    """

    seq: int
    changed: bool


class LimitsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one actuator, from memory. ``query.safety.limits`` answers ``ActuatorLimits``."""

    esp_id: str
    gpio: int


class ActuatorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of an actuator, who set them and why; ``by`` is empty where they are the defaults."""

    esp_id: str
    gpio: int
    limits: Limits
    by: str = ""
    reason: str = ""
    at: int = 0
    seq: int = 0


class InterlocksQuery(msgspec.Struct, frozen=True, kw_only=True):
    """All interlocks, from memory. ``query.safety.interlocks`` answers ``Page[Interlock]``."""


class Interlock(msgspec.Struct, frozen=True, kw_only=True):
    """An interlock, who made it and why."""

    interlock_id: str
    rule: Rule
    by: str
    reason: str
    at: int
    seq: int


class EmergenciesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Emergency stops in force, from memory. ``query.safety.emergencies`` answers ``Page[Emergency]``."""


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
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
    at: int
    seq: int
    actuators: int
    confirmed: int
    unconfirmed: list[str]


class ViolationsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What safety rejected and stopped, newest first, from the table. ``query.safety.violations``.

    Answers ``Page[Violation]``.

    Attributes:
        seq: Only the one whose event has this sequence; 0 for all.
    """

    seq: int = 0
    esp_id: str | None = None
    gpio: int | None = None
    kind: Literal["rejected", "stopped"] | None = None
    rule: str | None = None
    start: int = 0
    end: int = 0
    limit: int = 100
    cursor: str | None = None


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was rejected or an actuator that was stopped, with the values that were seen.

    Attributes:
        reference: Id of the command or of the stop.
    """

    seq: int
    at: int
    kind: Literal["rejected", "stopped"]
    esp_id: str
    gpio: int
    rule: str
    code: str
    detail: str
    saw: dict[str, Any]
    reference: str
    correlation_id: str = ""
    by: str = ""


class DecisionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided on a command, from the log. ``query.safety.decision`` answers ``DecisionView``.

    Attributes:
        seq: ``decision_seq`` of the command.
    """

    seq: int


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a command."""

    seq: int
    at: int
    command_id: str
    esp_id: str
    gpio: int
    approved: bool
    rule: str
    code: str
    detail: str
    saw: dict[str, Any]


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Open alerts, worst first, from memory. ``query.safety.alerts`` answers ``Page[Alert]``.

    Attributes:
        alert_id: Only this one.
    """

    alert_id: str | None = None
    esp_id: str | None = None
    limit: int = 100
    cursor: str | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that is open; repetitions are folded into ``count``."""

    alert_id: str
    esp_id: str
    gpio: int
    kind: str
    severity: Severity
    detail: str
    acted: str
    raised_at: int
    last_at: int
    count: int
