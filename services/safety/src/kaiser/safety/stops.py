"""Stops that are not confirmed yet: when the actuator is told OFF again. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from kaiser.contracts.events.safeguards import ActuatorRef, ActuatorStopped, StopConfirmed
from kaiser.safety.events import KAISER, Fact
from kaiser.safety.watching import repeat_after_s

ALARMED_AFTER: Final = 4
"""Unanswered tries after which a stop is alarmed as unconfirmed: half a minute."""
HURRY_AFTER_US: Final = 5_000_000
"""A status that says on so long after the last try is no answer to it: it was switched on since, and is told now."""


class OpenStop(msgspec.Struct):
    """A stop on its way.

    Attributes:
        stopped: As it was decided.
        tries: How often the actuator was told by this instance.
        told_at: When first, unix microseconds; 0 for not yet.
        last_at: When last.
        next_at: When to tell it again, by the monotonic clock.
    """

    stopped: ActuatorStopped
    tries: int = 0
    told_at: int = 0
    last_at: int = 0
    next_at: float = 0.0

    @property
    def ref(self) -> ActuatorRef:
        """The actuator."""
        return ActuatorRef(self.stopped.esp_id, self.stopped.gpio)

    @property
    def since(self) -> int:
        """What its device said before does not count, unix microseconds."""
        return max(self.stopped.at, self.told_at)

    def is_due(self, clock: float, on_at: int) -> bool:
        """Whether to tell the actuator again.

        Args:
            clock: The monotonic clock, seconds.
            on_at: When it last said that it is not off, unix microseconds; 0 where it says that it is off.
        """
        return self.next_at <= clock or on_at - self.last_at >= HURRY_AFTER_US

    def told(self, now: int, clock: float) -> None:
        """Note that the actuator was told OFF."""
        self.told_at, self.last_at = self.told_at or now, now
        self.tries += 1
        self.next_at = clock + repeat_after_s(self.tries)


class Stops:
    """The open stops, as the events of safety make them."""

    def __init__(self) -> None:
        self._open: dict[str, OpenStop] = {}
        self._of: dict[tuple[str, int], set[str]] = {}

    def fold(self, fact: Fact) -> None:
        """Take an event in."""
        if isinstance(fact, ActuatorStopped):
            self._open.setdefault(fact.stop_id, OpenStop(fact))
            self._of.setdefault((fact.esp_id, fact.gpio), set()).add(fact.stop_id)
        elif isinstance(fact, StopConfirmed) and self._open.pop(fact.stop_id, None) is not None:
            place = (fact.esp_id, fact.gpio)
            self._of[place].discard(fact.stop_id)
            if not self._of[place]:
                del self._of[place]

    def open(self) -> Sequence[OpenStop]:
        """All of them, oldest first."""
        return tuple(self._open.values())

    def stopping(self, esp_id: str, gpio: int) -> bool:
        """Whether a stop of an actuator is open."""
        return (esp_id, gpio) in self._of

    def hurry(self, esp_id: str) -> bool:
        """Tell the actuators of a device again now, for it is back. Returns whether there is any to tell."""
        hit = [stop for stop in self._open.values() if stop.stopped.esp_id == esp_id]
        for stop in hit:
            stop.next_at = 0.0
        return bool(hit)


def confirmed(stop: OpenStop, now: int) -> StopConfirmed:
    """That an actuator has said that it is off, as an event."""
    stopped = stop.stopped
    return StopConfirmed(
        at=now,
        by=KAISER,
        correlation_id=stopped.correlation_id,
        stop_id=stopped.stop_id,
        esp_id=stopped.esp_id,
        gpio=stopped.gpio,
        tries=stop.tries,
    )
