"""Requests to the owner of an aggregate to decide something, over NATS request/reply on ``command.{service}.{name}``.

Every reply is a :class:`kaiser.contracts.queries.Reply`. Who asks is said by the gateway, which has authenticated them.
"""

from typing import Any

import msgspec

from kaiser.contracts.events.calibration import THAT_DAY, CalibrationKind, FoundCalibration, SensorKey
from kaiser.contracts.events.equipment import Equipment
from kaiser.contracts.events.registry import Board


class DeviceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every order about a device says.

    Attributes:
        esp_id: Device.
        by: User name of who orders it.
        correlation_id: Shared by all events that come of it; made by the owner where it is empty.
        known_seq: Sequence of the last event of the device's registry that whoever orders it has seen; another one is
            refused with STATE_CHANGED. None for whatever is there.
    """

    esp_id: str
    by: str
    correlation_id: str = ""
    known_seq: int | None = None


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


class DescribeDevice(DeviceOrder, frozen=True, kw_only=True):
    """Say what a device is beyond its board. ``command.ingest.describe_device`` answers ``DeviceDecided``.

    Attributes:
        firmware_version: None leaves it as it is, empty makes it unknown.
        mac_address: The same; six bytes in hex with colons, of which the last ones are in the device id.
    """

    firmware_version: str | None = None
    mac_address: str | None = None


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
        zone_master: Whether it leads the zone from then on.
    """

    zone_id: str
    zone_name: str = ""
    master_zone_id: str = ""
    into_kaiser_id: str | None = None
    zone_master: bool = False


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


class ConfigureAgain(DeviceOrder, frozen=True, kw_only=True):
    """Tell a device all of its equipment again, which also takes a ``dec`` device out of a broadcast stop.

    ``command.ingest.configure_again`` answers ``DeviceDecided`` before the device answers. It switches every output of
    the device to its default.

    Attributes:
        reason: Why.
    """

    reason: str


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


class SensorOrder(DeviceOrder, frozen=True, kw_only=True):
    """What every order about a sensor says. All of them answer ``CalibrationDecided``.

    Attributes:
        sensor: Sensor of the device.
    """

    sensor: SensorKey


class SetSensorParameters(SensorOrder, frozen=True, kw_only=True):
    """Read a sensor with these parameters from now on. ``command.ingest.set_sensor_parameters``.

    Attributes:
        family: Family of a sensor whose type nobody knows; empty for that of the type.
        parameters: All that differ from the family's defaults.
        compensate_from: Sensor of the same device whose temperature compensates this one; None for none.
    """

    family: str = ""
    parameters: dict[str, Any] = {}
    compensate_from: SensorKey | None = None


class StartCalibration(SensorOrder, frozen=True, kw_only=True):
    """Begin to calibrate a sensor. ``command.ingest.start_calibration``."""

    kind: CalibrationKind


class TakeCalibrationPoint(SensorOrder, frozen=True, kw_only=True):
    """Say what a sensor should show now. ``command.ingest.take_calibration_point``.

    Attributes:
        reference: In the unit of the sensor.
        raw: Count; None for that of the latest reading, which has to be of the last minute.
        temperature_c: Of the medium, °C; None for that of the compensating sensor, if there is one.
    """

    reference: float
    raw: float | None = None
    temperature_c: float | None = None


class FinishCalibration(SensorOrder, frozen=True, kw_only=True):
    """Fit the points, and convert with what comes of it. ``command.ingest.finish_calibration``.

    Attributes:
        valid_from: Readings measured from then on, unix microseconds, not in the future; None for from now on.
    """

    valid_from: int | None = None


class AbandonCalibration(SensorOrder, frozen=True, kw_only=True):
    """Let a calibration come to nothing. ``command.ingest.abandon_calibration``."""

    reason: str = ""


class RecomputeReadings(SensorOrder, frozen=True, kw_only=True):
    """Make values of stored readings anew from their counts. ``command.ingest.recompute_readings``.

    Answers before that is done.

    Attributes:
        start: First measured time, unix microseconds.
        end: End of the span, exclusive; not in the future.
        calibration: Session of a finished calibration, or ``that_day``: what was in force at each measured time.
    """

    start: int
    end: int
    calibration: str = THAT_DAY


class CalibrationDecided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of an order about a sensor.

    Attributes:
        esp_id: Device.
        sensor: Sensor.
        seq: Sequence in DEVICES of the last event about the sensors of the device.
        changed: Whether anything had to happen.
        session_id: Calibration that it was about; empty for none.
        points: Points that it has by now.
        calibration: What was found; None unless it was finished.
        recompute_id: Of the order to recompute; empty for none.
    """

    esp_id: str
    sensor: SensorKey
    seq: int
    changed: bool
    session_id: str = ""
    points: int = 0
    calibration: FoundCalibration | None = None
    recompute_id: str = ""
