"""Requests to the owner of a projection, over NATS request/reply on ``query.{service}.{name}``.

Every reply is a :class:`Reply`: either ``ok`` holds the answer, or ``problem`` says what was wrong.
"""

from typing import Any, Generic, Literal, TypeVar

import msgspec

from kaiser.contracts.events.calibration import CalibrationKind, FoundCalibration, SensorKey
from kaiser.contracts.events.equipment import ConfigFault, Equipment
from kaiser.contracts.refusals import Fault

T = TypeVar("T")

Resolution = Literal["raw", "1m", "1h", "1d", "auto"]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered: a stable code, what was wrong, and where.

    Attributes:
        faults: Everything that is wrong, where that is more than a sentence.
    """

    code: str
    detail: str
    where: str = ""
    faults: tuple[Fault, ...] = ()


class Reply(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """Answer or problem, never both."""

    ok: T | None = None
    problem: Problem | None = None


class DevicesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Devices in the order of their ids. ``query.ingest.devices`` answers ``Page[Device]``.

    Attributes:
        at_least: As in ``DeviceQuery``.
    """

    at_least: int = 0
    state: str | None = None
    kaiser_id: str | None = None
    zone_id: str | None = None
    limit: int = 100
    cursor: str | None = None


class DeviceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One device. ``query.ingest.device`` answers ``Device``.

    Attributes:
        at_least: Wait until the table has this event of the registry, by its sequence.
    """

    esp_id: str
    at_least: int = 0


class EquipmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to hang on a device. ``query.ingest.equipment`` answers ``DeviceEquipment``, from the log."""

    esp_id: str


class SensorsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Sensors in the order of device, pin, type and address. ``query.ingest.sensors`` answers ``Page[Sensor]``.

    Attributes:
        pending: With those of devices that nobody has approved.
        at_least: As in ``DeviceQuery``.
    """

    at_least: int = 0
    esp_id: str | None = None
    sensor_type: str | None = None
    zone_id: str | None = None
    pending: bool = False
    limit: int = 100
    cursor: str | None = None


class LatestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The latest reading, by measured time. ``query.ingest.latest`` answers ``Reading``.

    Without an address, the sensor must be the only one of its type on its pin.

    Attributes:
        pending: Even if nobody has approved the device.
    """

    esp_id: str
    gpio: int
    sensor_type: str
    address: str | None = None
    pending: bool = False


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Readings or rollups of one sensor, oldest first. ``query.ingest.history`` answers ``History``.

    Attributes:
        start: Unix microseconds, inclusive.
        end: Unix microseconds, exclusive.
        resolution: ``auto`` picks raw up to 2 hours, one minute up to 7 days, one hour up to 180, one day
            (UTC) beyond.
        limit: Points a page, 1 to 10,000.
        cursor: ``next_cursor`` of the page before.
        pending: Even if nobody has approved the device.
    """

    esp_id: str
    gpio: int
    sensor_type: str
    address: str | None = None
    pending: bool = False
    start: int
    end: int
    resolution: Resolution = "auto"
    limit: int = 1000
    cursor: str | None = None


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the registry knows it; times in unix microseconds, 0 for never.

    Attributes:
        config_state: What came of its equipment: empty while nobody said, else as ``DeviceEquipment.state``.
        deaf_since: Since when it does not hear; 0 while it does.
        booted_at: When it was started at the latest.
        restarts: How often it was started anew since it was first heard.
        offline_since: 0 while it is online.
        losses: How often the connection was lost since ``losses_since``, where one follows the other within minutes.
        flapping: Whether that is too often to tell each time.
        master_zone_id: Zone above its zone, as the device itself says.
        zone_master: Whether it leads the zone that it was ordered into.
        firmware_version: As people said, and so is the MAC address; the firmware says neither.
    """

    esp_id: str
    kaiser_id: str
    state: str
    generation: str
    zone_id: str
    first_seen_at: int
    last_seen_at: int
    online: bool
    offline_reason: str | None = None
    name: str = ""
    board: str | None = None
    state_since: int = 0
    state_by: str = ""
    state_reason: str = ""
    key_issued_at: int = 0
    seq: int = 0
    zone_wanted: str = ""
    zone_state: str = ""
    zone_detail: str = ""
    boot: str = ""
    uptime_s: int | None = None
    heap_free_bytes: int | None = None
    wifi_rssi_dbm: int | None = None
    sensor_count: int | None = None
    actuator_count: int | None = None
    config_state: str = ""
    deaf_since: int = 0
    booted_at: int = 0
    restarts: int = 0
    reset_reason: str = ""
    offline_since: int = 0
    losses: int = 0
    losses_since: int = 0
    wifi_ip: str = ""
    master_zone_id: str = ""
    zone_master: bool = False
    firmware_version: str = ""
    mac_address: str = ""
    flapping: bool = False


class ZonesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Zones in the order of their ids. ``query.ingest.zones`` answers ``Page[Zone]``.

    Attributes:
        at_least: As in ``DeviceQuery``.
        zone_id: Only this one.
    """

    at_least: int = 0
    zone_id: str | None = None
    limit: int = 100
    cursor: str | None = None


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A zone: every one that a device says it is in, or was ordered into.

    Attributes:
        zone_name: What people call it, by the last order; empty where nobody ever ordered a device into it.
        master_zone_id: Zone above it, by the last order, else as a device says; empty for none.
        master: Device that leads it; empty for none.
        devices: How many say that they are in it.
        online: How many of them are there.
        ordered: How many were ordered into it and have not confirmed.
    """

    zone_id: str
    zone_name: str
    master_zone_id: str
    master: str
    devices: int
    online: int
    ordered: int


class Subzone(msgspec.Struct, frozen=True, kw_only=True):
    """Pins of a device that are a part of its zone; ``state`` as ``zone_state`` of a device."""

    subzone_id: str
    subzone_name: str
    zone_id: str
    gpios: list[int]
    state: str


class DeviceEquipment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to hang on a device, and what the device made of it.

    Attributes:
        state: ``none`` while nobody said, ``ordered`` while it has not answered, else its answer.
        wanted: All of it.
        faults: What the device did not take.
        until_restart: Pins of sensors that it could not save.
        settled_at: When it answered, unix microseconds; 0 for never.
        subzones: Those that it has or is to have.
        seq: Sequence in DEVICES of the last event of the device's registry.
    """

    esp_id: str
    state: str
    wanted: Equipment
    faults: list[ConfigFault]
    until_restart: list[int]
    settled_at: int
    subzones: list[Subzone]
    seq: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One stored reading; times in unix microseconds; ``value`` is null on error."""

    reading_id: int
    measured_at: int
    time_source: str
    device_ts: int
    received_at: int
    stored_at: int
    raw: float
    value: float | None
    unit: str
    quality: str
    zone_id: str
    subzone_id: str
    pending: bool
    flags: str


class HealthQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Heartbeats of a device, oldest first. ``query.ingest.health`` answers ``Page[Health]``.

    Attributes:
        start: Unix microseconds, inclusive.
        end: Unix microseconds, exclusive.
        limit: Heartbeats a page, 1 to 10,000.
        cursor: ``next_cursor`` of the page before.
    """

    esp_id: str
    start: int
    end: int
    limit: int = 1000
    cursor: str | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a heartbeat told; ``at`` in unix microseconds."""

    at: int
    uptime_s: int
    heap_free_bytes: int
    wifi_rssi_dbm: int


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor and its latest reading.

    Attributes:
        interval_s: Seconds between two readings; None for a sensor that does not measure by itself.
        stale: Whether it has been silent for longer than three of them; the quality of ``latest`` is ``stale`` then.
    """

    sensor_id: int
    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    unit: str
    zone_id: str
    interval_s: int | None = None
    stale: bool = False
    latest: Reading | None = None


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """A minute or an hour of one sensor. ``count`` holds all readings; the rest only those with a value."""

    start: int
    count: int
    errors: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    last: float | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A span without a reading, unix microseconds."""

    start: int
    end: int


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Part of a list, and where the next part begins; ``next_cursor`` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A span of one sensor; exactly one of ``readings`` and ``rollups`` is filled, as ``resolution`` says.

    Attributes:
        gaps: Where readings are missing: more than three in a row, or a bucket without any.
    """

    sensor_id: int
    unit: str
    resolution: Literal["raw", "1m", "1h", "1d"]
    readings: list[Reading] = []
    rollups: list[Rollup] = []
    gaps: list[Gap] = []
    next_cursor: str | None = None


class CalibrationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How a sensor is read and calibrated. ``query.ingest.calibration`` answers ``SensorCalibration``, from the log."""

    esp_id: str
    sensor: SensorKey


class CalibrationPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a calibration, as in ``CalibrationPointTaken``."""

    raw: float
    reference: float
    temperature_c: float | None
    reading_id: int | None
    at: int


class CalibrationSession(msgspec.Struct, frozen=True, kw_only=True):
    """One calibration of a sensor; times in unix microseconds, 0 for never.

    Attributes:
        state: ``open``, ``finished`` or ``abandoned``.
        valid_from: Since when it counts, if it was finished.
    """

    session_id: str
    state: Literal["open", "finished", "abandoned"]
    kind: CalibrationKind
    family: str
    parameters: dict[str, Any]
    by: str
    started_at: int
    ended_at: int = 0
    reason: str = ""
    points: list[CalibrationPoint] = []
    valid_from: int = 0
    calibration: FoundCalibration | None = None


class Recompute(msgspec.Struct, frozen=True, kw_only=True):
    """An order to make values anew; ``finished_at`` is 0 while it is at work."""

    recompute_id: str
    start: int
    end: int
    calibration: str
    by: str
    ordered_at: int
    finished_at: int = 0
    rows: int = 0
    changed: int = 0


class SensorCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How a sensor is read and calibrated.

    Attributes:
        family: Name of its family.
        unit: Of its values.
        parameters: Those that differ from the family's defaults.
        compensate_from: Sensor whose temperature compensates this one.
        in_force: Session whose calibration is in force now; None for none.
        sessions: All of them, oldest first; the last hundred.
        recomputes: The last hundred orders to recompute, oldest first.
        seq: Sequence in DEVICES of the last event about the sensors of the device; 0 for none.
    """

    esp_id: str
    sensor: SensorKey
    family: str
    unit: str
    parameters: dict[str, Any]
    compensate_from: SensorKey | None
    in_force: CalibrationSession | None
    sessions: list[CalibrationSession]
    recomputes: list[Recompute]
    seq: int
