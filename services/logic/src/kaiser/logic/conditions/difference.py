"""The latest value of one sensor less that of another."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Difference
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth, against, stale, test_of
from kaiser.logic.times import SECOND


class Differing:
    """Evaluates :class:`Difference`."""

    __slots__ = ("_absolute", "_against", "_left", "_left_fresh", "_right", "_right_fresh", "_test")

    def __init__(self, condition: Difference, needs: Needs) -> None:
        self._test = test_of(condition)
        self._absolute = condition.absolute
        self._against = against(condition)
        self._left = needs.readings(condition.left.sensor, condition.left.quality)
        self._right = needs.readings(condition.right.sensor, condition.right.quality)
        self._left_fresh = condition.left.fresh_s * SECOND
        self._right_fresh = condition.right.fresh_s * SECOND

    def truth(self, look: Look) -> Truth:
        """Whether the difference passes the test."""
        expires = min(self._left.at + self._left_fresh, self._right.at + self._right_fresh)
        value = self._difference()
        if look.now >= expires or value is None:
            return None
        if expires < look.wake:
            look.wake = expires
        return self._test(value)

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        sides = ((self._left, self._left_fresh), (self._right, self._right_fresh))
        parts = tuple(
            Seen(
                kind="reading",
                truth=None,
                what=series.key.words(),
                value=series.value if series.at else None,
                at=series.at,
                seq=series.seq,
                note=stale(series, look.now, fresh),
            )
            for series, fresh in sides
        )
        truth = self.truth(look)
        value = self._difference() if truth is not None else None
        return Seen(kind="difference", truth=truth, value=value, against=self._against, parts=parts)

    def _difference(self) -> float | None:
        if self._left.value is None or self._right.value is None:
            return None
        difference = self._left.value - self._right.value
        return abs(difference) if self._absolute else difference


def build(condition: Difference, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Differing(condition, needs)
