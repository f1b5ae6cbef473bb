"""Something happened lately: an event of a device or of safety, or a run of another rule."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import EventTrigger, Happened, RanTrigger, RuleRan
from kaiser.logic.conditions.node import Build, Look, Memory, Needs, Node, Truth
from kaiser.logic.times import SECOND
from kaiser.logic.world import Occurrence


def concerns(wanted: Happened | RuleRan | EventTrigger | RanTrigger, occurrence: Occurrence) -> bool:
    """Whether it is what is waited for."""
    if isinstance(wanted, RuleRan | RanTrigger):
        if occurrence.event != "ran" or occurrence.rule_id != wanted.rule:
            return False
        return occurrence.outcome == wanted.what or (wanted.what == "ended" and occurrence.outcome != "started")
    return (
        occurrence.event == wanted.event
        and wanted.esp_id in {None, occurrence.esp_id}
        and wanted.gpio in {None, occurrence.gpio}
        and wanted.alert in {None, occurrence.alert}
    )


class Recalling:
    """Evaluates :class:`Happened` and :class:`RuleRan`; remembers when it happened last, in which message, and what."""

    __slots__ = ("_condition", "_kind", "_slot", "_within")

    def __init__(self, condition: Happened | RuleRan, needs: Needs) -> None:
        self._condition = condition
        self._kind = "ran" if isinstance(condition, RuleRan) else "event"
        self._within = condition.within_s * SECOND
        self._slot = needs.slot([0, 0, ""])
        needs.listeners.append(self)

    def notice(self, occurrence: Occurrence, at: int, seq: int, memory: Memory) -> bool:
        """Remember it if it is what the node waits for; whether it is."""
        if not concerns(self._condition, occurrence):
            return False
        memory[self._slot] = [at, seq, occurrence.words()]
        return True

    def truth(self, look: Look) -> Truth:
        """Whether it happened within the time; always known."""
        at = look.memory[self._slot][0]
        if not at or look.now >= at + self._within:
            return False
        look.wake = min(look.wake, at + self._within)
        return True

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        at, seq, words = look.memory[self._slot]
        return Seen(
            kind=self._kind,
            truth=self.truth(look),
            what=words,
            against=f"within {self._within // SECOND} s",
            at=at,
            seq=seq,
            note="" if at else "not since the rule began to listen",
        )


def build(condition: Happened | RuleRan, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Recalling(condition, needs)
