"""A switch with two thresholds."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Hysteresis
from kaiser.logic.conditions.node import Build, ConditionError, Look, Needs, Node, Truth, stale
from kaiser.logic.times import SECOND


class Switching:
    """Evaluates :class:`Hysteresis`; remembers whether it is on."""

    __slots__ = ("_above", "_fresh", "_off", "_on", "_series", "_slot")

    def __init__(self, condition: Hysteresis, needs: Needs) -> None:
        self._on, self._off, self._above = _thresholds(condition)
        self._fresh = condition.fresh_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality)
        self._slot = needs.slot(False)

    def truth(self, look: Look) -> Truth:
        """Whether it is on."""
        series = self._series
        expires = series.at + self._fresh
        value = series.value
        if look.now >= expires or value is None:
            return None
        if expires < look.wake:
            look.wake = expires
        if value > self._on if self._above else value < self._on:
            look.memory[self._slot] = True
        elif value < self._off if self._above else value > self._off:
            look.memory[self._slot] = False
        on: bool = look.memory[self._slot]
        return on

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        series = self._series
        first, second = ("above", "below") if self._above else ("below", "above")
        return Seen(
            kind="hysteresis",
            truth=self.truth(look),
            what=series.key.words(),
            value=series.value if series.at else None,
            against=f"on {first} {self._on:g}, off {second} {self._off:g}",
            at=series.at,
            seq=series.seq,
            note=stale(series, look.now, self._fresh),
        )


def _thresholds(condition: Hysteresis) -> tuple[float, float, bool]:
    match (condition.on_above, condition.off_below, condition.on_below, condition.off_above):
        case (float(on), float(off), None, None):
            if on < off:
                raise ConditionError("off_below", "CONDITION_IMPOSSIBLE", f"{off:g} is above the {on:g} of on_above")
            return on, off, True
        case (None, None, float(on), float(off)):
            if on > off:
                raise ConditionError("off_above", "CONDITION_IMPOSSIBLE", f"{off:g} is below the {on:g} of on_below")
            return on, off, False
    raise ConditionError("", "RULE_INVALID", "give on_above with off_below, or on_below with off_above")


def build(condition: Hysteresis, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Switching(condition, needs)
