"""What the REST API shows of actuators and commands."""

from datetime import datetime
from typing import Any

import msgspec

from kaiser.contracts import actuation
from kaiser.contracts.events.actuation import Action, CommandSource, DriftPolicy
from kaiser.gateway.api.views import instant, moment


class DesiredView(msgspec.Struct, frozen=True, kw_only=True):
    """What an actuator is to be.

    Attributes:
        level: 0.0 to 1.0.
        version: Counts its changes.
        off_at: End of a duration.
    """

    level: float
    version: int
    at: datetime
    by: str
    command_id: str
    off_at: datetime | None


class ReportedView(msgspec.Struct, frozen=True, kw_only=True):
    """What its device said it is.

    Attributes:
        level: 0.0 to 1.0; null where the device does not know.
        version: Counts its changes.
        at: When the device said it last.
        changed_at: Since when it has said the same.
        emergency: In the device's words: ``normal``, ``active``, ``clearing`` or ``resuming``.
    """

    level: float | None
    version: int
    at: datetime
    changed_at: datetime
    emergency: str
    runtime_ms: int


class ActuatorView(msgspec.Struct, frozen=True, kw_only=True):
    """An actuator: what it is to be, and what it is.

    Attributes:
        known: Whether the reported state still counts: its device is there, and has said it since it came back.
        drift_since: Since when they differ without a command under way that would explain it.
        policy: What is done about that.
        open_commands: Ids of commands without an end.
        seq: Sequence of the last event that is in here; ``?at_least=`` waits for one.
    """

    esp_id: str
    gpio: int
    kaiser_id: str
    actuator_type: str
    name: str
    zone_id: str
    online: bool
    known: bool
    desired: DesiredView | None
    reported: ReportedView | None
    drift_since: datetime | None
    policy: DriftPolicy
    open_commands: list[str]
    seq: int


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """A change of what an actuator reported."""

    at: datetime
    level: float | None
    emergency: str
    runtime_ms: int


class CommandView(msgspec.Struct, frozen=True, kw_only=True):
    """A command and what became of it.

    Attributes:
        asked: What was asked for; ``action`` is what TOGGLE was resolved to.
        level: 0.0 to 1.0.
        state: ``requested``, ``held``, ``dispatched``, ``acknowledged``, or how it ended: ``succeeded``, ``failed``,
            ``rejected``, ``expired``, ``superseded`` or ``cancelled``.
        seq: Sequence of its last event.
        attempts: How often the device was told.
        steps: When it came to each state.
        code: Why it did not succeed; empty otherwise.
        rule: Rule of safety that rejected it.
        decision_seq: For ``GET /safety/decisions/{seq}``; 0 where safety was not asked.
    """

    command_id: str
    correlation_id: str
    esp_id: str
    gpio: int
    action: Action
    asked: str
    level: float
    duration_s: int
    source: CommandSource
    by: str
    reason: str
    state: actuation.CommandState
    seq: int
    requested_at: datetime
    deadline_at: datetime | None
    ended_at: datetime | None
    attempts: int
    steps: dict[str, datetime]
    code: str
    detail: str
    rule: str
    decision_seq: int
    causation_id: str
    idempotency_key: str


class CommandAnswer(CommandView, frozen=True, kw_only=True):
    """A command that was sent, with the monolith's fields beside.

    Attributes:
        success: Whether it may still succeed, or has.
        command: As ``asked``.
        value: As ``level``.
        command_sent: Whether it is on its way to the device; ON and PWM wait for safety's leave.
        acknowledged: Whether the device has said that it does it.
        safety_warnings: What stood against it; what safety rejects is a problem instead.
    """

    success: bool
    command: str
    value: float
    command_sent: bool
    acknowledged: bool
    safety_warnings: list[str]


UNDER_WAY = frozenset({"requested", "held", "dispatched", "acknowledged"})


def actuator(found: actuation.Actuator) -> ActuatorView:
    """Show an actuator."""
    fields = msgspec.structs.asdict(found) | {"drift_since": moment(found.drift_since)}
    if (desired := found.desired) is not None:
        times = {"at": instant(desired.at), "off_at": moment(desired.off_at)}
        fields["desired"] = DesiredView(**msgspec.structs.asdict(desired) | times)
    if (reported := found.reported) is not None:
        known = {"at": instant(reported.at), "changed_at": instant(reported.changed_at)}
        fields["reported"] = ReportedView(**msgspec.structs.asdict(reported) | known)
    return ActuatorView(**fields)


def state(found: actuation.ReportedState) -> StateView:
    """Show a change."""
    return StateView(at=instant(found.at), level=found.level, emergency=found.emergency, runtime_ms=found.runtime_ms)


def command(found: actuation.Command) -> CommandView:
    """Show a command."""
    return CommandView(**_fields(found))


def answer(found: actuation.Command) -> CommandAnswer:
    """Show a command to whoever sent it."""
    return CommandAnswer(
        **_fields(found),
        success=found.state in UNDER_WAY or found.state == "succeeded",
        command=found.asked,
        value=found.level,
        command_sent=found.attempts > 0,
        acknowledged="acknowledged" in found.steps,
        safety_warnings=[],
    )


def _fields(found: actuation.Command) -> dict[str, Any]:  # fields of a struct
    return msgspec.structs.asdict(found) | {
        "requested_at": instant(found.requested_at),
        "deadline_at": moment(found.deadline_at),
        "ended_at": moment(found.ended_at),
        "steps": {step: instant(at) for step, at in found.steps.items()},
    }
