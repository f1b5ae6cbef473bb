"""What the REST API shows: as the owners answer, with times in ISO 8601 and 63-bit ids as text."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from kaiser.contracts import boards, queries
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.registry import Board

T = TypeVar("T")
V = TypeVar("V")


class PageView(msgspec.Struct, Generic[V], frozen=True):
    """Part of a list; ``next_cursor`` is null on the last."""

    items: list[V]
    next_cursor: str | None


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device. ``state`` is what the registry decided, ``online`` what was heard last.

    Attributes:
        board: Hardware type, as people said; so are ``firmware_version`` and ``mac_address``. Devices say none of them.
        capabilities: What its firmware understands; it follows from the generation.
        zone_id: Zone that the device says it is in, and ``master_zone_id`` the one above; ``zone_wanted`` was ordered.
        zone_master: Whether it leads the zone that it was ordered into.
    """

    esp_id: str
    kaiser_id: str
    state: str
    generation: str
    zone_id: str
    online: bool
    offline_reason: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    boot: str
    uptime_s: int | None
    heap_free_bytes: int | None
    wifi_rssi_dbm: int | None
    sensor_count: int | None
    actuator_count: int | None
    name: str
    board: str | None
    state_since: datetime
    state_by: str
    state_reason: str
    key_issued_at: datetime | None
    seq: int
    zone_wanted: str
    zone_state: str
    zone_detail: str
    config_state: str
    deaf_since: datetime | None
    booted_at: datetime | None
    restarts: int
    reset_reason: str
    offline_since: datetime | None
    losses: int
    losses_since: datetime | None
    flapping: bool
    wifi_ip: str
    mac_address: str
    firmware_version: str
    capabilities: list[str]
    master_zone_id: str
    zone_master: bool


class BoardView(msgspec.Struct, frozen=True, kw_only=True):
    """What can hang on a device. Pins in ascending order.

    Attributes:
        board: Null while nobody said; it then counts as an ESP32-WROOM.
        sensor_pins: Where sensors can be; those on the I2C bus of a ``head`` device have numbers of their own.
        actuator_pins: Where actuators can be.
        analog_pins: Of those for sensors, the ones with a converter that works while Wi-Fi is on.
        bus_pins: Held by I2C.
        reserved_pins: Never handed out by the device.
        most_sensors: It holds no more.
        most_actuators: The same.
        packet_bytes: It drops packets of so many bytes and more.
    """

    esp_id: str
    board: str | None
    generation: str
    capabilities: list[str]
    sensor_pins: list[int]
    actuator_pins: list[int]
    analog_pins: list[int]
    bus_pins: list[int]
    reserved_pins: list[int]
    most_sensors: int
    most_actuators: int
    packet_bytes: int


class ZoneView(msgspec.Struct, frozen=True, kw_only=True):
    """A zone: every one that a device says it is in, or was ordered into.

    Attributes:
        master_zone_id: Zone above it; empty for none.
        master: Device that leads it; null for none.
        devices: How many say that they are in it, and ``online`` how many of these are there.
        ordered: How many were ordered into it and have not confirmed.
    """

    zone_id: str
    zone_name: str
    master_zone_id: str
    master: str | None
    devices: int
    online: int
    ordered: int


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """What a heartbeat told."""

    at: datetime
    uptime_s: int
    heap_free_bytes: int
    wifi_rssi_dbm: int


class ReadingView(msgspec.Struct, frozen=True, kw_only=True):
    """One reading; ``value`` is null on error. ``time_source`` says whose clock ``measured_at`` is."""

    reading_id: str
    measured_at: datetime
    time_source: str
    device_at: datetime | None
    received_at: datetime
    stored_at: datetime
    raw: float
    value: float | None
    unit: str
    quality: str
    zone_id: str
    subzone_id: str
    pending: bool
    flags: list[str]


class SensorView(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor and its latest reading by measured time.

    Attributes:
        interval_s: Seconds between two readings; null for a sensor that does not measure by itself.
        stale: Whether it has been silent for longer than three of them; the quality of ``latest`` is ``stale`` then.
    """

    sensor_id: str
    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    unit: str
    zone_id: str
    interval_s: int | None
    stale: bool
    latest: ReadingView | None


class RollupView(msgspec.Struct, frozen=True, kw_only=True):
    """A minute or an hour: ``count`` has all readings, the others those with a value."""

    start: datetime
    count: int
    errors: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    last: float | None


class GapView(msgspec.Struct, frozen=True, kw_only=True):
    """A span without a reading."""

    start: datetime
    end: datetime


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """A span of one sensor, oldest first: readings if ``resolution`` is raw, else rollups."""

    sensor_id: str
    unit: str
    resolution: str
    readings: list[ReadingView]
    rollups: list[RollupView]
    gaps: list[GapView]
    next_cursor: str | None


def instant(us: int) -> datetime:
    """Unix microseconds as a moment, which becomes RFC 3339 in C; exact, where a float of seconds would not be."""
    seconds, fraction = divmod(us, 1_000_000)
    found = datetime.fromtimestamp(seconds, UTC)
    return found.replace(microsecond=fraction) if fraction else found


def moment(us: int) -> datetime | None:
    """As :func:`instant`; None for 0, which stands for never."""
    return instant(us) if us else None


def page(found: queries.Page[T], view: Callable[[T], V]) -> PageView[V]:
    """A page with each item shown by ``view``."""
    return PageView([view(item) for item in found.items], found.next_cursor)


def device(found: queries.Device) -> DeviceView:
    """Show a device."""
    fields = msgspec.structs.asdict(found)
    fields |= {
        "first_seen_at": instant(found.first_seen_at),
        "last_seen_at": instant(found.last_seen_at),
        "state_since": instant(found.state_since),
    }
    for name in ("key_issued_at", "deaf_since", "booted_at", "offline_since", "losses_since"):
        fields[name] = instant(fields[name]) if fields[name] else None
    return DeviceView(**fields, capabilities=list(boards.capabilities(_generation(found))))


def board(found: queries.Device) -> BoardView:
    """Show what can hang on a device."""
    generation = _generation(found)
    known = msgspec.convert(found.board, Board | None)
    pins, limits = boards.pins(known, generation), boards.limits(known, generation)
    return BoardView(
        esp_id=found.esp_id,
        board=found.board,
        generation=found.generation,
        capabilities=list(boards.capabilities(generation)),
        sensor_pins=sorted(pins.inputs - pins.bus),
        actuator_pins=sorted(pins.outputs - pins.bus),
        analog_pins=sorted(pins.analog & pins.inputs),
        bus_pins=sorted(pins.bus),
        reserved_pins=sorted(pins.reserved),
        most_sensors=limits.sensors,
        most_actuators=limits.actuators,
        packet_bytes=limits.packet_bytes,
    )


def zone(found: queries.Zone) -> ZoneView:
    """Show a zone."""
    return ZoneView(**(msgspec.structs.asdict(found) | {"master": found.master or None}))


def _generation(found: queries.Device) -> Generation:
    return "head" if found.generation == "head" else "dec"


def health(found: queries.Health) -> HealthView:
    """Show a heartbeat."""
    return HealthView(**(msgspec.structs.asdict(found) | {"at": instant(found.at)}))


def reading(found: queries.Reading) -> ReadingView:
    """Show a reading."""
    return ReadingView(
        reading_id=str(found.reading_id),
        measured_at=instant(found.measured_at),
        time_source=found.time_source,
        device_at=instant(found.device_ts * 1_000_000) if found.device_ts else None,
        received_at=instant(found.received_at),
        stored_at=instant(found.stored_at),
        raw=found.raw,
        value=found.value,
        unit=found.unit,
        quality=found.quality,
        zone_id=found.zone_id,
        subzone_id=found.subzone_id,
        pending=found.pending,
        flags=[flag for flag in found.flags.split(",") if flag],
    )


def sensor(found: queries.Sensor) -> SensorView:
    """Show a sensor."""
    fields = msgspec.structs.asdict(found)
    fields |= {"sensor_id": str(found.sensor_id), "latest": reading(found.latest) if found.latest else None}
    return SensorView(**fields)


def history(found: queries.History) -> HistoryView:
    """Show a span."""
    return HistoryView(
        sensor_id=str(found.sensor_id),
        unit=found.unit,
        resolution=found.resolution,
        readings=[reading(one) for one in found.readings],
        rollups=[_rollup(one) for one in found.rollups],
        gaps=[GapView(start=instant(gap.start), end=instant(gap.end)) for gap in found.gaps],
        next_cursor=found.next_cursor,
    )


def _rollup(found: queries.Rollup) -> RollupView:
    # Field by field: a day of minutes is 1,440 of them, and unpacking dictionaries takes three times as long
    return RollupView(
        start=instant(found.start),
        count=found.count,
        errors=found.errors,
        minimum=found.minimum,
        maximum=found.maximum,
        mean=found.mean,
        last=found.last,
    )
