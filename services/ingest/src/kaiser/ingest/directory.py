"""The devices as the converter must know them, in memory and from the log alone: approved or not, clock right.

Rebuilt at every start: decisions from the first one, clocks from the last heartbeat of each device. Every instance
has its own, for the live path needs no database.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.calibration import CALIBRATION_EVENTS
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import (
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
    Generation,
)
from kaiser.contracts.events.registry import REGISTRY_EVENTS
from kaiser.contracts.streams import DEVICE_CALIBRATION, DEVICE_REGISTRY, DEVICES, HEARTBEATS
from kaiser.contracts.wire import LastWill
from kaiser.eventlog import ConcurrencyConflict, Delivery, EventLog, Expectation, LogFull, OrderedReader, Retry
from kaiser.ingest.clocks import UNKNOWN as UNKNOWN_CLOCK
from kaiser.ingest.clocks import Clock, hear
from kaiser.ingest.converting import Standing
from kaiser.ingest.freshness import interval_s
from kaiser.ingest.intents import Meet
from kaiser.ingest.orders import event_of
from kaiser.ingest.presence import HEARTBEAT, LOST, Beat
from kaiser.ingest.registry import UNKNOWN, DeviceState, Fact, decide, evolve
from kaiser.ingest.restarts import Run, restart, run_of
from kaiser.ingest.sensor_directory import SensorDirectory

_log = structlog.get_logger(__name__)

BEATS: Final = ("heartbeat.>",)
SILENT: Final = "device.*.*.silent"
REGISTRATIONS: Final = (DEVICE_REGISTRY, DEVICE_CALIBRATION, SILENT)
LOSSES: Final = ("device.*.*.lost", "device.*.*.returned")
SILENT_AFTER_US: Final = 300_000_000
"""Five missed heartbeats."""

_decoder = EventDecoder(
    {
        HEARTBEAT: DeviceSaid[Beat],
        LOST: DeviceSaid[LastWill],
        DeviceReturned.TYPE: DeviceReturned,
        DeviceSilent.TYPE: DeviceSilent,
    }
    | {event.TYPE: event for event in (DeviceRegistered, *REGISTRY_EVENTS, *CALIBRATION_EVENTS)}
)


class Directory:
    """What is known of devices.

    Attributes:
        standings: What the converter asks, by device id. A device that is registered is in it.
        sensors: Parameters and calibrations of their sensors.
        on_decided: Called with every decision, once it is known here.
        on_beat: Called with the id of every device whose heartbeat came, and whether that showed that it was started
            anew; once that is known here.
    """

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.sensors = SensorDirectory()
        self.on_decided: list[Callable[[Fact], None]] = []
        self.on_beat: list[Callable[[str, DeviceRestarted | None], None]] = []
        self._devices: dict[str, DeviceState] = {}
        self._places: dict[str, tuple[str, Generation]] = {}
        self._open: set[str] = set()
        self._runs: dict[str, Run] = {}
        self._heard: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        self._returned: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        self._clocks: dict[str, Clock] = {}
        self._registrations_known = asyncio.Event()
        self._clocks_known = asyncio.Event()

    def state(self, esp_id: str) -> DeviceState:
        """What the registry holds of a device."""
        return self._devices.get(esp_id, UNKNOWN)

    def place(self, esp_id: str) -> tuple[str, Generation]:
        """Kaiser id that a device talks under, and its firmware: by its last heartbeat, else as it was registered."""
        state = self.state(esp_id)
        return self._places.get(esp_id, (state.kaiser_id, state.generation))

    def with_open_orders(self) -> Iterable[str]:
        """Devices that have not answered an order about their zone, subzones or equipment."""
        return tuple(self._open)

    def heard_at(self, esp_id: str) -> int:
        """When a device's last heartbeat came, unix microseconds; 0 for never."""
        return self._heard.get(esp_id, 0)

    def booted_at(self, esp_id: str) -> int:
        """When a device was started at the latest, unix microseconds; 0 for unknown."""
        run = self._runs.get(esp_id)
        return run.booted_at if run else 0

    def interval_s(self, esp_id: str, gpio: int, address: str) -> int | None:
        """Seconds between two readings of a sensor; None for one that does not measure by itself."""
        return interval_s(self.state(esp_id).config.wanted, self.place(esp_id)[1], gpio, address)

    def counts(self, esp_id: str) -> tuple[int | None, int | None]:
        """Sensors and actuators that a device says it has."""
        run = self._runs.get(esp_id)
        return (run.sensors, run.actuators) if run else (None, None)

    def gone_silent(self, now_us: int, listening_since_us: int) -> list[DeviceSilent]:
        """Devices in use that were last heard too long ago, unless that was noted already.

        Who left with a last will is known to be gone: that it says nothing either is no news, and a thousand devices
        whose power fails would be a thousand more events five minutes later.

        Args:
            now_us: Unix microseconds.
            listening_since_us: Since when heartbeats would have been heard; what came before is nobody's silence.
        """
        limit = now_us - SILENT_AFTER_US
        if listening_since_us >= limit:
            return []
        present = {esp_id: max(at, self._returned.get(esp_id, 0)) for esp_id, at in self._heard.items()}
        return [
            DeviceSilent(kaiser_id=self.place(esp_id)[0], esp_id=esp_id, heard_at=heard_at, received_at=now_us)
            for esp_id, heard_at in present.items()
            if heard_at < limit
            and self._noted.get(esp_id, 0) < heard_at
            and self._lost.get(esp_id, 0) < heard_at
            and self.state(esp_id).standing in ("pending", "approved")
        ]

    def lost(self, esp_id: str, at: int) -> None:
        """A device's last will came, at this unix microsecond."""
        self._lost[esp_id] = max(at, self._lost.get(esp_id, 0))

    def returned(self, esp_id: str, at: int) -> None:
        """A device that was lost is back, since this unix microsecond."""
        self._returned[esp_id] = max(at, self._returned.get(esp_id, 0))

    def noted(self, event: DeviceSilent) -> None:
        """A device's silence was noted, by us or by another instance."""
        self._noted[event.esp_id] = max(event.received_at, self._noted.get(event.esp_id, 0))

    def decided(self, event: Fact) -> None:
        """Something was decided about a device, by us or by another instance."""
        state = self._devices[event.esp_id] = evolve(self.state(event.esp_id), event)
        if state.standing == "approved" and state.unanswered:
            self._open.add(event.esp_id)
        else:
            self._open.discard(event.esp_id)
        self._stand(event.esp_id)
        for tell in self.on_decided:
            tell(event)

    def beaten(self, said: DeviceSaid[Beat]) -> None:
        """A heartbeat came."""
        self._places[said.esp_id] = (said.kaiser_id, said.generation)
        self._heard[said.esp_id] = max(said.received_at, self._heard.get(said.esp_id, 0))
        before = self._clocks.get(said.esp_id, UNKNOWN_CLOCK)
        device_ts = 0 if said.message.time_valid is False else said.message.ts
        clock = hear(before, device_ts=device_ts, received_at=said.received_at, boot=said.message.boot_sequence_id)
        self._clocks[said.esp_id] = clock
        if clock.wrong != before.wrong:
            _log.info("clock of a device", esp_id=said.esp_id, wrong=clock.wrong, lag_us=clock.lag_us)
            self._stand(said.esp_id)
        before_it = self._runs.get(said.esp_id)
        self._runs[said.esp_id] = run_of(before_it, said)
        restarted = restart(before_it, said)
        for tell in self.on_beat:
            tell(said.esp_id, restarted)

    def _stand(self, esp_id: str) -> None:
        state = self.state(esp_id)
        if state.registered:
            wrong = self._clocks.get(esp_id, UNKNOWN_CLOCK).wrong
            self.standings[esp_id] = Standing(pending=state.pending, clock_wrong=wrong)

    async def follow(self, log: EventLog) -> None:
        """Read the streams from where they matter, and on, until cancelled."""
        registrations = OrderedReader(log, DEVICES.name, subjects=REGISTRATIONS, start="all")
        beats = OrderedReader(log, HEARTBEATS.name, subjects=BEATS, start="last_per_subject")
        losses = OrderedReader(log, DEVICES.name, subjects=LOSSES, start="last_per_subject")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(registrations.follow(self._learn, self._registrations_known))
            tasks.create_task(beats.follow(self._learn, self._clocks_known))
            tasks.create_task(losses.follow(self._learn, asyncio.Event()))

    async def wait_caught_up(self, patience_s: float) -> None:
        """Return when the decisions and clocks of the start are known; or, with a warning, when patience ends."""
        try:
            async with asyncio.timeout(patience_s):
                await self._registrations_known.wait()
                await self._clocks_known.wait()
        except TimeoutError:
            _log.warning("readings do not wait any longer for what the log knows of devices", waited_s=patience_s)

    def _learn(self, delivery: Delivery) -> None:
        try:
            event = _decoder.decode(delivery.type, delivery.data)
        except (msgspec.DecodeError, ValueError) as error:
            # The consumers that write tables put it into the dead letters; here it only teaches nothing.
            _log.warning("an event teaches nothing", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        if isinstance(event, DeviceReturned):
            self.returned(event.esp_id, event.received_at)
        elif isinstance(event, DeviceSaid) and isinstance(event.message, LastWill):
            self.lost(event.esp_id, event.received_at)
        elif isinstance(event, DeviceSaid):
            self.beaten(event)
        elif isinstance(event, DeviceSilent):
            self.noted(event)
        elif isinstance(event, CALIBRATION_EVENTS):
            self.sensors.decided(event)
        else:
            self.decided(event)


class Registrar:
    """Registers devices that are met for the first time. Ingest is the one service that writes these events."""

    def __init__(self, log: EventLog, directory: Directory) -> None:
        self._log = log
        self._directory = directory

    async def meet(self, met: Iterable[Meet]) -> None:
        """Register those that are not; return when that is stored. Whoever was faster elsewhere has done it for us.

        Raises:
            Retry: The stream of devices is full.
        """
        strangers = {m.esp_id: m for m in met if not self._directory.state(m.esp_id).registered}
        decided = [event for meeting in strangers.values() for event in decide(UNKNOWN, meeting)]
        if not decided:
            return
        events = [event_of(event) for event in decided]
        expected = [Expectation(0, subjects.registry_of(meeting.esp_id)) for meeting in strangers.values()]
        try:
            await self._log.publish_all(events, expect=expected)
        except ConcurrencyConflict:
            _log.info("devices were registered elsewhere at the same moment")
        except LogFull as full:
            raise Retry(str(full)) from full
        for event in decided:
            _log.info("device registered, pending approval", esp_id=event.esp_id)
            self._directory.decided(event)
