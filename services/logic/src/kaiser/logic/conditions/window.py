"""The readings of a span taken together."""

from collections.abc import Callable, Sequence
from math import fsum
from typing import Final

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Window
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, test_of
from kaiser.logic.times import SECOND

AGGREGATES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "mean": lambda values: fsum(values) / len(values),  # exact, so that it is the same on every machine
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
    "range": lambda values: max(values) - min(values),
}


class Aggregating:
    """Evaluates :class:`Window`."""

    __slots__ = ("_against", "_aggregate", "_least", "_over", "_series", "_test")

    def __init__(self, condition: Window, needs: Needs) -> None:
        self._test = test_of(condition)
        self._against = f"{condition.aggregate} of {condition.over_s} s {against(condition)}"
        self._aggregate = AGGREGATES[condition.aggregate]
        self._least = 0 if condition.aggregate == "count" else condition.at_least
        self._over = condition.over_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality, self._over)

    def truth(self, look: Look) -> Truth:
        """Whether the aggregate passes the test."""
        values = self._values(look)
        return None if len(values) < self._least else self._test(self._aggregate(values))

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        values, series = self._values(look), self._series
        enough = len(values) >= self._least
        value = self._aggregate(values) if enough else None
        return Seen(
            kind="window",
            truth=None if value is None else self._test(value),
            what=series.key.words(),
            value=value,
            against=self._against,
            at=series.at,
            seq=series.seq,
            note=f"{len(values)} readings" if enough else f"{len(values)} readings of at least {self._least}",
        )

    def _values(self, look: Look) -> list[float]:
        series = self._series
        i = series.since(look.now - self._over)
        if i < len(series.times) and series.times[i] + self._over < look.wake:
            look.wake = series.times[i] + self._over
        return series.values[i:]


def build(condition: Window, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Aggregating(condition, needs)
