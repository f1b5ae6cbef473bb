"""Commands to actuators and their shadows. Subjects ``actuator.{kaiser}.{esp}.{gpio}.{command,shadow}.{event}``.

Written by the actuator service. One aggregate an actuator, whatever kaiser id its device talked under; a command is a
part of it, and ends in exactly one ``CommandEnded``. Times are unix microseconds.
"""

from typing import ClassVar, Literal

import msgspec

Action = Literal["ON", "OFF", "PWM"]
"""What devices know; TOGGLE is resolved before it becomes an event (wire contract, section 5.1)."""

CommandSource = Literal["user", "rule", "schedule", "timer", "drift", "safety"]
"""Where a command comes from: a person, a rule, a schedule, the end of a duration, a shadow that is asserted again."""

CommandOutcome = Literal["succeeded", "failed", "rejected", "expired", "superseded", "cancelled"]
"""How a command ends.

``succeeded``: the device's status shows what was asked. ``failed``: the device or the broker refused it, or its status
shows otherwise. ``rejected``: by safety. ``expired``: no answer before the deadline. ``superseded``: a later command or
a stop took its place. ``cancelled``: somebody took it back before it was sent.
"""

DriftPolicy = Literal["reassert", "accept", "alarm"]
"""What to do where the device reports another state than the desired one.

``reassert``: command it again, a few times. ``accept``: desire what is. ``alarm``: leave it and say so.
"""


class ActuatorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of an actuator says.

    Attributes:
        kaiser_id: Kaiser id that its device used last.
        esp_id: Device.
        gpio: Pin.
        at: When, unix microseconds.
    """

    kaiser_id: str
    esp_id: str
    gpio: int
    at: int


class CommandEvent(ActuatorEvent, frozen=True, kw_only=True):
    """What every event of a command says.

    Attributes:
        command_id: The command.
        correlation_id: The request that it came from; shared by everything that follows from it, on every stream.
    """

    command_id: str
    correlation_id: str


class CommandRequested(CommandEvent, frozen=True, kw_only=True):
    """Somebody wants an actuator to do something. Safety answers, unless it is OFF, which needs no leave.

    One with ``held_until`` waits for its device, and safety decides on it when the device is there; the time from
    ``held_until`` to ``deadline_at`` is what it has from its dispatch on.

    Attributes:
        action: What the device is to be told.
        asked: What was asked for, before TOGGLE was resolved.
        level: 0.0 to 1.0 for PWM; 1.0 for ON, 0.0 for OFF.
        duration_s: Switch off again after so long, by the server's timer; 0 for not by itself.
        source: Where it comes from.
        by: User name, rule id or ``kaiser``.
        reason: In words; may be empty.
        idempotency_key: The client's; the same key on the same actuator is the same command. Empty for none.
        causation_id: Command or event that it follows from; empty for none.
        deadline_at: It ends as ``expired`` if it has no end by then.
        held_until: While its device is offline it waits until then; 0 where it does not wait.
    """

    TYPE: ClassVar[str] = "io.kaiser.command.requested.v1"
    EVENT: ClassVar[str] = "requested"

    action: Action
    asked: Literal["ON", "OFF", "PWM", "TOGGLE"]
    level: float
    duration_s: int = 0
    source: CommandSource
    by: str
    reason: str = ""
    idempotency_key: str = ""
    causation_id: str = ""
    deadline_at: int
    held_until: int = 0


class CommandDispatched(CommandEvent, frozen=True, kw_only=True):
    """The command is on its way to the device; the same id at every try.

    Attributes:
        attempt: 1 for the first.
        answer_by: When the next try is due, or the end.
        decision_seq: Sequence in SAFETY of the approval; 0 for OFF, which needs none.
        approved_until: Until when it may be sent again under this approval; 0 for OFF, which needs none.
    """

    TYPE: ClassVar[str] = "io.kaiser.command.dispatched.v1"
    EVENT: ClassVar[str] = "dispatched"

    attempt: int
    answer_by: int
    decision_seq: int = 0
    approved_until: int = 0


class CommandAcknowledged(CommandEvent, frozen=True, kw_only=True):
    """The device said that it does it; its status has not shown it yet.

    Attributes:
        by_message: ``response`` or ``intent_outcome``.
        detail: In the device's words.
    """

    TYPE: ClassVar[str] = "io.kaiser.command.acknowledged.v1"
    EVENT: ClassVar[str] = "acknowledged"

    by_message: Literal["response", "intent_outcome"]
    detail: str = ""


class CommandEnded(CommandEvent, frozen=True, kw_only=True):
    """The command has come to its end; there is exactly one.

    Attributes:
        outcome: How.
        code: Stable code, empty where it succeeded.
        detail: In words.
        rule: Rule of safety that rejected it; empty otherwise.
        decision_seq: Sequence in SAFETY of the decision that rejected it; 0 otherwise.
    """

    TYPE: ClassVar[str] = "io.kaiser.command.ended.v1"
    EVENT: ClassVar[str] = "ended"

    outcome: CommandOutcome
    code: str = ""
    detail: str = ""
    rule: str = ""
    decision_seq: int = 0


class CommandAnsweredLate(CommandEvent, frozen=True, kw_only=True):
    """The device answered a command that had ended. Recorded, and of no effect.

    Attributes:
        success: What it said.
        detail: In its words.
    """

    TYPE: ClassVar[str] = "io.kaiser.command.answered_late.v1"
    EVENT: ClassVar[str] = "answered_late"

    success: bool
    detail: str = ""


class ShadowPolicySet(ActuatorEvent, frozen=True, kw_only=True):
    """What is to be done where desired and reported state differ.

    Attributes:
        by: User name.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.shadow.policy_set.v1"
    EVENT: ClassVar[str] = "policy_set"

    policy: DriftPolicy
    by: str
    reason: str


class ShadowDrifted(ActuatorEvent, frozen=True, kw_only=True):
    """The device reports another state than the desired one, and no command is under way that would explain it.

    Attributes:
        desired: Level, 0.0 to 1.0.
        reported: Level, 0.0 to 1.0; None where the device does not know.
        policy: What is done about it.
    """

    TYPE: ClassVar[str] = "io.kaiser.shadow.drifted.v1"
    EVENT: ClassVar[str] = "drifted"

    desired: float
    reported: float | None
    policy: DriftPolicy


class ShadowSettled(ActuatorEvent, frozen=True, kw_only=True):
    """Desired and reported state agree again.

    Attributes:
        desired: Level now.
        how: ``reported``: the device came to it; ``accepted``: the desired state was given up.
    """

    TYPE: ClassVar[str] = "io.kaiser.shadow.settled.v1"
    EVENT: ClassVar[str] = "settled"

    desired: float
    how: Literal["reported", "accepted"]


CommandFact = CommandRequested | CommandDispatched | CommandAcknowledged | CommandEnded | CommandAnsweredLate
ShadowFact = ShadowPolicySet | ShadowDrifted | ShadowSettled

COMMAND_EVENTS: tuple[type[CommandFact], ...] = (
    CommandRequested,
    CommandDispatched,
    CommandAcknowledged,
    CommandEnded,
    CommandAnsweredLate,
)
SHADOW_EVENTS: tuple[type[ShadowFact], ...] = (ShadowPolicySet, ShadowDrifted, ShadowSettled)
