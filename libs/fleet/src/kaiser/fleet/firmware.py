"""What both firmware generations have in common, without any network.

A firmware takes what happens (connected, a message, time passing) and leaves what it wants published in its outbox;
:mod:`kaiser.fleet.device` connects it to a broker.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final

from kaiser.fleet.clock import Clock
from kaiser.fleet.drivers import Actuator
from kaiser.fleet.faults import Fault, FaultSource
from kaiser.fleet.message import Outgoing, Subscribing
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.sent import Key
from kaiser.fleet.spec import DeviceSpec

BROADCAST: Final = "kaiser/broadcast/emergency"
STATUS_S: Final = 30.0
LONGEST_PAUSE_S: Final = 1.0
"""Between two turns of the loop, in the device's own seconds; what has no time of its own is late by this at most."""
DIAGNOSTICS_S: Final = 60.0


class Firmware(ABC):
    """One device.

    Args:
        spec: What it is.
        clock: Its clock.

    Attributes:
        kaiser_id: Kaiser level of its topics now.
        zone_id: Its zone now.
        sensors: By pin and published type.
        actuators: By pin.
        online: Whether it is connected.
        leaves_at_s: Uptime when it restarts or vanishes by itself; None if it does not.
        gone: Whether it will never come back without somebody who sets it up.
        faults: What goes wrong with its answers.
    """

    largest_packet: int
    """Bytes of header, topic and payload; larger ones never reach the firmware."""

    def __init__(self, spec: DeviceSpec, clock: Clock) -> None:
        self.spec, self.clock = spec, clock
        self.esp_id = spec.esp_id
        self.kaiser_id = spec.kaiser_id
        self.zone_id, self.master_zone_id = spec.zone_id, spec.master_zone_id
        self.sensors = {(sensor.gpio, sensor.sensor_type, sensor.address): sensor for sensor in spec.sensors}
        self.actuators = {
            given.gpio: Actuator(
                given.gpio,
                given.actuator_type,
                default_state=given.default_state,
                subzone_id=given.subzone_id,
                inverted=given.inverted,
            )
            for given in spec.actuators
        }
        self.online = False
        self.leaves_at_s: float | None = None
        self.gone = False
        self.faults = FaultSource(spec.faults, spec.esp_id)
        self._outbox: list[Outgoing | Subscribing] = []
        self._turns: dict[tuple[int, str, str], int] = {}
        self._measured: dict[tuple[int, str, str], int] = {}
        self._due_at_s = 0.0
        self._status_at_s = STATUS_S
        self._diagnostics_at_s = DIAGNOSTICS_S
        self._told: tuple[int, int] | None = None

    @property
    @abstractmethod
    def measuring(self) -> bool:
        """Whether it publishes readings now."""

    # What happens to it

    @abstractmethod
    def subscriptions(self) -> list[Subscribing]:
        """What it listens to on a new connection."""

    @abstractmethod
    def will(self) -> Outgoing:
        """The last will of a connection that is about to be made."""

    @abstractmethod
    def connect(self) -> None:
        """It is connected, and its subscriptions are made."""

    @abstractmethod
    def disconnect(self) -> None:
        """It has lost its connection."""

    @abstractmethod
    def receive(self, topic: str, payload: bytes) -> None:
        """A message has come."""

    @abstractmethod
    def may_reconnect(self, failures: int) -> bool:
        """Whether it tries again after so many failures in a row."""

    @abstractmethod
    def reboot(self) -> None:
        """Power off and on."""

    @abstractmethod
    def beat(self) -> None:
        """A heartbeat, if one is due."""

    def pass_time(self) -> float:
        """One turn of the firmware's loop: do what is due.

        Returns:
            Uptime in seconds when the next thing is due.
        """
        now = self.clock.uptime_s
        self._due_at_s = now + LONGEST_PAUSE_S
        if self.online:
            self.beat()
            if self.measuring:
                self._measure(now)
            self._diagnose(now)
        for actuator in self.actuators.values():
            if actuator.settle(now):
                self.tell_status(actuator)
        if now >= self._status_at_s:
            self._status_at_s = now + STATUS_S
            for actuator in self.actuators.values():
                self.tell_status(actuator)
        if late := self.faults.late(now):
            self.put(*(late if self.online else ()))
        self._due_at_s = min(self._due_at_s, self.faults.next_late_s())
        return self._due_at_s

    def drain(self) -> list[Outgoing | Subscribing]:
        """Take what it wants published, in order."""
        taken, self._outbox = self._outbox, []
        return taken

    # What it says

    @abstractmethod
    def tell_status(self, actuator: Actuator) -> None:
        """The state of an actuator."""

    @abstractmethod
    def tell_diagnostics(self) -> None:
        """The state of the device."""

    @abstractmethod
    def tell_reading(self, sensor: SensorSpec, raw: int, ts: int) -> None:
        """One reading, or what is said in its place."""

    def topic(self, suffix: str) -> str:
        """One of its topics."""
        return f"kaiser/{self.kaiser_id}/esp/{self.esp_id}/{suffix}"

    def put(self, *wanted: Outgoing | Subscribing) -> None:
        """Leave something in the outbox."""
        self._outbox += wanted

    def key(self, sensor: SensorSpec, raw: int, ts: int) -> Key:
        """What a row of a reading says."""
        return (self.esp_id, sensor.gpio, sensor.sensor_type, sensor.address, ts, raw)

    def count(self, sensor: SensorSpec) -> int:
        """Read a sensor."""
        place = (sensor.gpio, sensor.sensor_type, sensor.address)
        self._turns[place] = turn = self._turns.get(place, 0) + 1
        return sensor.raw_at(self.clock.uptime_s, turn)

    def obey(self, command: Callable[[Fault], None]) -> None:
        """Carry out a command, with whatever goes wrong with it and with what is said of it."""
        fault, before = self.faults.next(), len(self._outbox)
        if fault.kind != "unheard":
            command(fault)
            self._outbox[before:] = self.faults.said(fault, self._outbox[before:], self.clock.uptime_s)

    def on_pin(self, gpio: int) -> list[SensorSpec]:
        """The values of a pin's sensors."""
        return [sensor for sensor in self.sensors.values() if sensor.gpio == gpio]

    def replace_sensors(self, gpio: int, sensors: Iterable[SensorSpec]) -> None:
        """Take these in place of whatever is on the pin."""
        self.sensors = {place: sensor for place, sensor in self.sensors.items() if place[0] != gpio}
        self.sensors |= {(sensor.gpio, sensor.sensor_type, sensor.address): sensor for sensor in sensors}

    # When

    def _measure(self, now: float) -> None:
        """Read what is due. The time of a reading is when it was due, so that a delay never puts two into a second."""
        for place, sensor in list(self.sensors.items()):
            every = sensor.interval_s or self.spec.interval_s
            turn = int(now / every)
            if sensor.continuous and turn > self._measured.get(place, 0):
                self._measured[place] = turn
                self.tell_reading(sensor, self.count(sensor), self.clock.unix_at(turn * every))
            self._due_at_s = min(self._due_at_s, (turn + 1) * every)

    def _diagnose(self, now: float) -> None:
        """Looked at once a minute, said when something changed (wire contract, 4.9)."""
        if now < self._diagnostics_at_s:
            return
        self._diagnostics_at_s = now + DIAGNOSTICS_S
        told = (len(self.sensors), len(self.actuators))
        if told != self._told:
            self._told = told
            self.tell_diagnostics()
