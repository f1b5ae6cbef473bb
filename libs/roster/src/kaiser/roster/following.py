"""All devices of a site, followed in the log: from the first decision about each, and from its last heartbeat."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
)
from kaiser.contracts.events.equipment import ConfigOrdered
from kaiser.contracts.events.registry import (
    DeviceApproved,
    DeviceDeafened,
    DeviceHearing,
    DeviceRejected,
    DeviceRetired,
    ZoneOrdered,
    ZoneSettled,
)
from kaiser.contracts.streams import DEVICES, HEARTBEATS
from kaiser.contracts.subjects import token
from kaiser.contracts.wire import Heartbeat, LastWill
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.roster.member import STRANGER, Learnt, Member, learn

_log = structlog.get_logger(__name__)

HEARD: Final = ("discovered", "lost", "returned", "silent", "restarted")
HAPPENED: Final = (DeviceDiscovered, DeviceRegistered, DeviceReturned, DeviceSilent, DeviceRestarted)
DECIDED: Final = (
    DeviceApproved,
    DeviceRejected,
    DeviceRetired,
    DeviceDeafened,
    DeviceHearing,
    ConfigOrdered,
    ZoneOrdered,
    ZoneSettled,
)
SUBJECTS: Final = (
    *(f"device.*.*.{event}" for event in HEARD),
    "device.*.*.registry.registered",
    *(f"device.*.*.registry.{event.EVENT}" for event in DECIDED),
)
BEATS: Final = ("heartbeat.>",)

Changed = Callable[[Member, Member], None]
"""Called with what was known of a device before, and what is now."""

_decoder = EventDecoder(
    {SAID[Heartbeat].name: DeviceSaid[Heartbeat], SAID[LastWill].name: DeviceSaid[LastWill]}
    | {event.TYPE: event for event in (*HAPPENED, *DECIDED)}
)


def subjects_of(esp_id: str) -> tuple[str, ...]:
    """Filters for what is learnt of one device from DEVICES."""
    return tuple(subject.replace("device.*.*.", f"device.*.{token(esp_id)}.", 1) for subject in SUBJECTS)


def learnt(event_type: str, body: bytes) -> Learnt:
    """The event in a message.

    Raises:
        ValueError: It teaches nothing, or is not of its type.
    """
    try:
        event: Learnt = _decoder.decode(event_type, body)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    return event


class Roster:
    """Devices by id.

    Attributes:
        on_change: Called with every change, in the order of its stream.
    """

    def __init__(self) -> None:
        self.on_change: list[Changed] = []
        self._members: dict[str, Member] = {}
        self._decisions_known = asyncio.Event()
        self._beats_known = asyncio.Event()

    def __len__(self) -> int:
        """How many devices were ever heard."""
        return len(self._members)

    def get(self, esp_id: str) -> Member:
        """What is known of a device; a stranger for one that nobody knows."""
        return self._members.get(esp_id, STRANGER)

    def members(self) -> Iterable[Member]:
        """Every device."""
        return tuple(self._members.values())

    def take(self, event: Learnt) -> None:
        """Take in an event about a device."""
        before = self.get(event.esp_id)
        after = self._members[event.esp_id] = learn(before, event)
        if after != before:
            for tell in self.on_change:
                tell(before, after)

    @property
    def caught_up(self) -> bool:
        """Whether everything that the log held when it was first read is known."""
        return self._decisions_known.is_set() and self._beats_known.is_set()

    async def wait_caught_up(self) -> None:
        """Return when that is so."""
        await self._decisions_known.wait()
        await self._beats_known.wait()

    async def follow(self, log: EventLog) -> None:
        """Read both streams from where they matter, and on, until cancelled."""
        decisions = OrderedReader(log, DEVICES.name, subjects=SUBJECTS, start="all")
        beats = OrderedReader(log, HEARTBEATS.name, subjects=BEATS, start="last_per_subject")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(decisions.follow(self._learn, self._decisions_known))
            tasks.create_task(beats.follow(self._learn, self._beats_known))

    def _learn(self, delivery: Delivery) -> None:
        try:
            event = learnt(delivery.type, delivery.data)
        except ValueError as error:
            # Whoever writes tables of it puts it into the dead letters; here it only teaches nothing
            _log.warning("an event teaches nothing", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        self.take(event)
