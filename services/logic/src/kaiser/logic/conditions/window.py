"""The readings of a span taken together."""

from collections.abc import Callable
from typing import Final

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Window
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, test_of
from kaiser.logic.series import Series
from kaiser.logic.sums import Mean
from kaiser.logic.times import SECOND

Aggregate = Callable[[int], float]
"""Of the readings from an index on."""

AGGREGATES: Final[dict[str, Callable[[Series], Aggregate]]] = {
    "mean": lambda series: Mean(series).since,
    "min": lambda series: lambda i: min(series.values[i:]),
    "max": lambda series: lambda i: max(series.values[i:]),
    "count": lambda series: lambda i: float(len(series.values) - i),
    "range": lambda series: lambda i: max(series.values[i:]) - min(series.values[i:]),
}


class Aggregating:
    """Evaluates :class:`Window`."""

    __slots__ = ("_against", "_aggregate", "_least", "_over", "_series", "_test")

    def __init__(self, condition: Window, needs: Needs) -> None:
        self._test = test_of(condition)
        self._against = f"{condition.aggregate} of {condition.over_s} s {against(condition)}"
        self._least = 0 if condition.aggregate == "count" else condition.at_least
        self._over = condition.over_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality, self._over)
        self._aggregate = AGGREGATES[condition.aggregate](self._series)

    def truth(self, look: Look) -> Truth:
        """Whether the aggregate passes the test."""
        i = self._since(look)
        return None if len(self._series.values) - i < self._least else self._test(self._aggregate(i))

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        i, series = self._since(look), self._series
        count = len(series.values) - i
        enough = count >= self._least
        value = self._aggregate(i) if enough else None
        return Seen(
            kind="window",
            truth=None if value is None else self._test(value),
            what=series.key.words(),
            value=value,
            against=self._against,
            at=series.at,
            seq=series.seq,
            note=f"{count} readings" if enough else f"{count} readings of at least {self._least}",
        )

    def _since(self, look: Look) -> int:
        """Index of the first reading of the span."""
        series = self._series
        i = series.since(look.now - self._over)
        if i < len(series.times) and series.times[i] + self._over < look.wake:
            look.wake = series.times[i] + self._over
        return i


def build(condition: Window, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Aggregating(condition, needs)
