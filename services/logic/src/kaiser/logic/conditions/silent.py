"""Nothing usable was measured for so long."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Silent
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth
from kaiser.logic.times import SECOND


class Listening:
    """Evaluates :class:`Silent`; remembers when the rule began to listen."""

    __slots__ = ("_for", "_series", "_slot")

    def __init__(self, condition: Silent, needs: Needs) -> None:
        self._for = condition.for_s * SECOND
        self._series = needs.readings(condition.sensor, condition.quality)
        self._slot = needs.slot(0)

    def truth(self, look: Look) -> Truth:
        """Whether it has been silent for so long; always known."""
        began = look.memory[self._slot]
        if not began:
            began = look.memory[self._slot] = look.now
        due = max(self._series.at, began) + self._for
        if look.now >= due:
            return True
        if due < look.wake:
            look.wake = due
        return False

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        truth, series = self.truth(look), self._series
        since = max(series.at, look.memory[self._slot])
        return Seen(
            kind="silent",
            truth=truth,
            what=series.key.words(),
            value=(look.now - since) / SECOND,
            against=f"for {self._for // SECOND} s",
            at=series.at,
            seq=series.seq,
            note="" if series.at else "no reading yet",
        )


def build(condition: Silent, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Listening(condition, needs)
