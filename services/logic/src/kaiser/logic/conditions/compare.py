"""The latest value of a sensor against a number."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Compare
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, stale, test_of
from kaiser.logic.times import SECOND


class Comparing:
    """Evaluates :class:`Compare`."""

    __slots__ = ("_against", "_fresh", "_series", "_test")

    def __init__(self, condition: Compare, needs: Needs) -> None:
        self._test = test_of(condition)
        self._against = against(condition)
        self._fresh = condition.fresh_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality)

    def truth(self, look: Look) -> Truth:
        """Whether it is true."""
        series = self._series
        expires = series.at + self._fresh
        if look.now >= expires or series.value is None:
            return None
        if expires < look.wake:
            look.wake = expires
        return self._test(series.value)

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        series = self._series
        return Seen(
            kind="compare",
            truth=self.truth(look),
            what=series.key.words(),
            value=series.value if series.at else None,
            against=self._against,
            at=series.at,
            seq=series.seq,
            note=stale(series, look.now, self._fresh),
        )


def build(condition: Compare, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Comparing(condition, needs)
