"""Emergency stops in force: what they cover, who has confirmed, when they may be released, what is to be cleared. Pure.

A stop counts from the moment that it is in the log, and ends only by a release, whatever is started anew meanwhile.
Devices are asked: an actuator is off when its own status says so, and a device is out of its emergency when its
statuses say so. A ``head`` device that had no token set never was in one (wire contract, section 5.5).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import Emergency, ReleaseEmergency
from kaiser.safety.events import Fact

HOLD_US: Final = 5_000_000
"""A ``head`` device refuses to be cleared earlier than this after a stop (section 5.5)."""
MARGIN_US: Final = 500_000
REMEMBERED_US: Final = 86_400_000_000
"""So long after a release a device that comes back in its emergency is taken out of it."""
MOST_NAMED: Final = 100
INSIDE: Final = -1
"""Of a device that a stop covers still; of one that has left, when it had last said that it is in no emergency."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an actuator.

    Attributes:
        level: As its device last said; None while it said nothing, or that it does not know.
        said_at: When that was, unix microseconds; 0 for never.
        possible: Whether it may be on, by everything that is known of it.
        emergency: As its device last said.
        calm_at: When its device last said that it is in none, unix microseconds; 0 for never.
    """

    esp_id: str
    gpio: int
    kaiser_id: str
    generation: Generation
    zones: Collection[str] = ()
    level: float | None = None
    said_at: int = 0
    possible: bool = True
    emergency: str = "normal"
    calm_at: int = 0


class Latch(msgspec.Struct, frozen=True):
    """A stop in force, and its sequence in SAFETY."""

    requested: EmergencyRequested
    seq: int

    @property
    def scope(self) -> Scope:
        """What it is about."""
        return self.requested.scope


class Released(msgspec.Struct, frozen=True):
    """A stop that was released, since when it was in force, since when it is not, and whom it has covered meanwhile."""

    scope: Scope
    stopped_at: int
    at: int
    devices: Mapping[str, int] = {}

    def has_left(self, known: Known) -> bool:
        """Whether it may be what an actuator's device is in an emergency by.

        The device may be somewhere else by now. One that has said since that it is in none is in another one: somebody
        pressed a button there.
        """
        return known.calm_at <= self.at and (_stopped_by(self.devices, known) or _in_scope(self.scope, known))


class Latches:
    """The stops in force and those released lately, as the events of safety make them."""

    def __init__(self) -> None:
        self._in_force: dict[str, Latch] = {}
        self._released: list[Released] = []
        self._covered: dict[str, dict[str, int]] = {}

    def fold(self, fact: Fact, seq: int) -> None:
        """Take an event in."""
        if isinstance(fact, EmergencyRequested):
            self._in_force.setdefault(fact.emergency_id, Latch(fact, seq))
        elif isinstance(fact, EmergencyReleased):
            latch = self._in_force.pop(fact.emergency_id, None)
            if latch is not None:
                self._released = [one for one in self._released if fact.at - one.at < REMEMBERED_US]
                covered = self._covered.pop(fact.emergency_id, {})
                self._released.append(Released(latch.scope, latch.requested.at, fact.at, covered))

    def note(self, actuators: Collection[Known]) -> None:
        """Remember whom the stops in force cover now, wherever it will be when they are released.

        Args:
            actuators: All of them, or those of a device that has moved.
        """
        calm_at: dict[str, int] = {}
        for known in actuators:
            calm_at[known.esp_id] = max(known.calm_at, calm_at.get(known.esp_id, 0))
        for latch in self._in_force.values():
            covered = self._covered.setdefault(latch.requested.emergency_id, {})
            inside = {known.esp_id for known in actuators if _in_scope(latch.scope, known)}
            left = {esp_id: calm_at[esp_id] for esp_id in calm_at.keys() - inside if covered.get(esp_id) == INSIDE}
            covered |= left | dict.fromkeys(inside, INSIDE)

    def in_force(self) -> Sequence[Latch]:
        """Every stop in force, oldest first."""
        return tuple(self._in_force.values())

    def released(self) -> Sequence[Released]:
        """Those that were released lately."""
        return tuple(self._released)

    def covered(self) -> Sequence[tuple[str, Mapping[str, int]]]:
        """Devices that each stop in force has covered, by its id; of those that left, what they had said by then."""
        return [(emergency_id, dict(sorted(devices.items()))) for emergency_id, devices in self._covered.items()]

    def remember(self, released: Iterable[Released], covered: Iterable[tuple[str, Mapping[str, int]]]) -> None:
        """Know of releases that were folded before, and whom stops in force have covered."""
        self._released = list(released)
        self._covered = {emergency_id: dict(devices) for emergency_id, devices in covered}

    def get(self, emergency_id: str) -> Latch:
        """A stop in force.

        Raises:
            Refusal: EMERGENCY_NOT_FOUND.
        """
        latch = self._in_force.get(emergency_id)
        if latch is None:
            words = f"no emergency stop {emergency_id!r} is in force"
            raise Refusal(Code.EMERGENCY_NOT_FOUND, words, "emergency_id")
        return latch

    def covers(self, known: Known) -> bool:
        """Whether a stop in force covers an actuator."""
        return any(_in_scope(latch.scope, known) for latch in self._in_force.values())

    def to_clear(self, actuators: Iterable[Known], now: int) -> Mapping[str, Known]:
        """Devices that a released stop left in their emergency, each with one of its actuators.

        A device of which any actuator is under another stop waits for the release of that one; and every stop that was
        released has to be as old as the device wants it.

        Args:
            actuators: All of them.
            now: Unix microseconds.
        """
        released = [one for one in self._released if now - one.at < REMEMBERED_US]
        if not released:
            return {}
        found: dict[str, Known] = {}
        held: set[str] = set()
        for known in actuators:
            if self.covers(known):
                held.add(known.esp_id)
            elif known.emergency == "active" and (left := [one for one in released if one.has_left(known)]):
                found[known.esp_id] = known
                if any(now - one.stopped_at < _HELD for one in left):
                    held.add(known.esp_id)
        return {esp_id: known for esp_id, known in found.items() if esp_id not in held}

    def clearing(self, known: Known, now: int) -> bool:
        """Whether an actuator is still stopped by its device although the stop was released, or does not cover it now.

        What its device raises alerts about then, such as a command that it refuses, is no news.
        """
        if known.emergency == "normal":
            return False
        if any(_stopped_by(devices, known) for devices in self._covered.values()):
            return True
        return any(one.has_left(known) for one in self._released if now - one.at < REMEMBERED_US)


_HELD: Final = HOLD_US + MARGIN_US


class Standing(NamedTuple):
    """How far a stop has come."""

    covered: int
    confirmed: int
    unconfirmed: Sequence[str]


def standing(latch: Latch, actuators: Iterable[Known]) -> Standing:
    """Who of a stop's scope has said since that it is off.

    Args:
        latch: The stop.
        actuators: All that are known.
    """
    covered = confirmed = 0
    unconfirmed: list[str] = []
    for known in actuators:
        if _in_scope(latch.scope, known):
            covered += 1
            if known.said_at > latch.requested.at and not known.possible:
                confirmed += 1
            else:
                unconfirmed.append(f"{known.esp_id}/{known.gpio}")
    return Standing(covered, confirmed, sorted(unconfirmed))


def release(latch: Latch, actuators: Iterable[Known], asked: ReleaseEmergency, now: int) -> EmergencyReleased:
    """The release of a stop. Nothing is switched on by it.

    Raises:
        Refusal: EMERGENCY_UNCONFIRMED: an actuator has not said that it is off, and that was not said to be all right.
    """
    found = standing(latch, actuators)
    if found.unconfirmed and not asked.unconfirmed:
        named = ", ".join(found.unconfirmed[:10]) + (", …" if len(found.unconfirmed) > 10 else "")
        words = f"{len(found.unconfirmed)} of {found.covered} actuators have not said since the stop that they are off"
        raise Refusal(Code.EMERGENCY_UNCONFIRMED, f"{words}: {named}", "emergency_id")
    return EmergencyReleased(
        at=now,
        by=asked.by,
        correlation_id=asked.correlation_id,
        emergency_id=latch.requested.emergency_id,
        scope=latch.scope,
        reason=asked.reason,
    )


def view(latch: Latch, actuators: Iterable[Known]) -> Emergency:
    """A stop in force, for people."""
    requested, found = latch.requested, standing(latch, actuators)
    return Emergency(
        emergency_id=requested.emergency_id,
        scope=requested.scope,
        by=requested.by,
        reason=requested.reason,
        at=requested.at,
        seq=latch.seq,
        actuators=found.covered,
        confirmed=found.confirmed,
        unconfirmed=list(found.unconfirmed[:MOST_NAMED]),
    )


def _in_scope(scope: Scope, known: Known) -> bool:
    return scope.covers(kaiser_id=known.kaiser_id, zones=known.zones, esp_id=known.esp_id, gpio=known.gpio)


def _stopped_by(devices: Mapping[str, int], known: Known) -> bool:
    """Whether a stop has stopped a device that has not said since it left that it is in no emergency any more."""
    left = devices.get(known.esp_id)
    return left is not None and (left == INSIDE or known.calm_at <= left)
