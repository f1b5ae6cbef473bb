"""How fast a sensor's value changes."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import RateOfChange
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, test_of
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
        rate = self._rate(look)
        return None if rate is None else self._test(rate)

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        rate, series = self._rate(look), self._series
        return Seen(
            kind="rate",
            truth=None if rate is None else self._test(rate),
            what=series.key.words(),
            value=rate,
            against=self._against,
            at=series.at,
            seq=series.seq,
            note="" if rate is not None else "the readings of the span are too few, or too close together",
        )

    def _rate(self, look: Look) -> float | None:
        series = self._series
        i, last = series.since(look.now - self._over), len(series.times) - 1
        if i > last:
            return None
        first_at, last_at = series.times[i], series.times[last]
        if first_at + self._over < look.wake:
            look.wake = first_at + self._over
        if last_at - first_at < self._over // 2:
            return None
        return (series.values[last] - series.values[i]) * self._per / (last_at - first_at)


def build(condition: RateOfChange, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Changing(condition, needs)
