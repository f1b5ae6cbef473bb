"""What all parts of the engine share: the clock, the timers, what is known, what is live, and what was decided."""

import heapq
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kaiser.contracts.events.logic import Cause, CauseKind, Decision
from kaiser.logic.claims import Claims
from kaiser.logic.conditions import Evaluator
from kaiser.logic.live import LiveRule
from kaiser.logic.state import Claim, Definition
from kaiser.logic.world import Occurrence, World

THREAD: Final = 0
MOMENT: Final = 1
WAKE: Final = 2


class Timer(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Something that is due. Those of one moment come in the order of their fields, so that nothing hangs on chance.

    Attributes:
        due: When.
        kind: ``THREAD`` goes on with a run, ``MOMENT`` is a trigger's, ``WAKE`` looks at a rule again.
        rule_id: Rule.
        run_id: Run, of a thread.
        number: Of the thread or the trigger.
    """

    due: int
    kind: int
    rule_id: str
    run_id: str = ""
    number: int = 0


class Glimpse(msgspec.Struct, frozen=True):
    """What is being taken in, from which a cause can be made if one is needed."""

    kind: CauseKind
    what: str
    stream: str = ""
    seq: int = 0
    at: int = 0
    value: float | None = None


class Happening(msgspec.Struct, frozen=True):
    """Something that happened, which rules are to be told of."""

    occurrence: Occurrence
    glimpse: Glimpse


class Core:
    """All of it.

    Attributes:
        clock: Moment that everything is decided at.
        moment: When that which is taken in happened, never after the clock.
        n: Number of the last decision.
        decided_to: Up to when everything was decided though this engine does not know it, for it had no snapshot.
        held: Whether nothing is done at present, since what is taken in happened while the service was away.
        decisions: What was decided since it was last asked for.
        timers: Heap of what is due.
        rules: What is live, by id.
        order: The same, the most important first.
        definitions: Every rule that is known.
        commands: Run and step of commands under way, by id.
        ready: Threads that go on when it is no longer held, by run and number.
        happenings: What rules are still to be told of.
        switches: Rules that are still to be enabled or disabled.
        alarms: Alarms that are raised, by rule and name.
        leaving: Rules that are disabled, and only do what is left to be done.
        broken: Rules that are to be live and cannot be evaluated, with the reason.
        stale_index: Whether other rules are live than when it was last noted what they watch.
    """

    def __init__(self, plugins: Mapping[str, Evaluator]) -> None:
        self.plugins = plugins
        self.clock = 0
        self.moment = 0
        self.n = 0
        self.decided_to = 0
        self.held = False
        self.glimpse: Glimpse | None = None
        self.decisions: list[Decision] = []
        self.timers: list[Timer] = []
        self.world = World()
        self.claims = Claims()
        self.rules: dict[str, LiveRule] = {}
        self.order: tuple[LiveRule, ...] = ()
        self.definitions: dict[str, Definition] = {}
        self.commands: dict[str, tuple[str, int]] = {}
        self.ready: list[tuple[str, int]] = []
        self.happenings: deque[Happening] = deque()
        self.switches: list[tuple[str, bool]] = []
        self.alarms: set[tuple[str, str]] = set()
        self.leaving: list[LiveRule] = []
        self.stale_index = False
        self.broken: dict[str, str] = {}

    def say(self, decision: Any, rule: LiveRule, **fields: Any) -> None:  # a struct type of decisions and its fields
        """Decide something about a rule."""
        self.n += 1
        state = rule.state
        self.decisions.append(decision(n=self.n, at=self.clock, rule_id=state.rule_id, version=state.version, **fields))

    def arm(self, timer: Timer) -> None:
        """Let something be due."""
        heapq.heappush(self.timers, timer)

    def cause(self) -> Cause:
        """What is being taken in, as a cause."""
        glimpse = self.glimpse
        if glimpse is None:
            return Cause(kind="clock", at=self.clock)
        return Cause(
            kind=glimpse.kind, what=glimpse.what, stream=glimpse.stream, seq=glimpse.seq, at=glimpse.at or self.clock
        )

    def tell(self, occurrence: Occurrence) -> None:
        """Let rules be told of something that follows from what is decided."""
        glimpse = Glimpse("run", occurrence.words(), at=self.clock)
        self.happenings.append(Happening(occurrence, glimpse))

    def holder(self, esp_id: str, gpio: int) -> Claim | None:
        """Who has an actuator; None for nobody."""
        key = (esp_id, gpio)
        held = self.claims.held.get(key)
        holder = None if held is None else self.rules.get(held.rule_id)
        return self.claims.holder(key, self.clock, active=holder is not None and holder.active)

    def priorities(self) -> dict[str, int]:
        """Of live rules."""
        return {rule_id: rule.rule.priority for rule_id, rule in self.rules.items()}
