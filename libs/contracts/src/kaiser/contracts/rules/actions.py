"""Actions: what a run does, step by step. One kind a struct, told apart by ``kind``."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.safeguards import ActuatorRef, Level, Seconds, Severity
from kaiser.contracts.rules.conditions import Condition
from kaiser.contracts.rules.parts import Part, RuleId

Actions = Annotated[tuple["Action", ...], Meta(min_length=1, max_length=50)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]


class Command(Part, frozen=True, kw_only=True, tag="command"):
    """Ask an actuator for something, as any other client does: safety may say no.

    Attributes:
        command: What.
        level: 0.0 to 1.0, for PWM.
        duration_s: Off again after so long, by the server's own timer; 0 for not by itself.
        hold_s: While its device is offline, wait so long for it; 0 fails instead.
        timeout_s: How long it may take.
        wait: Whether the run waits for its end; if not, the step has succeeded when it is asked for.
        on_failure: ``end`` ends the run as failed, ``go_on`` takes the next step.
    """

    actuator: ActuatorRef
    command: Literal["ON", "OFF", "PWM", "TOGGLE"]
    level: Level | None = None
    duration_s: Seconds = 0
    hold_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    timeout_s: Annotated[int, Meta(ge=1, le=600)] = 30
    wait: bool = True
    on_failure: Literal["end", "go_on"] = "end"


class Ramp(Part, frozen=True, kw_only=True, tag="ramp"):
    """Move an actuator from one level to another in equal steps.

    Attributes:
        start: First level; None is what it reports when the ramp begins, 0.0 where it reports nothing.
        end: Last level.
        over_s: How long it takes altogether.
        steps: How many commands.
    """

    actuator: ActuatorRef
    start: Level | None = None
    end: Level
    over_s: Annotated[int, Meta(ge=1, le=86_400)]
    steps: Annotated[int, Meta(ge=1, le=100)] = 10
    on_failure: Literal["end", "go_on"] = "end"


class Delay(Part, frozen=True, kw_only=True, tag="delay"):
    """Wait. Survives a restart of the service; what was over meanwhile goes on at once."""

    for_s: Annotated[int, Meta(ge=1, le=7 * 86_400)]


class WaitUntil(Part, frozen=True, kw_only=True, tag="wait_until"):
    """Wait until a condition is true."""

    condition: Condition
    timeout_s: Annotated[int, Meta(ge=1, le=7 * 86_400)]
    on_timeout: Literal["end", "go_on"] = "end"


class Sequence(Part, frozen=True, kw_only=True, tag="sequence"):
    """One after the other."""

    steps: Actions


class Parallel(Part, frozen=True, kw_only=True, tag="parallel"):
    """Side by side; over when the last of them is. One that fails ends the run and with it the others."""

    branches: Actions


class Repeat(Part, frozen=True, kw_only=True, tag="repeat"):
    """Again and again.

    Attributes:
        times: At most so often.
        until: Over when this is true after a round.
    """

    action: "Action"
    times: Annotated[int, Meta(ge=1, le=1000)]
    until: Condition | None = None


class Option(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do where a condition is true."""

    when: Condition
    do: "Action"


class Choose(Part, frozen=True, kw_only=True, tag="choose"):
    """The first option whose condition is true when it comes to it."""

    options: Annotated[tuple[Option, ...], Meta(min_length=1, max_length=20)]
    otherwise: "Action | None" = None


class Notify(Part, frozen=True, kw_only=True, tag="notify"):
    """Tell people or machines.

    Attributes:
        channel: How.
        target: Address of the channel: an e-mail address, the name of a webhook; empty for ``websocket``.
        message: Text; ``{rule}``, ``{run}``, ``{cause}`` and ``{value}`` are filled in.
    """

    channel: Literal["websocket", "webhook", "email"]
    target: Annotated[str, Meta(max_length=500)] = ""
    message: Text


class Alarm(Part, frozen=True, kw_only=True, tag="alarm"):
    """Raise an alarm, or clear it. One of a name is raised once until it is cleared.

    Attributes:
        name: Which, within the rule.
    """

    do: Literal["raise", "clear"]
    name: RuleId
    severity: Severity = "warning"
    message: Annotated[str, Meta(max_length=2000)] = ""


class SwitchRule(Part, frozen=True, kw_only=True, tag="switch_rule"):
    """Enable or disable another rule."""

    rule: RuleId
    enabled: bool


Action = Command | Ramp | Delay | WaitUntil | Sequence | Parallel | Repeat | Choose | Notify | Alarm | SwitchRule
