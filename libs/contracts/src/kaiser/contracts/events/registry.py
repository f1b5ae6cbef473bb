"""Decisions of the device registry. Subject ``device.{kaiser}.{esp}.registry.{event}``, written by ingest.

One aggregate a device, whatever kaiser id it talks under. Every event names who decided; times are unix microseconds.
A key itself is in no event: it is derived by :mod:`kaiser.contracts.devicekeys` from a secret of the site.
"""

from typing import ClassVar, Literal

from kaiser.contracts.events.decision import Decision
from kaiser.contracts.events.equipment import ConfigLapsed, ConfigOrdered, ConfigSettled

Board = Literal["esp32_wroom", "xiao_esp32c3"]
"""Decides which pins there are (wire contract, section 7)."""


class DeviceApproved(Decision, frozen=True, kw_only=True):
    """The device may take part. Its readings since it was registered become visible with it."""

    TYPE: ClassVar[str] = "io.kaiser.device.approved.v1"
    EVENT: ClassVar[str] = "approved"


class DeviceRejected(Decision, frozen=True, kw_only=True):
    """The device may not take part."""

    TYPE: ClassVar[str] = "io.kaiser.device.rejected.v1"
    EVENT: ClassVar[str] = "rejected"

    reason: str


class DeviceRenamed(Decision, frozen=True, kw_only=True):
    """People call the device by another name now."""

    TYPE: ClassVar[str] = "io.kaiser.device.renamed.v1"
    EVENT: ClassVar[str] = "renamed"

    name: str


class DeviceBoardSet(Decision, frozen=True, kw_only=True):
    """Somebody told which board the device is; the firmware does not say."""

    TYPE: ClassVar[str] = "io.kaiser.device.board_set.v1"
    EVENT: ClassVar[str] = "board_set"

    board: Board


class DeviceDescribed(Decision, frozen=True, kw_only=True):
    """Somebody told what the device is, beyond its board; the firmware does not say. The last one counts as a whole.

    Attributes:
        firmware_version: As its builder names it; empty for unknown.
        mac_address: Six bytes in upper-case hex with colons; empty for unknown.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.described.v1"
    EVENT: ClassVar[str] = "described"

    firmware_version: str = ""
    mac_address: str = ""


class DeviceRetired(Decision, frozen=True, kw_only=True):
    """The device is out of use. Its key is void, its history stays."""

    TYPE: ClassVar[str] = "io.kaiser.device.retired.v1"
    EVENT: ClassVar[str] = "retired"

    reason: str


class DeviceKeyIssued(Decision, frozen=True, kw_only=True):
    """The device has a new key, and the one before is void.

    Attributes:
        key_id: Random; the key follows from it, the device id and the site's secret.
        digest: SHA-256 of the key in hex, by which a key that somebody shows is known again.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.key_issued.v1"
    EVENT: ClassVar[str] = "key_issued"

    key_id: str
    digest: str


class ZoneOrdered(Decision, frozen=True, kw_only=True):
    """The device is to be in a zone. It is told so until it answers.

    Attributes:
        zone_id: Zone.
        zone_name: What people call it.
        master_zone_id: Zone above it; empty for none.
        into_kaiser_id: Kaiser id that it is to talk under from then on.
        zone_master: Whether it leads the zone: of those that do, the one ordered last. Nothing that devices know of.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.zone_ordered.v1"
    EVENT: ClassVar[str] = "zone_ordered"

    zone_id: str
    zone_name: str
    master_zone_id: str
    into_kaiser_id: str
    zone_master: bool = False


ZoneOutcome = Literal["confirmed", "refused", "unanswered"]


class ZoneSettled(Decision, frozen=True, kw_only=True):
    """What came of an order, whose correlation id it has.

    Attributes:
        zone_id: Zone that was ordered.
        outcome: ``confirmed`` and ``refused`` are the device's word; ``unanswered`` after the last try.
        detail: What the device said, or how often it was asked.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.zone_settled.v1"
    EVENT: ClassVar[str] = "zone_settled"

    zone_id: str
    outcome: ZoneOutcome
    detail: str = ""


class SubzoneOrdered(Decision, frozen=True, kw_only=True):
    """Pins of the device are to be a subzone of its zone, or not to be one any more. It is told so until it answers.

    Attributes:
        subzone_id: Subzone, unique within the device.
        subzone_name: What people call it.
        zone_id: Zone of the device that it is part of.
        gpios: Its pins; empty dissolves it.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.subzone_ordered.v1"
    EVENT: ClassVar[str] = "subzone_ordered"

    subzone_id: str
    subzone_name: str = ""
    zone_id: str
    gpios: list[int]


class SubzoneSettled(Decision, frozen=True, kw_only=True):
    """What came of an order, whose correlation id it has; fields as in ``ZoneSettled``."""

    TYPE: ClassVar[str] = "io.kaiser.device.subzone_settled.v1"
    EVENT: ClassVar[str] = "subzone_settled"

    subzone_id: str
    outcome: ZoneOutcome
    detail: str = ""


class DeviceDeafened(Decision, frozen=True, kw_only=True):
    """The device speaks and does not hear: a ``dec`` one after it lost the broker once. It has to be power-cycled.

    Attributes:
        detail: What it did not answer.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.deafened.v1"
    EVENT: ClassVar[str] = "deafened"

    detail: str


class DeviceHearing(Decision, frozen=True, kw_only=True):
    """The device hears again: it answered, or was started anew.

    Attributes:
        detail: What showed it.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.hearing.v1"
    EVENT: ClassVar[str] = "hearing"

    detail: str


RegistryEvent = (
    DeviceApproved
    | DeviceRejected
    | DeviceRenamed
    | DeviceBoardSet
    | DeviceDescribed
    | DeviceRetired
    | DeviceKeyIssued
    | ZoneOrdered
    | ZoneSettled
    | SubzoneOrdered
    | SubzoneSettled
    | ConfigOrdered
    | ConfigLapsed
    | ConfigSettled
    | DeviceDeafened
    | DeviceHearing
)

REGISTRY_EVENTS: tuple[type[RegistryEvent], ...] = (
    DeviceApproved,
    DeviceRejected,
    DeviceRenamed,
    DeviceBoardSet,
    DeviceDescribed,
    DeviceRetired,
    DeviceKeyIssued,
    ZoneOrdered,
    ZoneSettled,
    SubzoneOrdered,
    SubzoneSettled,
    ConfigOrdered,
    ConfigLapsed,
    ConfigSettled,
    DeviceDeafened,
    DeviceHearing,
)
"""Every decision after the registration itself."""
