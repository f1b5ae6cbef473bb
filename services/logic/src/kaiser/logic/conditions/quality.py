"""The latest reading has at least a grade."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import QualityAtLeast
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, stale
from kaiser.logic.series import GRADES, RANKS
from kaiser.logic.times import SECOND


class Grading:
    """Evaluates :class:`QualityAtLeast`."""

    __slots__ = ("_fresh", "_least", "_series")

    def __init__(self, condition: QualityAtLeast, needs: Needs) -> None:
        self._least = RANKS[condition.at_least]
        self._fresh = condition.fresh_s * SECOND
        self._series = needs.readings(condition.sensor, "error")

    def truth(self, look: Look) -> Truth:
        """Whether it is good enough."""
        expires = self._series.at + self._fresh
        if look.now >= expires:
            return None
        look.wake = min(look.wake, expires)
        return self._series.rank >= self._least

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        series = self._series
        return Seen(
            kind="quality",
            truth=self.truth(look),
            what=series.key.words(),
            value=GRADES[series.rank] if series.at else None,
            against=f"at least {GRADES[self._least]}",
            at=series.at,
            seq=series.seq,
            note=stale(series, look.now, self._fresh),
        )


def build(condition: QualityAtLeast, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Grading(condition, needs)
