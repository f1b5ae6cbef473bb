"""What the engine knows of the site: readings, devices, actuators, emergency stops. Changed by events only."""

from typing import Final

import msgspec

from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
)
from kaiser.contracts.events.safeguards import AlertRaised, EmergencyReleased, EmergencyRequested, Scope
from kaiser.contracts.rules.conditions import Happening
from kaiser.contracts.wire import ActuatorStatus, LastWill
from kaiser.logic.series import Series, SeriesKey

ON: Final = 1e-9
"""Levels above it are on."""


class Presence(msgspec.Struct):
    """A device: when it was heard and lost, and since when it is what it is; all by the server's clock."""

    heard_at: int = 0
    lost_at: int = 0
    since: int = 0
    seq: int = 0

    @property
    def online(self) -> bool:
        """Whether it has said something since it was last lost."""
        return self.heard_at > self.lost_at


class Shadow(msgspec.Struct):
    """What an actuator reported.

    Attributes:
        level: 0.0 to 1.0; None where its device does not know.
        at: When it said so last.
        level_since: Since when it is at this level.
        switched_at: Since when it is on, or off.
        seq: Sequence of the status that changed it last.
    """

    level: float | None = None
    at: int = 0
    level_since: int = 0
    switched_at: int = 0
    seq: int = 0


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens at a moment, for triggers and conditions that wait for it.

    Attributes:
        event: What; ``ran`` for what becomes of a run.
        rule_id: Of a run.
        outcome: Of a run: ``started``, ``succeeded``, ``failed`` or ``cancelled``.
    """

    event: Happening | str
    esp_id: str = ""
    gpio: int = -1
    alert: str = ""
    rule_id: str = ""
    outcome: str = ""

    def words(self) -> str:
        """It in words."""
        if self.event == "ran":
            return f"run of {self.rule_id} {self.outcome}"
        place = f"{self.esp_id}/{self.gpio}" if self.gpio >= 0 else self.esp_id
        return " ".join(filter(None, (self.event, self.alert, place)))


class World:
    """All of it.

    Attributes:
        series: Readings that rules look at.
        devices: Every device that was ever heard.
        actuators: Every actuator that ever reported, by device and pin.
        latches: Emergency stops in force, by id.
    """

    def __init__(self) -> None:
        self.series: dict[SeriesKey, Series] = {}
        self.devices: dict[str, Presence] = {}
        self.actuators: dict[tuple[str, int], Shadow] = {}
        self.latches: dict[str, Scope] = {}

    def presence(self, esp_id: str) -> Presence:
        """A device, known or not."""
        return self.devices.setdefault(esp_id, Presence())

    def shadow(self, esp_id: str, gpio: int) -> Shadow:
        """An actuator, known or not."""
        return self.actuators.setdefault((esp_id, gpio), Shadow())

    def heard(self, esp_id: str, at: int, seq: int) -> bool:
        """A device said something; whether it came back by that."""
        device = self.presence(esp_id)
        was = device.online
        device.heard_at = max(device.heard_at, at)
        return self._turned(device, was, at, seq)

    def lost(self, esp_id: str, at: int, seq: int) -> bool:
        """A device was lost; whether it had been there."""
        device = self.presence(esp_id)
        was = device.online
        device.lost_at = max(device.lost_at, at)
        return self._turned(device, was, at, seq)

    def reported(self, said: DeviceSaid[ActuatorStatus], seq: int) -> bool:
        """An actuator told its state; whether that is another."""
        shadow = self.shadow(said.esp_id, said.message.gpio)
        level, at = level_of(said.message), said.received_at
        was = shadow.level
        shadow.at = max(shadow.at, at)
        if level == was:
            return False
        if (level is None or was is None) or (level > ON) != (was > ON):
            shadow.switched_at = at
        shadow.level, shadow.level_since, shadow.seq = level, at, seq
        return True

    @staticmethod
    def _turned(device: Presence, was: bool, at: int, seq: int) -> bool:
        if device.online == was and device.since:
            return False
        device.since, device.seq = at, seq
        return True


def level_of(status: ActuatorStatus) -> float | None:
    """Level that a status tells: of pwm by its duty cycle, of a valve by its position (wire contract, section 4.4)."""
    if status.state is None:
        return None
    if status.actuator_type == "pwm" and status.pwm is not None:
        return status.pwm / 255
    if status.actuator_type == "valve" and status.pwm is not None:
        return min(1.0, status.pwm / 254)
    return 1.0 if status.state else 0.0


def occurrence_of(event: object) -> Occurrence | None:
    """What happens with an event, None where it is nothing that rules can wait for."""
    match event:
        case DeviceDiscovered(esp_id=esp_id):
            return Occurrence(event="discovered", esp_id=esp_id)
        case DeviceReturned(esp_id=esp_id):
            return Occurrence(event="returned", esp_id=esp_id)
        case DeviceRestarted(esp_id=esp_id):
            return Occurrence(event="restarted", esp_id=esp_id)
        case DeviceSilent(esp_id=esp_id) | DeviceSaid(esp_id=esp_id, message=LastWill()):
            return Occurrence(event="lost", esp_id=esp_id)
        case AlertRaised(esp_id=esp_id, gpio=gpio, kind=kind):
            return Occurrence(event="alert", esp_id=esp_id, gpio=gpio, alert=kind)
        case EmergencyRequested(scope=scope):
            return Occurrence(event="emergency_stop", esp_id=scope.esp_id or "", gpio=_pin(scope))
        case EmergencyReleased(scope=scope):
            return Occurrence(event="emergency_released", esp_id=scope.esp_id or "", gpio=_pin(scope))
    return None


def _pin(scope: Scope) -> int:
    return -1 if scope.gpio is None else scope.gpio
