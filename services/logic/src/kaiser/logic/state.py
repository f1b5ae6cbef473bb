"""What the engine keeps about rules and their runs: plain structs, so that they can be written down and read back."""

from typing import Any, Literal

import msgspec

from kaiser.contracts.events.logic import Branch, Cause
from kaiser.contracts.rules import Rule

ActuatorKey = tuple[str, int]
"""Device and pin."""


class Thread(msgspec.Struct):
    """One line of a run.

    Attributes:
        pc: Its instruction.
        state: What it is doing there.
        until: When that is over at the latest; 0 for no such time.
        step: Number of the step that it is at.
        parent: Thread that waits for it; -1 for none.
        left: How many threads it waits for.
        slots: Rounds of loops and starts of ramps.
    """

    pc: int = 0
    state: Literal["ready", "pausing", "awaiting", "asked", "forked", "over"] = "ready"
    until: int = 0
    step: int = 0
    parent: int = -1
    left: int = 0
    slots: dict[int, float] = {}


class Run(msgspec.Struct, kw_only=True):
    """A run under way.

    Attributes:
        number: Counts the runs of its rule.
        threads: By number.
        steps: How many steps it has begun.
        lit: What it switched on without a duration, in order.
        memory: What the conditions in its actions remember.
        words: Cause and value, for messages.
        burst_at: Moment at which it went on last, for the guard against rounds without end.
        burst: How many instructions it has carried out at that moment.
    """

    run_id: str
    rule_id: str
    version: int
    number: int
    branch: Branch
    started_at: int
    threads: list[Thread]
    steps: int = 0
    lit: list[ActuatorKey] = []
    memory: list[Any] = []  # JSON values
    words: dict[str, str] = {}
    burst_at: int = 0
    burst: int = 0


class Moment(msgspec.Struct, frozen=True):
    """A trigger that came while nothing was done, or that waits for its turn."""

    trigger: int
    cause: Cause


class RuleState(msgspec.Struct, kw_only=True):
    """A rule that is live, as far as it has to be kept.

    Attributes:
        truth: Of its condition when it was last looked at.
        acted: Whether it has run for what is true now, so that ``otherwise`` is due when that is over.
        wake: When it is looked at again at the latest.
        memory: What its condition remembers.
        number: Number of its last run.
        starts: When it ran in the last hour, oldest first.
        started_at: When it ran last.
        again_at: When it runs again if nothing changes; 0 for not.
        failures: How many runs in a row did not succeed.
        noted: Why it did not run, as far as that was told for what is true now.
        queue: Moments that wait for their turn.
        missed: Moments that came while the service was away.
        due: When each cron and sun trigger comes next, by number.
        burst_at: Moment at which it started last, for the guard against loops.
        burst: How often it started at that moment.
        leaving: Whether it is disabled, and only does what is left to be done.
    """

    rule_id: str
    version: int
    truth: bool | None = None
    acted: bool = False
    wake: int
    memory: list[Any] = []  # JSON values
    number: int = 0
    starts: list[int] = []
    started_at: int = 0
    again_at: int = 0
    failures: int = 0
    noted: str = ""
    queue: list[Moment] = []
    missed: list[Moment] = []
    due: dict[int, int] = {}
    burst_at: int = 0
    burst: int = 0
    leaving: bool = False


class Claim(msgspec.Struct):
    """An actuator is a rule's: until a time, and for as long as the rule's condition holds."""

    rule_id: str
    priority: int
    until: int


class Switched(msgspec.Struct, array_like=True, frozen=True):
    """An actuator was told to be on or off."""

    at: int
    rule_id: str
    run_id: str
    on: bool


class Damping(msgspec.Struct):
    """A rule may not switch an actuator on; the more often, the longer."""

    until: int
    times: int


class Definition(msgspec.Struct):
    """All versions of a rule that are known.

    Attributes:
        number: Number of its last run while it rests, for no run has the name of an earlier one.
    """

    versions: dict[int, Rule] = {}
    live: int = 0
    newest: int = 0
    number: int = 0
