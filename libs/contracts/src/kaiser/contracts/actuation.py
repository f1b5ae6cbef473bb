"""Requests to the actuator service: over NATS on ``command.actuator.{name}`` and ``query.actuator.{name}``.

Every reply is a :class:`kaiser.contracts.queries.Reply`. Times are unix microseconds, 0 for never.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.commands import DeviceOrder
from kaiser.contracts.events.actuation import Action, CommandOutcome, CommandSource, DriftPolicy

CommandState = Literal["requested", "held", "dispatched", "acknowledged"] | CommandOutcome


class ActuatorOrder(DeviceOrder, frozen=True, kw_only=True):
    """What every order about an actuator says.

    Attributes:
        gpio: Pin.
    """

    gpio: int


class SendCommand(ActuatorOrder, frozen=True, kw_only=True):
    """Have an actuator do something. ``command.actuator.send`` answers ``Command`` before the device was told.

    Attributes:
        command: TOGGLE becomes ON or OFF by what the actuator reports.
        level: 0.0 to 1.0, for PWM.
        duration_s: Off again after so long; 0 for not by itself.
        hold_s: While its device is offline, wait so long for it; 0 refuses instead.
        timeout_s: End as expired when there is no end after so long, not counting the wait.
        source: Where it comes from.
        reason: In words.
        idempotency_key: The same key on the same actuator is the same command, for at least a day.
        causation_id: Command or event that it follows from.
    """

    command: Literal["ON", "OFF", "PWM", "TOGGLE"]
    level: Annotated[float, Meta(ge=0, le=1)] | None = None
    duration_s: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 0
    hold_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    timeout_s: Annotated[int, Meta(ge=1, le=600)] = 30
    source: CommandSource = "user"
    reason: Annotated[str, Meta(max_length=500)] = ""
    idempotency_key: Annotated[str, Meta(max_length=200)] = ""
    causation_id: str = ""


class CancelCommand(ActuatorOrder, frozen=True, kw_only=True):
    """Take a command back that is not on its way yet. ``command.actuator.cancel`` answers ``Command``."""

    command_id: str


class SetShadowPolicy(ActuatorOrder, frozen=True, kw_only=True):
    """Say what is done where desired and reported differ. ``command.actuator.set_policy`` answers ``Actuator``."""

    policy: DriftPolicy
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command and what became of it.

    Attributes:
        state: Where it is in its life.
        seq: Sequence in ACTUATORS of its last event.
        steps: When it came to each state, unix microseconds.
        code: Why it did not succeed; empty otherwise.
        rule: Rule of safety that rejected it.
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
    reason: str = ""
    state: CommandState
    seq: int
    requested_at: int
    ended_at: int = 0
    deadline_at: int = 0
    attempts: int = 0
    steps: dict[str, int] = {}
    code: str = ""
    detail: str = ""
    rule: str = ""
    decision_seq: int = 0
    causation_id: str = ""
    idempotency_key: str = ""


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What an actuator is to be. ``version`` counts its changes; ``off_at`` is the end of a duration, 0 for none."""

    level: float
    version: int
    at: int
    by: str
    command_id: str = ""
    off_at: int = 0


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What its device said it is. ``level`` is None where the device does not know, ``version`` grows with each change.

    Attributes:
        emergency: As the device says it: ``normal``, ``active``, ``clearing`` or ``resuming``.
    """

    level: float | None
    version: int
    at: int
    changed_at: int
    emergency: str = "normal"
    runtime_ms: int = 0


class Actuator(msgspec.Struct, frozen=True, kw_only=True):
    """An actuator: what it is to be, and what it is.

    Attributes:
        actuator_type: As its device or its configuration says; empty while nobody has.
        online: Whether its device is.
        known: Whether the reported state still counts: its device is there and has said it since it came back.
        drift_since: Since when they differ without a command under way; 0 where they agree.
        open_commands: Ids of commands without an end.
        seq: Sequence in ACTUATORS of the last event that is in here.
    """

    esp_id: str
    gpio: int
    kaiser_id: str
    actuator_type: str
    name: str
    zone_id: str
    online: bool
    known: bool
    desired: Desired | None
    reported: Reported | None
    drift_since: int = 0
    policy: DriftPolicy = "alarm"
    open_commands: list[str] = []
    seq: int = 0


class ActuatorsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Actuators by device and pin, from memory. ``query.actuator.actuators`` answers ``Page[Actuator]``."""

    esp_id: str | None = None
    zone_id: str | None = None
    actuator_type: str | None = None
    drifted: bool | None = None
    limit: int = 100
    cursor: str | None = None


class ActuatorQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One actuator, from memory. ``query.actuator.actuator`` answers ``Actuator``.

    Attributes:
        at_least: Wait until this event of ACTUATORS is in it.
    """

    esp_id: str
    gpio: int
    at_least: int = 0


class CommandQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One command. ``query.actuator.command`` answers ``Command``: from memory if it is recent, else from the table.

    Attributes:
        wait_s: Wait so long for its end.
    """

    command_id: str
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class CommandsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Commands, newest first, from the table. ``query.actuator.commands`` answers ``Page[Command]``."""

    esp_id: str | None = None
    gpio: int | None = None
    outcome: CommandOutcome | None = None
    correlation_id: str | None = None
    start: int = 0
    end: int = 0
    limit: int = 100
    cursor: str | None = None


class StatesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What an actuator was, oldest first, from the hypertable. ``query.actuator.states`` answers ``Page[State]``.

    Attributes:
        start: Unix microseconds, inclusive.
        end: Unix microseconds, exclusive.
    """

    esp_id: str
    gpio: int
    start: int
    end: int
    limit: int = 1000
    cursor: str | None = None


class ReportedState(msgspec.Struct, frozen=True, kw_only=True):
    """A change of what an actuator reported. ``level`` is None where its device did not know."""

    at: int
    level: float | None
    emergency: str
    runtime_ms: int
