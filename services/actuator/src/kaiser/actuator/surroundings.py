"""What is known beside the commands, followed in the log: devices, reported states, emergency stops, configurations."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from kaiser.actuator import shadow as shadows
from kaiser.actuator.book import Key
from kaiser.actuator.commands import Around, Patience
from kaiser.actuator.shadow import UNSEEN, Shadow
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import ConfigSettled
from kaiser.contracts.events.safeguards import ActuatorStopped, EmergencyReleased, EmergencyRequested, StopConfirmed
from kaiser.contracts.streams import ACTUATORS, DEVICES, SAFETY
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.roster import Member, Roster

_log = structlog.get_logger(__name__)

STATUS: Final = ("actuator.*.*.*.status",)
EMERGENCIES: Final = ("safety.emergency.>",)
STOPS: Final = ("safety.stop.>",)
RECENT_US: Final = 600_000_000
"""No approval holds for so long, so an emergency stop that is released and older overrules none."""
CONFIGURED: Final = (f"device.*.*.registry.{ConfigSettled.EVENT}",)

_decode_status = msgspec.json.Decoder(DeviceSaid[ActuatorStatus]).decode
_emergencies = EventDecoder({event.TYPE: event for event in (EmergencyRequested, EmergencyReleased)})
_stops = EventDecoder({event.TYPE: event for event in (ActuatorStopped, StopConfirmed)})
_decode_settled = msgspec.json.Decoder(ConfigSettled).decode

Told = Callable[[Key, int], None]
"""Called after each status: actuator, sequence in ACTUATORS."""


class Latches:
    """Emergency stops that are in force, in the order in which they were requested."""

    def __init__(self) -> None:
        self._stops: dict[str, EmergencyRequested] = {}
        self._lately: dict[int, EmergencyRequested] = {}
        self._last_seq = 0
        self._changed = asyncio.Event()

    async def reach(self, seq: int) -> None:
        """Return when the stop or release of that sequence is known."""
        while self._last_seq < seq:
            self._changed.clear()
            await self._changed.wait()

    def take(self, event: EmergencyRequested | EmergencyReleased, seq: int) -> None:
        """Take in a stop or a release, with its sequence in SAFETY."""
        self._last_seq = seq
        self._changed.set()
        if isinstance(event, EmergencyRequested):
            self._stops[event.emergency_id] = event
            self._lately = {at: stop for at, stop in self._lately.items() if stop.at > event.at - RECENT_US}
            self._lately[seq] = event
        else:
            self._stops.pop(event.emergency_id, None)

    def holds(self, emergency_id: str) -> bool:
        """Whether a stop is in force."""
        return emergency_id in self._stops

    def over(self, key: Key, member: Member) -> str:
        """The stop that an actuator is in; empty for none."""
        for emergency_id, stop in self._stops.items():
            scope = stop.scope
            if scope.covers(kaiser_id=member.kaiser_id, zones=member.zones, esp_id=key.esp_id, gpio=key.gpio):
                return emergency_id
        return ""

    def last_over(self, key: Key, member: Member) -> int:
        """Sequence in SAFETY of the last stop of an actuator, in force or released lately; 0 for none."""
        covering = (
            seq
            for seq, stop in self._lately.items()
            if stop.scope.covers(kaiser_id=member.kaiser_id, zones=member.zones, esp_id=key.esp_id, gpio=key.gpio)
        )
        return max(covering, default=0)

    def __len__(self) -> int:
        """How many are in force."""
        return len(self._stops)


class Surroundings:
    """What decisions go by.

    Args:
        roster: Devices.
        patience: How long what is waited for.

    Attributes:
        roster: As given.
        latches: Emergency stops.
        patience: As given.
        on_status: Who is told of every status.
        on_reset: Who is told of every device that was configured.
    """

    def __init__(self, roster: Roster, patience: Patience) -> None:
        self.roster = roster
        self.latches = Latches()
        self.patience = patience
        self.on_status: list[Told] = []
        self.on_reset: list[Callable[[str], None]] = []
        self._moved = asyncio.Event()
        roster.on_change.append(lambda _before, _after: self._moved.set())
        self._shadows: dict[Key, Shadow] = {}
        self._of_device: dict[str, set[int]] = {}
        self._configured_at: dict[str, int] = {}
        self._stop_seqs: dict[Key, int] = {}
        self._known = {name: asyncio.Event() for name in ("states", "emergencies", "stops", "configurations")}

    def shadow(self, key: Key) -> Shadow:
        """What an actuator reported."""
        return self._shadows.get(key, UNSEEN)

    def keys(self) -> Iterable[Key]:
        """Every actuator that ever reported."""
        return tuple(self._shadows)

    def pins(self, esp_id: str) -> set[int]:
        """Every pin of a device that an actuator is known on."""
        return self._of_device.get(esp_id, set()) | set(self.roster.get(esp_id).actuators)

    def reset_devices(self) -> Iterable[str]:
        """Every device that was ever configured."""
        return tuple(self._configured_at)

    def reset_at(self, esp_id: str) -> int:
        """When a device was last configured or started, as far as is known."""
        return max(self._configured_at.get(esp_id, 0), self.roster.get(esp_id).booted_at)

    def around(self, key: Key) -> Around:
        """What is known of an actuator now."""
        member, shadow = self.roster.get(key.esp_id), self.shadow(key)
        return Around(
            kaiser_id=member.kaiser_id,
            esp_id=key.esp_id,
            gpio=key.gpio,
            generation=member.generation,
            actuator_type=shadows.type_of(shadow, member, key.gpio),
            registered=member.esp_id != "",
            approved=member.approved,
            exists=key.gpio in member.actuators or shadow.seq > 0,
            online=member.online,
            deaf=member.deaf_since > 0,
            latched=self.latches.over(key, member),
            stop_seq=max(self._stop_seqs.get(key, 0), self.latches.last_over(key, member)),
            level=shadow.level,
            level_at=shadow.at,
            known=shadows.is_known(shadow, member),
            patience=self.patience,
        )

    async def wait_caught_up(self) -> None:
        """Return when everything is known that the log held when it was first read, but for emergency stops."""
        await self.roster.wait_caught_up()
        for name in ("states", "configurations"):
            await self._known[name].wait()

    async def wait_online(self, esp_id: str, within_s: float) -> None:
        """Return when a device is there, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self.roster.get(esp_id).online:
                    self._moved.clear()
                    await self._moved.wait()

    async def wait_emergencies(self) -> None:
        """Return when every emergency stop, and the last stop of each actuator, is known that the log held.

        Where safety never ran, that may be never.
        """
        for name in ("emergencies", "stops"):
            await self._known[name].wait()

    async def follow(self, log: EventLog) -> None:
        """Read the log, until cancelled. Of states only the last of each actuator matters, and what comes then."""
        async with asyncio.TaskGroup() as tasks:
            states = OrderedReader(log, ACTUATORS.name, subjects=STATUS, start="last_per_subject")
            tasks.create_task(states.follow(_teaching(self.take_status), self._known["states"]))
            stops = OrderedReader(log, SAFETY.name, subjects=EMERGENCIES, start="all")
            tasks.create_task(stops.follow(_teaching(self._take_emergency), self._known["emergencies"]))
            of_each = OrderedReader(log, SAFETY.name, subjects=STOPS, start="last_per_subject")
            tasks.create_task(of_each.follow(_teaching(self._take_stop), self._known["stops"]))
            settled = OrderedReader(log, DEVICES.name, subjects=CONFIGURED, start="all")
            tasks.create_task(settled.follow(_teaching(self._take_settled), self._known["configurations"]))

    def take_status(self, delivery: Delivery) -> None:
        """Take in a status."""
        said = _decode_status(delivery.data)
        key = Key(said.esp_id, said.message.gpio)
        before = self.shadow(key)
        after = shadows.take(before, said.message, seq=delivery.seq, at=said.received_at)
        if after is before:
            return
        self._shadows[key] = after
        self._of_device.setdefault(key.esp_id, set()).add(key.gpio)
        for tell in self.on_status:
            tell(key, delivery.seq)

    def _take_emergency(self, delivery: Delivery) -> None:
        self.latches.take(_emergencies.decode(delivery.type, delivery.data), delivery.seq)

    def _take_stop(self, delivery: Delivery) -> None:
        """A stop, or that it was seen to work: nothing is allowed in between, so what is later was allowed after it."""
        event = _stops.decode(delivery.type, delivery.data)
        key = Key(event.esp_id, event.gpio)
        self._stop_seqs[key] = max(delivery.seq, self._stop_seqs.get(key, 0))

    def _take_settled(self, delivery: Delivery) -> None:
        settled = _decode_settled(delivery.data)
        self._configured_at[settled.esp_id] = max(settled.at, self._configured_at.get(settled.esp_id, 0))
        for tell in self.on_reset:
            tell(settled.esp_id)


def _teaching(take: Callable[[Delivery], object]) -> Callable[[Delivery], None]:
    """Takes messages in, but for those that cannot be read."""

    def learn(delivery: Delivery) -> None:
        try:
            take(delivery)
        except (msgspec.DecodeError, ValueError) as error:
            # Whoever writes tables of it puts it into the dead letters; here it only teaches nothing
            _log.warning("an event teaches nothing", subject=delivery.subject, reason=str(error))

    return learn
