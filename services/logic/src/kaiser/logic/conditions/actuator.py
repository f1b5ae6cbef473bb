"""What an actuator reported last, and for how long."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import ActuatorIs
from kaiser.logic.conditions.node import Build, ConditionError, Look, Needs, Node, Truth
from kaiser.logic.times import SECOND
from kaiser.logic.world import ON


class Reporting:
    """Evaluates :class:`ActuatorIs`."""

    __slots__ = ("_condition", "_for", "_shadow")

    def __init__(self, condition: ActuatorIs, needs: Needs) -> None:
        if condition.state == "at_least" and condition.level <= 0:
            raise ConditionError("level", "CONDITION_IMPOSSIBLE", "every level is at least 0; give one above it")
        self._condition = condition
        self._for = condition.for_s * SECOND
        self._shadow = needs.shadow(condition.actuator.esp_id, condition.actuator.gpio)

    def truth(self, look: Look) -> Truth:
        """Whether it has been so for so long."""
        shadow, wanted = self._shadow, self._condition
        if shadow.level is None:
            return None
        if wanted.state == "at_least":
            met, since = shadow.level >= wanted.level, shadow.level_since
        else:
            met, since = (shadow.level > ON) == (wanted.state == "on"), shadow.switched_at
        if not met:
            return False
        due = since + self._for
        if look.now >= due:
            return True
        look.wake = min(look.wake, due)
        return False

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        shadow, wanted = self._shadow, self._condition
        state = f"at least {wanted.level:g}" if wanted.state == "at_least" else wanted.state
        return Seen(
            kind="actuator",
            truth=self.truth(look),
            what=f"{wanted.actuator.esp_id}/{wanted.actuator.gpio}",
            value=shadow.level,
            against=f"{state} for {wanted.for_s} s" if wanted.for_s else state,
            at=shadow.level_since if wanted.state == "at_least" else shadow.switched_at,
            seq=shadow.seq,
            note="" if shadow.level is not None else "its state is not known",
        )


def build(condition: ActuatorIs, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Reporting(condition, needs)
