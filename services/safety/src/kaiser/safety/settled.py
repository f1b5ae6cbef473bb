"""Who set which limits and interlocks and why, and which commands were decided. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kaiser.contracts.events.safeguards import (
    CommandApproved,
    CommandRejected,
    InterlockRemoved,
    InterlockSet,
    Limits,
    LimitsSet,
)
from kaiser.contracts.safeguarding import ActuatorLimits, Interlock
from kaiser.safety.events import Fact

REMEMBERED: Final = 50_000
"""Decided commands that are remembered by their ids, which matters only for those that may wait for their device."""


CARRIED: Final = 5_000
"""Of these, those that a checkpoint carries on."""


class _Set(NamedTuple):
    event: LimitsSet
    seq: int


class Settled:
    """Settings and decisions, as the events of safety make them.

    Attributes:
        decided_to: Sequence in ACTUATORS of the last request that was decided. Decisions are made in the order of the
            requests, so that all before it are decided, too, but for those that wait for their device.
    """

    def __init__(self) -> None:
        self.decided_to = 0
        self._limits: dict[tuple[str, int], _Set] = {}
        self._interlocks: dict[str, Interlock] = {}
        self._decided: dict[str, int] = {}

    def fold(self, fact: Fact, seq: int) -> None:
        """Take an event in."""
        match fact:
            case LimitsSet():
                self._limits[fact.esp_id, fact.gpio] = _Set(fact, seq)
            case InterlockSet():
                self._interlocks[fact.interlock_id] = Interlock(
                    interlock_id=fact.interlock_id, rule=fact.rule, by=fact.by, reason=fact.reason, at=fact.at, seq=seq
                )
            case InterlockRemoved():
                self._interlocks.pop(fact.interlock_id, None)
            case CommandApproved() | CommandRejected():
                if len(self._decided) >= REMEMBERED:
                    del self._decided[next(iter(self._decided))]
                self._decided[fact.command_id] = seq
                self.decided_to = max(self.decided_to, fact.request_seq)

    def facts(self) -> Iterable[tuple[int, Fact]]:
        """Sequences and events of the settings in force."""
        for limits in self._limits.values():
            yield limits.seq, limits.event
        for interlock in self._interlocks.values():
            yield (
                interlock.seq,
                InterlockSet(
                    at=interlock.at,
                    by=interlock.by,
                    interlock_id=interlock.interlock_id,
                    rule=interlock.rule,
                    reason=interlock.reason,
                ),
            )

    def lately(self) -> Iterable[str]:
        """Commands that were decided last."""
        return tuple(self._decided)[-CARRIED:]

    def remember(self, command_ids: Iterable[str], decided_to: int) -> None:
        """Know of decisions that were folded before."""
        self._decided = dict.fromkeys(command_ids, 0)
        self.decided_to = decided_to

    def decided(self, command_id: str) -> bool:
        """Whether a command was decided lately."""
        return command_id in self._decided

    def interlocks(self) -> Mapping[str, Interlock]:
        """All interlocks, by id."""
        return self._interlocks

    def limits_seq(self, esp_id: str, gpio: int) -> int:
        """Sequence of the event that the limits of an actuator are from; 0 for none."""
        found = self._limits.get((esp_id, gpio))
        return 0 if found is None else found.seq

    def limits_set(self, esp_id: str, gpio: int) -> LimitsSet | None:
        """The last setting of an actuator's limits; None where there never was one."""
        found = self._limits.get((esp_id, gpio))
        return None if found is None else found.event

    def limits(self, esp_id: str, gpio: int, in_force: Limits) -> ActuatorLimits:
        """The limits of an actuator, for people.

        Args:
            esp_id: Device.
            gpio: Pin.
            in_force: The limits that hold for it, set or not.
        """
        found = self._limits.get((esp_id, gpio))
        if found is None:
            return ActuatorLimits(esp_id=esp_id, gpio=gpio, limits=in_force)
        event, seq = found
        if event.limits is None:
            return ActuatorLimits(esp_id=esp_id, gpio=gpio, limits=in_force, seq=seq)
        return ActuatorLimits(
            esp_id=esp_id, gpio=gpio, limits=in_force, by=event.by, reason=event.reason, at=event.at, seq=seq
        )
