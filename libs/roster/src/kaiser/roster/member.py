"""One device, and what each event about it changes. Pure.

Events come from two streams that are read side by side, so what is known of a device may not depend on the order in
which the two are read: presence compares times, and everything else comes from one stream.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
    Generation,
)
from kaiser.contracts.events.equipment import ConfigOrdered, WantedActuator
from kaiser.contracts.events.registry import (
    DeviceApproved,
    DeviceDeafened,
    DeviceHearing,
    DeviceRejected,
    DeviceRetired,
    ZoneOrdered,
    ZoneSettled,
)
from kaiser.contracts.wire import Heartbeat, LastWill

Standing = Literal["unknown", "pending", "approved", "rejected", "retired"]

SAFE_MODE_STATES: Final[Mapping[Generation, frozenset[int]]] = {"dec": frozenset({10, 11}), "head": frozenset({12, 13})}
"""Numbers of section 6.9 of the wire contract, which mean other things in the other generation."""

PENDING_AFTER_RESET: Final = 8
"""A ``head`` device in this state refuses commands until it is configured (section 5.8)."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A device.

    Attributes:
        esp_id: Device; empty for one that nobody knows.
        kaiser_id: Kaiser id that it used last.
        generation: Its firmware.
        standing: What the registry holds of it.
        zone_confirmed: Zone that it was put into and has confirmed.
        zone_wanted: Zone that it was last told to be in.
        zone_said: Zone of its last heartbeat.
        actuators: What is to hang on it, by pin.
        heard_at: When it last said something about itself, unix microseconds.
        lost_at: When it was last lost or found silent, unix microseconds.
        lost_because: ``last_will`` or ``silent``.
        uptime_s: Of its last heartbeat.
        booted_at: When it was started at the latest, unix microseconds; 0 for unknown.
        state: Number of its state, as ``head`` says it.
        deaf_since: Since when it does not hear, unix microseconds; 0 while it does.
    """

    esp_id: str = ""
    kaiser_id: str = ""
    generation: Generation = "dec"
    standing: Standing = "unknown"
    zone_confirmed: str = ""
    zone_wanted: str = ""
    zone_said: str = ""
    actuators: Mapping[int, WantedActuator] = {}
    heard_at: int = 0
    lost_at: int = 0
    lost_because: str = ""
    uptime_s: int = 0
    booted_at: int = 0
    state: int | None = None
    deaf_since: int = 0

    @property
    def approved(self) -> bool:
        """Whether it takes part."""
        return self.standing == "approved"

    @property
    def online(self) -> bool:
        """Whether it has said something since it was last lost."""
        return self.heard_at > self.lost_at

    @property
    def zone_id(self) -> str:
        """The zone that it is in: the one that it confirmed, else the one that it says; empty for none."""
        return self.zone_confirmed or self.zone_said

    @property
    def zones(self) -> frozenset[str]:
        """Every zone that it may be in, for what must not miss it."""
        return frozenset({self.zone_confirmed, self.zone_wanted, self.zone_said} - {""})

    @property
    def safe_mode(self) -> bool:
        """Whether it says that it is in safe mode."""
        return self.state in SAFE_MODE_STATES[self.generation]


STRANGER: Final = Member()

Learnt = (
    DeviceDiscovered
    | DeviceRegistered
    | DeviceApproved
    | DeviceRejected
    | DeviceRetired
    | DeviceReturned
    | DeviceSilent
    | DeviceRestarted
    | DeviceDeafened
    | DeviceHearing
    | ConfigOrdered
    | ZoneOrdered
    | ZoneSettled
    | DeviceSaid[Any]
)


def learn(member: Member, event: Learnt) -> Member:
    """What is known of a device after an event about it."""
    replace = msgspec.structs.replace
    if not member.esp_id:
        member = replace(member, esp_id=event.esp_id, kaiser_id=event.kaiser_id)
    match event:
        case DeviceDiscovered():
            return replace(_newer(member, event.received_at), generation=_later(member.generation, event.generation))
        case DeviceRegistered():
            pending = "pending" if member.standing == "unknown" else member.standing
            return replace(member, standing=pending, generation=_later(member.generation, event.generation))
        case DeviceApproved():
            return replace(member, standing="approved")
        case DeviceRejected():
            return replace(member, standing="rejected")
        case DeviceRetired():
            return replace(member, standing="retired")
        case DeviceReturned():
            return _newer(member, event.received_at)
        case DeviceSilent():
            return _lost(member, event.received_at, "silent")
        case DeviceRestarted():
            return replace(member, booted_at=max(member.booted_at, event.booted_at))
        case DeviceDeafened():
            return replace(member, deaf_since=event.at)
        case DeviceHearing():
            return replace(member, deaf_since=0)
        case ConfigOrdered():
            return replace(member, actuators={wanted.gpio: wanted for wanted in event.wanted.actuators})
        case ZoneOrdered():
            return replace(member, zone_wanted=event.zone_id)
        case ZoneSettled():
            return replace(member, zone_confirmed=event.zone_id) if event.outcome == "confirmed" else member
        case DeviceSaid(message=LastWill()):
            return _lost(member, event.received_at, "last_will")
        case DeviceSaid(message=Heartbeat() as beat):
            return _beaten(member, event, beat)
    return member


def _beaten(member: Member, said: DeviceSaid[Any], beat: Heartbeat) -> Member:
    if said.received_at < member.heard_at and said.received_at < member.lost_at:
        return member
    return msgspec.structs.replace(
        _newer(member, said.received_at),
        kaiser_id=said.kaiser_id,
        generation=_later(member.generation, said.generation),
        zone_said=beat.zone_id,
        uptime_s=beat.uptime,
        state=beat.config_status.state if beat.config_status is not None else None,
    )


def _newer(member: Member, at: int) -> Member:
    return msgspec.structs.replace(member, heard_at=max(member.heard_at, at))


def _lost(member: Member, at: int, because: str) -> Member:
    if at < member.lost_at:
        return member
    return msgspec.structs.replace(member, lost_at=at, lost_because=because)


def _later(known: Generation, said: Generation) -> Generation:
    """``dec`` is what a device is taken for until a message proves otherwise; never back (section 6.9)."""
    return "head" if "head" in (known, said) else "dec"
