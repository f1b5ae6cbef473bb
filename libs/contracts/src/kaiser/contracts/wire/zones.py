"""Zones and subzones: assignments and their acknowledgements (wire contract, sections 4.10, 4.11, 5.3, 5.4)."""

from typing import ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from kaiser.contracts.wire.fields import U32, Epoch, Id, Text, Uptime


class ZoneAck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a zone assignment, ``zone/ack``, published below the *new* kaiser id.

    Attributes:
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    status: Literal["zone_assigned", "zone_removed", "error"]
    ts: Epoch
    esp_id: Id | None = None
    zone_id: Id = ""
    master_zone_id: Id = ""
    message: Text = ""
    reason_code: Id = ""
    correlation_id: Id = ""
    seq: U32 | None = None


class SubzoneAck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a subzone assignment, ``subzone/ack``. ``dec`` answers 2506 always, and removal never.

    Attributes:
        timestamp: Seconds since boot on ``dec``, unix seconds on ``head``.
        error_code: 2500 to 2506, on ``dec``.
        reason_code: Takes the place of ``error_code`` on ``head``.
    """

    ALIASES: ClassVar[dict[str, str]] = {"ts": "timestamp"}

    status: Literal["subzone_assigned", "subzone_removed", "error"]
    timestamp: Uptime
    esp_id: Id | None = None
    subzone_id: Id = ""
    error_code: int | Id | None = None
    message: Text = ""
    reason_code: Id = ""
    correlation_id: Id = ""
    seq: U32 | None = None


class ZoneAssign(Struct, frozen=True, kw_only=True):
    """Puts a device into a zone and below a kaiser id, ``zone/assign``.

    All four strings always: what is missing or null becomes the text ``null`` on the device. An empty ``zone_id``
    removes a ``head`` device from its zone, and is ignored by ``dec``.
    """

    zone_id: str
    master_zone_id: str
    zone_name: str
    kaiser_id: str
    timestamp: int | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET


class SubzoneAssign(Struct, frozen=True, kw_only=True):
    """Puts pins into a subzone, ``subzone/assign``.

    Attributes:
        parent_zone_id: The device's zone, or empty.
        safe_mode_active: True switches the pins to inputs and so drops running outputs; the device takes it for true
            where it is missing, so it has no default here.
    """

    subzone_id: str
    subzone_name: str
    parent_zone_id: str
    assigned_gpios: list[int]
    safe_mode_active: bool
    timestamp: int | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET


class SubzoneRemove(Struct, frozen=True, kw_only=True):
    """Dissolves a subzone, ``subzone/remove``; ``dec`` never acknowledges it."""

    subzone_id: str
    correlation_id: str | UnsetType = UNSET


class SubzoneSafe(Struct, frozen=True, kw_only=True):
    """Puts the pins of a subzone into safe mode or back, ``subzone/safe``, ``head`` only; no answer on success."""

    subzone_id: str
    action: Literal["enable", "disable"]
    correlation_id: str | UnsetType = UNSET
