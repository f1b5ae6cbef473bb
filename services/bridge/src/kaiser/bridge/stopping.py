"""Which actuators have to be off, and which have not said yet that they are. Pure; times are seconds that never jump.

An actuator has to be off while a latch of an emergency stop covers it, and from the moment in which safety is silent
for too long, if its limits say ``safe``. It is told so until its own status says that it is off: an answer to a
command is no proof, and ``dec`` devices lose what they are told. What is not known counts as on.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from kaiser.bridge.orders import Broadcast, DeviceStop, Off, Order
from kaiser.contracts.codes import Code
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.safeguards import Scope
from kaiser.contracts.lateness import is_late, latest
from kaiser.roster import STRANGER, Member

PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Between two tries; the last one for ever after."""
HURRY_AFTER_S: Final = 5.0
"""A sign of life so long after the last try is no answer to it: the device was away, and is told at once."""
BROADCAST_AGAIN_S: Final = 1.0
"""Until the broker has it. It is not repeated for devices: each would raise its alerts again."""
LEASE: Final = "lease"
"""Why an actuator is off because safety was silent."""

Place = tuple[str, int]
"""Device and pin."""


class Latch(msgspec.Struct, frozen=True):
    """An emergency stop in force."""

    emergency_id: str
    scope: Scope


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The status of an actuator.

    Attributes:
        on: None where the device does not know itself.
        head: Whether only ``head`` firmware says it like this.
        retained: Whether it is the broker's copy: old, and no proof of anything.
        ts: The device's own clock, unix seconds; 0 where it is not set.
    """

    kaiser_id: str
    esp_id: str
    gpio: int
    on: bool | None
    zone_id: str = ""
    head: bool = False
    retained: bool = False
    ts: int = 0


class Lost(msgspec.Struct, frozen=True):
    """An actuator that is switched off because safety is silent."""

    kaiser_id: str
    esp_id: str
    gpio: int


class _Output(msgspec.Struct):
    """An actuator: what it said last, whether it said anything ever, and whether silence of safety has it off.

    Its time is the latest that its device's clock showed in a status.
    """

    gpio: int
    ts: int = 0
    on: bool | None = None
    heard: bool = False
    owes: bool = False


class _Device(msgspec.Struct):
    kaiser_id: str | None = None
    generation: Generation = "dec"
    zone_said: str = ""
    member: Member = STRANGER
    outputs: dict[int, _Output] = {}


class _Open(msgspec.Struct):
    """An actuator that has to be off and has not said that it is."""

    due: float
    tries: int = 0
    told_at: float = float("-inf")


class Stopping:
    """Every actuator that is known of, and what is to be said to those that have to be off.

    Attributes:
        latches: Emergency stops in force, by id.
        silent: Whether safety has been silent for too long.
    """

    def __init__(self) -> None:
        self.latches: dict[str, Latch] = {}
        self.silent = False
        self._devices: dict[str, _Device] = {}
        self._open: dict[Place, _Open] = {}
        self._hold: set[Place] = set()
        self._broadcasts: dict[str, float] = {}
        self._lost: list[Lost] = []

    @property
    def unconfirmed(self) -> int:
        """How many actuators have to be off and have not said that they are."""
        return len(self._open)

    @property
    def holds(self) -> frozenset[Place]:
        """Actuators that stay as they are when safety is silent."""
        return frozenset(self._hold)

    # What is learnt

    def begin(self, now: float) -> None:
        """Hear devices from now on: what was heard before proves nothing, and stops in force are said again."""
        self.silent = False
        for device in self._devices.values():
            for output in device.outputs.values():
                output.on = None
        for latch in self.latches.values():
            self._shout(latch, now)
        self._judge_all(now)

    def hear(self, said: Said, now: float) -> None:
        """The status of an actuator."""
        device = self._device(said.esp_id)
        if said.head:
            device.generation = "head"
        if device.kaiser_id is None or not said.retained:
            self._place(device, said, now)
        output = device.outputs.setdefault(said.gpio, _Output(said.gpio))
        if said.on is False and is_late(said.ts, output.ts):
            return  # it has said something else since: this only came late
        if not said.retained:
            output.on, output.heard, output.ts = said.on, True, latest(said.ts, output.ts)
            if said.on is False:
                output.owes = False
                self._open.pop((said.esp_id, said.gpio), None)
                return
            self._hurry((said.esp_id, said.gpio), now)
        self._judge(said.esp_id, device, output, now)

    def _place(self, device: _Device, said: Said, now: float) -> None:
        """Where a device says that it is: with it, all of its actuators may have come into a stop, or out of one."""
        moved = (device.kaiser_id, device.zone_said) != (said.kaiser_id, said.zone_id)
        device.kaiser_id, device.zone_said = said.kaiser_id, said.zone_id
        if moved:
            for output in device.outputs.values():
                self._judge(said.esp_id, device, output, now)

    def learn(self, member: Member, now: float) -> None:
        """What the log has of a device."""
        device = self._device(member.esp_id)
        before, device.member = device.member, member
        if device.kaiser_id is None or (before.esp_id and member.kaiser_id != before.kaiser_id):
            device.kaiser_id = member.kaiser_id
        if member.generation == "head":
            device.generation = "head"
        configured = member.actuators if member.standing != "retired" else {}
        # What only a retained status told of may be there, though nobody at Kaiser hung it there
        removed = before.actuators.keys() - configured.keys()
        retired = member.standing == "retired"
        for gpio in [gpio for gpio, output in device.outputs.items() if not output.heard]:
            if retired or gpio in removed:
                del device.outputs[gpio]
                self._open.pop((member.esp_id, gpio), None)
        for gpio in configured:
            device.outputs.setdefault(gpio, _Output(gpio))
        for gpio, output in device.outputs.items():
            if member.online and not before.online:
                self._hurry((member.esp_id, gpio), now)
            if before.esp_id and member.booted_at > before.booted_at and gpio in _misstarting(device):
                output.on = None
                if self._covering(member.esp_id, device, gpio):
                    self._open[member.esp_id, gpio] = _Open(now, tries=1)
            self._judge(member.esp_id, device, output, now)

    def latch(self, latch: Latch, now: float) -> None:
        """An emergency stop is in force: everything in its scope is told, and has to say anew that it is off."""
        if latch.emergency_id in self.latches:
            return
        self.latches[latch.emergency_id] = latch
        self._shout(latch, now)
        for esp_id, device in self._devices.items():
            for output in device.outputs.values():
                if _covers(latch.scope, esp_id, device, output.gpio):
                    output.on = None
                    self._open[esp_id, output.gpio] = _Open(now)
                    self._judge(esp_id, device, output, now)

    def release(self, emergency_id: str, now: float) -> None:
        """An emergency stop is over: its actuators are left as they are."""
        if self.latches.pop(emergency_id, None) is not None:
            self._broadcasts.pop(emergency_id, None)
            self._judge_all(now)

    def hold(self, place: Place, *, hold: bool, now: float) -> None:
        """Whether an actuator stays as it is when safety is silent."""
        (self._hold.add if hold else self._hold.discard)(place)
        device = self._devices.get(place[0], _Device())
        if (output := device.outputs.get(place[1])) is not None:
            self._judge(place[0], device, output, now)

    def safety_is(self, *, silent: bool, now: float) -> None:
        """Safety has been silent for too long, or is heard again; then what was not yet off still goes off."""
        if silent != self.silent:
            self.silent = silent
            self._judge_all(now)

    def reconnected(self, now: float) -> None:
        """The broker is back; it may have lost what was told."""
        for still in self._open.values():
            still.due = min(still.due, now)

    # What is to be said

    def due(self, now: float) -> list[Order]:
        """What is to be said now; each is due again after a pause. Whoever has said a broadcast asks for the rest."""
        shouts = [Broadcast(emergency_id) for emergency_id, due in self._broadcasts.items() if due <= now]
        if shouts:
            self._broadcasts.update({shout.emergency_id: now + BROADCAST_AGAIN_S for shout in shouts})
            return list(shouts)
        orders: list[Order] = []
        stopped: set[str] = set()
        for (esp_id, gpio), still in self._open.items():
            if still.due > now:
                continue
            device = self._devices[esp_id]
            latches = self._covering(esp_id, device, gpio)
            why = latches[0].emergency_id if latches else LEASE
            if esp_id not in stopped and _takes_a_stop(device, latches, still.tries):
                stopped.add(esp_id)
                orders.append(DeviceStop(device.kaiser_id or "", esp_id, why))
            orders.append(Off(device.kaiser_id or "", esp_id, gpio, device.generation, why))
            still.due = now + PAUSES_S[min(still.tries, len(PAUSES_S) - 1)]
            still.tries += 1
            still.told_at = now
        return orders

    def next_due(self) -> float:
        """When something is due next; infinite for never."""
        dues = [*self._broadcasts.values(), *(still.due for still in self._open.values())]
        return min(dues, default=float("inf"))

    def wanted(self, order: Order) -> bool:
        """Whether an order that had to wait is still to be carried out."""
        match order:
            case Broadcast():
                return order.emergency_id in self._broadcasts
            case DeviceStop():
                return any(esp_id == order.esp_id for esp_id, _ in self._open)
            case Off():
                return (order.esp_id, order.gpio) in self._open

    def forbids(self, esp_id: str, gpio: int, *, unheard: bool = False) -> str:
        """Code of why an actuator may not be switched on now, whoever allowed that before; empty where it may.

        Args:
            esp_id: Its device.
            gpio: Its pin.
            unheard: Whether safety was not heard for too long, by a bridge that may not be the one that acts on it.
        """
        device = self._devices.get(esp_id) or _Device()
        if self._covering(esp_id, device, gpio):
            return Code.EMERGENCY_ACTIVE
        silent = self.silent or unheard
        return Code.SAFETY_UNAVAILABLE if silent and (esp_id, gpio) not in self._hold else ""

    def broadcast_taken(self, emergency_id: str) -> None:
        """The broker has the broadcast."""
        self._broadcasts.pop(emergency_id, None)

    def take_lost(self) -> list[Lost]:
        """Actuators that were switched off because safety is silent, since this was asked last."""
        taken, self._lost = self._lost, []
        return taken

    # Inside

    def _device(self, esp_id: str) -> _Device:
        return self._devices.setdefault(esp_id, _Device())

    def _shout(self, latch: Latch, now: float) -> None:
        """Only a stop of the whole site may use the broadcast, which has no scope (wire contract, section 5.5)."""
        if latch.scope.kind == "site":
            self._broadcasts[latch.emergency_id] = now

    def _covering(self, esp_id: str, device: _Device, gpio: int) -> list[Latch]:
        return [latch for latch in self.latches.values() if _covers(latch.scope, esp_id, device, gpio)]

    def _judge_all(self, now: float) -> None:
        for esp_id, device in self._devices.items():
            for output in device.outputs.values():
                self._judge(esp_id, device, output, now)

    def _judge(self, esp_id: str, device: _Device, output: _Output, now: float) -> None:
        """Whether an actuator has to be off and has not said that it is."""
        place = (esp_id, output.gpio)
        if place in self._hold:
            output.owes = False
        elif self.silent and output.on is not False and not output.owes:
            output.owes = True
            self._lost.append(Lost(device.kaiser_id or "", esp_id, output.gpio))
        if output.on is False or not (output.owes or self._covering(esp_id, device, output.gpio)):
            self._open.pop(place, None)
        elif place not in self._open:
            self._open[place] = _Open(now)

    def _hurry(self, place: Place, now: float) -> None:
        still = self._open.get(place)
        if still is not None and now - still.told_at >= HURRY_AFTER_S:
            still.due = min(still.due, now)


def _covers(scope: Scope, esp_id: str, device: _Device, gpio: int) -> bool:
    """Whether a scope has an actuator, in any of the zones and under any of the kaiser ids that its device may have."""
    zones = device.member.zones | ({device.zone_said} - {""})
    kaiser_ids: Iterable[str] = {device.kaiser_id or "", *([device.member.kaiser_id] if device.member.esp_id else ())}
    return any(scope.covers(kaiser_id=kaiser_id, zones=zones, esp_id=esp_id, gpio=gpio) for kaiser_id in kaiser_ids)


def _misstarting(device: _Device) -> frozenset[int]:
    """Pins that have power after a start of their device although it says that they are off (wire contract, 6.5).

    A stop of the device sets them; of ``dec``, which ignores what it takes for off, they are configured not to.
    """
    if device.generation == "dec":
        return frozenset()
    return frozenset(gpio for gpio, wanted in device.member.actuators.items() if wanted.inverted)


def _takes_a_stop(device: _Device, latches: list[Latch], tries: int) -> bool:
    """Whether ``head`` is told to stop as a whole; it has heard the broadcast of a stop of the site at first."""
    kinds = {latch.scope.kind for latch in latches} - {"actuator"}
    if device.generation == "dec" or not kinds:
        return False
    return tries > 0 or kinds != {"site"}
