"""How fast a sensor's value changes."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import RateOfChange
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, test_of
from kaiser.logic.series import Sample
from kaiser.logic.times import SECOND


class Changing:
    """Evaluates :class:`RateOfChange`."""

    __slots__ = ("_against", "_over", "_per", "_series", "_test")

    def __init__(self, condition: RateOfChange, needs: Needs) -> None:
        self._test = test_of(condition)
        self._against = f"{against(condition)} per {condition.per_s} s, over {condition.over_s} s"
        self._over = condition.over_s * SECOND
        self._per = condition.per_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality, self._over)

    def truth(self, look: Look) -> Truth:
        """Whether it changes so fast."""
        ends = self._ends(look)
        return None if ends is None else self._test(self._rate(*ends))

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        ends, series = self._ends(look), self._series
        return Seen(
            kind="rate",
            truth=None if ends is None else self._test(self._rate(*ends)),
            what=series.key.words(),
            value=None if ends is None else self._rate(*ends),
            against=self._against,
            at=series.at,
            seq=series.seq,
            note="" if ends else "the readings of the span are too few, or too close together",
        )

    def _ends(self, look: Look) -> tuple[Sample, Sample] | None:
        samples = self._series.samples
        i = self._series.since(look.now - self._over)
        if i >= len(samples):
            return None
        first, last = samples[i], samples[-1]
        look.wake = min(look.wake, first.at + self._over)
        return (first, last) if last.at - first.at >= self._over // 2 else None

    def _rate(self, first: Sample, last: Sample) -> float:
        return (last.value - first.value) * self._per / (last.at - first.at)


def build(condition: RateOfChange, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Changing(condition, needs)
