"""What the log tells of runs, for an engine that has no checkpoint to go on from. Pure.

Everything that was decided is in the log, so nothing that matters is lost with a checkpoint: not where runs are, nor
what was done already and must not be done again.
"""

import msgspec

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    NotificationAsked,
    RuleDamped,
    RuleSwitched,
    RunDecision,
    RunEnded,
    RunStarted,
    StepEnded,
    StepWaiting,
)
from kaiser.logic.claims import FIGHT_WINDOW
from kaiser.logic.retracing import Said
from kaiser.logic.settling import HOUR
from kaiser.logic.state import ActuatorKey

OF_STEPS = (CommandAsked, NotificationAsked, AlarmRaised, AlarmCleared, RuleSwitched, StepWaiting, StepEnded)


class Told(msgspec.Struct, kw_only=True):
    """A run, as the log tells of it.

    Attributes:
        started: How it began.
        said: What it said since, in order.
        ended: Whether it came to its end.
        starts: When its rule ran ``actions`` in the hour before.
    """

    started: RunStarted
    said: list[Said] = []
    ended: bool = False
    starts: list[int] = []

    @property
    def number(self) -> int:
        """Which run of its rule."""
        return int(self.started.run_id.rpartition(".")[2])


class Recollection:
    """Everything that was decided, as far as it still matters.

    Attributes:
        n: Number of the last decision.
        alarms: Alarms that are raised, by rule and name.
        asked: What each actuator was told last.
        damped: Who has to pause, with which actuator.
    """

    def __init__(self) -> None:
        self.n = 0
        self.alarms: set[tuple[str, str]] = set()
        self.asked: dict[ActuatorKey, list[CommandAsked]] = {}
        self.damped: list[RuleDamped] = []
        self._under_way: dict[str, Told] = {}
        self._last: dict[str, Told] = {}

    def take(self, decision: RunDecision) -> None:
        """Take in a decision, in their order."""
        self.n = max(self.n, decision.n)
        match decision:
            case RunStarted():
                self._start(decision)
            case RunEnded(run_id=run_id):
                told = self._under_way.pop(run_id, None)
                if told is not None:
                    told.ended, told.said = True, []
            case RuleDamped():
                self.damped = [each for each in self.damped if each.until > decision.at] + [decision]
        if isinstance(decision, OF_STEPS):
            self._step(decision)

    @property
    def runs(self) -> list[Told]:
        """Runs under way, and the last one of each rule, in the order in which they began."""
        found = {told.started.run_id: told for told in (*self._under_way.values(), *self._last.values())}
        return sorted(found.values(), key=lambda told: told.started.n)

    @property
    def oldest(self) -> int:
        """When the oldest run under way began; 0 for none."""
        return min((told.started.at for told in self._under_way.values()), default=0)

    def numbers(self) -> dict[str, int]:
        """Number of the last run, by rule."""
        return {rule_id: told.number for rule_id, told in self._last.items()}

    def _start(self, started: RunStarted) -> None:
        before = self._last.get(started.rule_id)
        starts = [] if before is None else [at for at in before.starts if at > started.at - HOUR]
        if started.branch == "then":
            starts.append(started.at)
        told = Told(started=started, starts=starts)
        self._under_way[started.run_id] = self._last[started.rule_id] = told

    def _step(self, said: Said) -> None:
        match said:
            case AlarmRaised(rule_id=rule_id, alarm=alarm):
                self.alarms.add((rule_id, alarm))
            case AlarmCleared(rule_id=rule_id, alarm=alarm):
                self.alarms.discard((rule_id, alarm))
            case CommandAsked(esp_id=esp_id, gpio=gpio, at=at):
                known = self.asked.get((esp_id, gpio), [])
                self.asked[esp_id, gpio] = [*(each for each in known if each.at > at - FIGHT_WINDOW), said]
        told = self._under_way.get(said.run_id)
        if told is not None and not (isinstance(said, CommandAsked) and said.cleanup):
            told.said.append(said)
