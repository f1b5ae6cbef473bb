"""Raw readings to finished readings: converted, graded, dated, each exactly once. Pure but for the window it is given.

Columns that do not change pass through as they are. What is left costs about 1.5 µs a reading.
"""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Final

import msgspec

from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.ingest.clocks import TimeSource, date
from kaiser.ingest.sensors import Facet, Sensor
from kaiser.ingest.setups import Reader
from kaiser.ingest.window import Window
from kaiser.physics import Conversion

TEMPERATURE_US: Final = 600_000_000
"""A temperature measured at most this long before or after a reading compensates it."""
ASSUMED: Final = "temperature_assumed"
"""Flag of a value that should have been compensated, and had no temperature but the one that its family assumes."""
DEVICE_GRADE: Final = "device_grade"
"""Flag of a value that has the grade of its device, so that it stays when the value is made anew."""

Temperatures = dict[int, tuple[int, float]]
"""When the sensors that others are compensated by were last right (unix microseconds), and what they showed, °C."""

DOUBTED: Final = frozenset({"poor", "bad", "suspect", "error"})
"""Grades of the device that stand: it saw what no count shows. Its praise does not, for it never converted anything."""


class Standing(msgspec.Struct, frozen=True):
    """What the converter knows of a device.

    Attributes:
        pending: Not approved yet: its readings are kept and marked.
        clock_wrong: :attr:`kaiser.ingest.clocks.Clock.wrong`.
    """

    pending: bool = True
    clock_wrong: bool = False


STRANGER: Final = Standing()


class Converted(msgspec.Struct, frozen=True):
    """What became of a raw batch.

    Attributes:
        batch: Finished readings, in the order of the raw ones.
        duplicates: Readings left out, since the broker delivered them twice.
    """

    batch: Readings
    duplicates: int


def convert(
    raw: RawReadings,
    origin: str,
    sensors: Mapping[Facet, Sensor],
    standings: Mapping[str, Standing],
    window: Window,
    temperatures: Temperatures | None = None,
) -> Converted:
    """Finish a batch. The same batch again becomes the same again, as long as the clocks are judged alike.

    Args:
        raw: As the bridge took it.
        origin: Id of its event.
        sensors: Sensors by facet; makes those it does not have.
        standings: Devices by id; one that is not there is a stranger.
        window: Server-dated readings of the last minutes; takes in those of this batch.
        temperatures: Of the last minutes; takes in those of this batch. None for none.
    """
    warmth = {} if temperatures is None else temperatures
    found = [sensors[facet] for facet in zip(raw.esp_id, raw.gpio, raw.sensor_type, raw.address, strict=True)]
    known = [standings.get(esp_id, STRANGER) for esp_id in raw.esp_id]
    value: list[float | None] = []
    quality: list[str] = []
    measured_at: list[int] = []
    time_source: list[TimeSource] = []
    flags: list[str] = []
    unit = [sensor.unit for sensor in found]
    own: set[int] = set()
    repeated: list[int] = []
    columns = zip(
        raw.reading_id, found, known, raw.raw, raw.quality, raw.device_ts, raw.received_at, raw.flags, strict=True
    )
    for i, (reading_id, sensor, device, count, grade, device_ts, received_at, flag) in enumerate(columns):
        at, source, dated = date(device_ts, received_at, clock_wrong=device.clock_wrong)
        if sensor.plain:
            number, graded, doubt = finish(sensor.convert, count, grade)
        else:
            newest = sensor.readers[-1]
            reader = newest if at >= newest.since else sensor.reader(at)
            unit[i] = reader.unit
            number, graded, doubt = _in_time(sensor, reader, count, grade, at, warmth)
        if source == "server":
            if reading_id in own or not window.take(reading_id, received_at, origin):
                repeated.append(i)
            own.add(reading_id)
        value.append(number)
        quality.append(graded)
        measured_at.append(at)
        time_source.append(source)
        flags.append(joined(flag, doubt, dated) if doubt or dated else flag)
    batch = Readings(
        kaiser_id=raw.kaiser_id,
        reading_id=raw.reading_id,
        sensor_id=[sensor.sensor_id for sensor in found],
        esp_id=raw.esp_id,
        gpio=raw.gpio,
        sensor_type=raw.sensor_type,
        address=raw.address,
        raw=raw.raw,
        value=value,
        unit=unit,
        quality=quality,
        measured_at=measured_at,
        time_source=time_source,
        device_ts=raw.device_ts,
        received_at=raw.received_at,
        zone_id=raw.zone_id,
        subzone_id=raw.subzone_id,
        pending=[device.pending for device in known],
        flags=flags,
    )
    return Converted(_without(batch, repeated) if repeated else batch, len(repeated))


def _in_time(
    sensor: Sensor, reader: Reader, count: float, grade: str, at: int, warmth: Temperatures
) -> tuple[float | None, str, str]:
    """Value, quality and flags of a count of a sensor that was set up, or that others are compensated by."""
    if not reader.source:
        number, graded, doubt = finish(reader.convert, count, grade)
    elif (known := warmth.get(reader.source)) is not None and abs(at - known[0]) <= TEMPERATURE_US:
        number, graded, doubt = finish(reader.convert, count, grade, known[1])
    else:
        number, graded, doubt = finish(reader.convert, count, grade)
        doubt = doubt if number is None else joined(doubt, ASSUMED)
    if sensor.warms is not None and number is not None and graded not in DOUBTED:
        factor, addend = sensor.warms
        warmth[sensor.sensor_id] = (at, (number - addend) / factor)
    return number, graded, doubt


def finish(
    convert: Conversion | None, count: float, grade: str, celsius: float | None = None
) -> tuple[float | None, str, str]:
    """Value, quality and flags of one count.

    Args:
        convert: None where nobody knows more than the count.
        count: As the sensor gave it.
        grade: That of the device.
        celsius: Temperature of compensation, None for unknown.
    """
    if grade == "error":
        return None, grade, ""
    if convert is None:
        return count, grade, DEVICE_GRADE if grade in DOUBTED else ""
    try:
        number, graded, doubt = convert(count, celsius)
    except Exception:  # noqa: BLE001  # whatever a plug-in raises, the count is kept
        return None, "error", "conversion_failed"
    if grade in DOUBTED and number is not None:
        return number, grade, joined(doubt, DEVICE_GRADE)
    return number, graded, doubt


def joined(*flags: str) -> str:
    """Flags as one text."""
    return ",".join(filter(None, flags))


def _without(batch: Readings, rows: Sequence[int]) -> Readings:
    """The batch less some rows."""
    keep = [True] * len(batch)
    for row in rows:
        keep[row] = False
    kept = {
        name: list(compress(column, keep))
        for name in batch.__struct_fields__
        if isinstance(column := getattr(batch, name), list)
    }
    return msgspec.structs.replace(batch, **kept)
