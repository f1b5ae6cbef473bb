"""A device is there, or is not."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import DeviceIs
from kaiser.logic.conditions.node import Build, Look, Needs, Node, Truth
from kaiser.logic.times import SECOND


class Attending:
    """Evaluates :class:`DeviceIs`."""

    __slots__ = ("_device", "_esp_id", "_for", "_online")

    def __init__(self, condition: DeviceIs, needs: Needs) -> None:
        self._esp_id = condition.esp_id
        self._online = condition.state == "online"
        self._for = condition.for_s * SECOND
        self._device = needs.presence(condition.esp_id)

    def truth(self, look: Look) -> Truth:
        """Whether it has been so for so long."""
        device = self._device
        if not device.since:
            return None
        if device.online != self._online:
            return False
        due = device.since + self._for
        if look.now >= due:
            return True
        look.wake = min(look.wake, due)
        return False

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        device = self._device
        state = "online" if self._online else "offline"
        return Seen(
            kind="device",
            truth=self.truth(look),
            what=self._esp_id,
            value=("online" if device.online else "offline") if device.since else None,
            against=f"{state} for {self._for // SECOND} s" if self._for else state,
            at=device.since,
            seq=device.seq,
            note="" if device.since else "never heard",
        )


def build(condition: DeviceIs, needs: Needs, _: Build) -> Node:
    """Its node."""
    return Attending(condition, needs)
