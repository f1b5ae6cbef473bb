"""Requests to the owner of an aggregate to decide something, over NATS request/reply on ``command.{service}.{name}``.

Every reply is a :class:`kaiser.contracts.queries.Reply`. Who asks is said by the gateway, which has authenticated them.
"""

import msgspec

from kaiser.contracts.events.equipment import Equipment
from kaiser.contracts.events.registry import Board


class DeviceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every order about a device says.

    Attributes:
        esp_id: Device.
        by: User name of who orders it.
        correlation_id: Shared by all events that come of it; made by the owner where it is empty.
    """

    esp_id: str
    by: str
    correlation_id: str = ""


class ApproveDevice(DeviceOrder, frozen=True, kw_only=True):
    """Let a device take part, and give it a key. ``command.ingest.approve_device`` answers ``DeviceDecided``."""

    name: str | None = None


class RejectDevice(DeviceOrder, frozen=True, kw_only=True):
    """Keep a device out. ``command.ingest.reject_device`` answers ``DeviceDecided``."""

    reason: str


class RenameDevice(DeviceOrder, frozen=True, kw_only=True):
    """Call a device by another name. ``command.ingest.rename_device`` answers ``DeviceDecided``."""

    name: str


class SetDeviceBoard(DeviceOrder, frozen=True, kw_only=True):
    """Say which board a device is. ``command.ingest.set_device_board`` answers ``DeviceDecided``."""

    board: Board


class RetireDevice(DeviceOrder, frozen=True, kw_only=True):
    """Take a device out of use. ``command.ingest.retire_device`` answers ``DeviceDecided``."""

    reason: str


class RotateDeviceKey(DeviceOrder, frozen=True, kw_only=True):
    """Give a device another key. ``command.ingest.rotate_device_key`` answers ``DeviceDecided``."""


class AssignZone(DeviceOrder, frozen=True, kw_only=True):
    """Put a device into a zone. ``command.ingest.assign_zone`` answers ``DeviceDecided`` before the device answers.

    Attributes:
        zone_id: Empty takes a ``head`` device out of its zone; ``dec`` knows no way out but another zone.
        into_kaiser_id: Kaiser id to move it to; None leaves it where it is.
    """

    zone_id: str
    zone_name: str = ""
    master_zone_id: str = ""
    into_kaiser_id: str | None = None


class OrderSubzone(DeviceOrder, frozen=True, kw_only=True):
    """Make pins of a device a subzone of its zone.

    ``command.ingest.order_subzone`` answers ``DeviceDecided`` before the device answers.

    Attributes:
        gpios: Pins; none dissolves the subzone.
    """

    subzone_id: str
    subzone_name: str = ""
    gpios: list[int]


class ConfigureDevice(DeviceOrder, frozen=True, kw_only=True):
    """Have this equipment on a device and no other.

    ``command.ingest.configure_device`` answers ``DeviceDecided`` before the device answers.
    """

    wanted: Equipment


class DeviceDecided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of an order.

    Attributes:
        esp_id: Device.
        state: What the registry holds of it now.
        seq: Sequence in DEVICES of the last event of the device's registry; a read that waits for it sees the effect.
        changed: Whether anything had to happen.
        key: The new key, this once; empty where none was issued. The user name that belongs to it is the device id.
    """

    esp_id: str
    state: str
    seq: int
    changed: bool
    key: str = ""
