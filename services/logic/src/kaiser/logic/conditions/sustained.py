"""Another condition has been true for so long."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Sustained
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth
from kaiser.logic.times import SECOND


class Lasting:
    """Evaluates :class:`Sustained`; remembers since when the other is true, 0 while it is not."""

    __slots__ = ("_for", "_node", "_slot")

    def __init__(self, condition: Sustained, needs: Needs, build: Build) -> None:
        self._node = build(condition.condition, needs)
        self._for = condition.for_s * SECOND
        self._slot = needs.slot(0)

    def truth(self, look: Look) -> Truth:
        """Whether it has been true for so long."""
        truth = self._node.truth(look)
        if truth is not True:
            look.memory[self._slot] = 0
            return truth
        since = look.memory[self._slot]
        if not since:
            since = look.memory[self._slot] = look.moment
        due = since + self._for
        if look.now >= due:
            return True
        if due < look.wake:
            look.wake = due
        return False

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        truth, since = self.truth(look), look.memory[self._slot]
        return Seen(
            kind="sustained",
            truth=truth,
            value=(look.now - since) / SECOND if since else 0.0,
            against=f"for {self._for // SECOND} s",
            at=since,
            parts=(self._node.seen(look),),
        )


def build(condition: Sustained, needs: Needs, build: Build) -> Node:
    """Its node."""
    return Lasting(condition, needs, build)
