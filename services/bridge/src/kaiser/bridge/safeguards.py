"""What the emergency path follows in the log: stops in force, who may stay on without safety, and devices.

All of it is followed by every bridge, so that one that takes the role over knows already. The actuators that hold are
kept on disk as well, for a bridge may start while the log is away.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from kaiser.bridge import profiles
from kaiser.bridge.lease import DeadMansSwitch
from kaiser.bridge.stopping import Latch, Place, Stopping
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, LimitsSet
from kaiser.contracts.streams import SAFETY, SAFETY_ALIVE
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.roster import Member, Roster

log = structlog.get_logger(__name__)

EMERGENCIES: Final = ("safety.emergency.>",)
LIMITS: Final = ("safety.limits.>",)

_decoder = EventDecoder({event.TYPE: event for event in (EmergencyRequested, EmergencyReleased, LimitsSet)})


class Safeguards:
    """Feeds what has to be off from the log.

    Args:
        stopping: Which actuators have to be off.
        switch: Hears that safety lives.
        path: File of the actuators that hold.
        changed: Called when something may have to be said.
    """

    def __init__(self, stopping: Stopping, switch: DeadMansSwitch, path: Path, changed: Callable[[], None]) -> None:
        self._stopping = stopping
        self._switch = switch
        self._path = path
        self._changed = changed
        for place in _load(path):
            stopping.hold(place, hold=True, now=0.0)

    async def follow(self, event_log: EventLog) -> None:
        """Follow until cancelled, over every outage of the log."""
        roster = Roster()
        roster.on_change.append(self._learn)
        await event_log.nc.subscribe(SAFETY_ALIVE, cb=self._alive)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_emergencies(event_log))
            tasks.create_task(self._follow_limits(event_log))
            tasks.create_task(roster.follow(event_log))

    async def _alive(self, _: Any) -> None:  # a message of nats-py; that it came is all
        self._switch.hear(_now())

    def _learn(self, _: Member, after: Member) -> None:
        self._stopping.learn(after, _now())
        self._changed()

    async def _follow_emergencies(self, event_log: EventLog) -> None:
        """Stop for what is in force at the end of what is there, not for a stop that was long released."""
        gathered: list[EmergencyRequested | EmergencyReleased] = []
        async with OrderedReader(event_log, SAFETY.name, subjects=EMERGENCIES, start="all") as reader:
            while True:
                gathered += [event for delivery in await reader.take() if (event := _read(delivery)) is not None]
                if not reader.pending:
                    take_emergencies(self._stopping, gathered, _now())
                    gathered = []
                    self._changed()

    async def _follow_limits(self, event_log: EventLog) -> None:
        known: set[Place] = set()
        async with OrderedReader(event_log, SAFETY.name, subjects=LIMITS, start="last_per_subject") as reader:
            while True:
                if not reader.pending:
                    for place in self._stopping.holds - known:  # the file had it, the log has not
                        self._stopping.hold(place, hold=False, now=_now())
                    await self._keep()
                for delivery in await reader.take():
                    if isinstance(event := _read(delivery), LimitsSet):
                        hold = event.limits is not None and event.limits.when_safety_is_silent == "hold"
                        (known.add if hold else known.discard)((event.esp_id, event.gpio))
                        self._stopping.hold((event.esp_id, event.gpio), hold=hold, now=_now())
                self._changed()

    async def _keep(self) -> None:
        encoded = msgspec.json.encode(sorted(self._stopping.holds))
        try:
            await asyncio.to_thread(profiles.save, self._path, encoded)
        except OSError as error:
            log.error("actuators that hold are not kept on disk", path=str(self._path), reason=str(error))


def take_emergencies(stopping: Stopping, events: list[EmergencyRequested | EmergencyReleased], now: float) -> None:
    """Take in stops and releases in the order of the log; of both about one stop, only that it is over is left."""
    released = {event.emergency_id for event in events if isinstance(event, EmergencyReleased)}
    for event in events:
        if isinstance(event, EmergencyReleased):
            stopping.release(event.emergency_id, now)
            log.info("an emergency stop is released", emergency_id=event.emergency_id, by=event.by)
        elif event.emergency_id not in released:
            stopping.latch(Latch(event.emergency_id, event.scope), now)
            log.warning("emergency stop", emergency_id=event.emergency_id, scope=event.scope.words(), by=event.by)


def _read(delivery: Delivery) -> Any:  # one of the decoder's events, or None
    try:
        return _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        log.error("an event of safety is not understood", subject=delivery.subject, reason=str(error))
        return None


def _load(path: Path) -> list[Place]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[tuple[str, int]])
    except (OSError, msgspec.DecodeError):
        return []


def _now() -> float:
    return asyncio.get_running_loop().time()
