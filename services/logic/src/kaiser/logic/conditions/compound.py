"""Conditions of conditions. Every part is asked each time, since parts remember what they saw."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import AllOf, AnyOf, AtLeast, Not
from kaiser.logic.conditions.node import Build, ConditionError, Look, Needs, Node, Truth


class All:
    """Evaluates :class:`AllOf`."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Node, ...]) -> None:
        self._parts = parts

    def truth(self, look: Look) -> Truth:
        """False where one is, else not known where one is not."""
        result: Truth = True
        for part in self._parts:
            truth = part.truth(look)
            if truth is False:
                result = False
            elif truth is None and result is True:
                result = None
        return result

    def seen(self, look: Look) -> Seen:
        """The same, with what the parts saw."""
        return Seen(kind="all", truth=self.truth(look), parts=tuple(part.seen(look) for part in self._parts))


class Any:
    """Evaluates :class:`AnyOf`."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Node, ...]) -> None:
        self._parts = parts

    def truth(self, look: Look) -> Truth:
        """True where one is, else not known where one is not."""
        result: Truth = False
        for part in self._parts:
            truth = part.truth(look)
            if truth is True:
                result = True
            elif truth is None and result is False:
                result = None
        return result

    def seen(self, look: Look) -> Seen:
        """The same, with what the parts saw."""
        return Seen(kind="any", truth=self.truth(look), parts=tuple(part.seen(look) for part in self._parts))


class Negation:
    """Evaluates :class:`Not`."""

    __slots__ = ("_part",)

    def __init__(self, part: Node) -> None:
        self._part = part

    def truth(self, look: Look) -> Truth:
        """The opposite; not known stays so."""
        truth = self._part.truth(look)
        return None if truth is None else not truth

    def seen(self, look: Look) -> Seen:
        """The same, with what the part saw."""
        return Seen(kind="not", truth=self.truth(look), parts=(self._part.seen(look),))


class Some:
    """Evaluates :class:`AtLeast`."""

    __slots__ = ("_count", "_parts")

    def __init__(self, count: int, parts: tuple[Node, ...]) -> None:
        self._count = count
        self._parts = parts

    def truth(self, look: Look) -> Truth:
        """True where enough are, false where those that are not known could not make it enough."""
        truths = [part.truth(look) for part in self._parts]
        met = truths.count(True)
        if met >= self._count:
            return True
        return None if met + truths.count(None) >= self._count else False

    def seen(self, look: Look) -> Seen:
        """The same, with what the parts saw."""
        parts = tuple(part.seen(look) for part in self._parts)
        met = float(sum(part.truth is True for part in parts))
        return Seen(kind="at_least", truth=self.truth(look), value=met, against=f"at least {self._count}", parts=parts)


def build_all(condition: AllOf, needs: Needs, build: Build) -> Node:
    """All of them."""
    return All(_parts(condition, needs, build))


def build_any(condition: AnyOf, needs: Needs, build: Build) -> Node:
    """One of them."""
    return Any(_parts(condition, needs, build))


def build_not(condition: Not, needs: Needs, build: Build) -> Node:
    """The opposite."""
    return Negation(build(condition.condition, needs))


def build_some(condition: AtLeast, needs: Needs, build: Build) -> Node:
    """So many of them."""
    if condition.count > len(condition.conditions):
        words = f"{condition.count} of {len(condition.conditions)} can never be true"
        raise ConditionError("count", "CONDITION_IMPOSSIBLE", words)
    return Some(condition.count, _parts(condition, needs, build))


def _parts(condition: AllOf | AnyOf | AtLeast, needs: Needs, build: Build) -> tuple[Node, ...]:
    return tuple(build(part, needs) for part in condition.conditions)
