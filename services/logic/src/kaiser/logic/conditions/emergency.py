"""An emergency stop is in force."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.events.safeguards import Scope
from kaiser.contracts.rules import EmergencyActive
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth


class Latched:
    """Evaluates :class:`EmergencyActive`."""

    __slots__ = ("_condition", "_latches")

    def __init__(self, condition: EmergencyActive, needs: Needs) -> None:
        self._condition = condition
        self._latches = needs.world.latches
        needs.emergencies = True

    def truth(self, _: Look) -> Truth:
        """Whether one is; always known."""
        return any(self._concerns(scope) for scope in self._latches.values())

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        found = [scope.words() for scope in self._latches.values() if self._concerns(scope)]
        return Seen(kind="emergency", truth=self.truth(look), value=", ".join(found) or "none")

    def _concerns(self, scope: Scope) -> bool:
        esp_id, zone_id = self._condition.esp_id, self._condition.zone_id
        if scope.kind == "site" or (esp_id is None and zone_id is None):
            return True
        by_device = esp_id is not None and scope.esp_id == esp_id
        return by_device or (zone_id is not None and scope.zone_id == zone_id)


def build(condition: EmergencyActive, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Latched(condition, needs)
