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
from kaiser.ingest.window import Window

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
    raw: RawReadings, origin: str, sensors: Mapping[Facet, Sensor], standings: Mapping[str, Standing], window: Window
) -> Converted:
    """Finish a batch. The same batch again becomes the same again, as long as the clocks are judged alike.

    Args:
        raw: As the bridge took it.
        origin: Id of its event.
        sensors: Sensors by facet; makes those it does not have.
        standings: Devices by id; one that is not there is a stranger.
        window: Server-dated readings of the last minutes; takes in those of this batch.
    """
    found = [sensors[facet] for facet in zip(raw.esp_id, raw.gpio, raw.sensor_type, raw.address, strict=True)]
    known = [standings.get(esp_id, STRANGER) for esp_id in raw.esp_id]
    value: list[float | None] = []
    quality: list[str] = []
    measured_at: list[int] = []
    time_source: list[TimeSource] = []
    flags: list[str] = []
    own: set[int] = set()
    repeated: list[int] = []
    columns = zip(
        raw.reading_id, found, known, raw.raw, raw.quality, raw.device_ts, raw.received_at, raw.flags, strict=True
    )
    for i, (reading_id, sensor, device, count, grade, device_ts, received_at, flag) in enumerate(columns):
        number, graded, doubt = _finish(sensor, count, grade)
        at, source, dated = date(device_ts, received_at, clock_wrong=device.clock_wrong)
        if source == "server":
            if reading_id in own or not window.take(reading_id, received_at, origin):
                repeated.append(i)
            own.add(reading_id)
        value.append(number)
        quality.append(graded)
        measured_at.append(at)
        time_source.append(source)
        flags.append(",".join(filter(None, (flag, doubt, dated))) if doubt or dated else flag)
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
        unit=[sensor.unit for sensor in found],
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


def _finish(sensor: Sensor, count: float, grade: str) -> tuple[float | None, str, str]:
    """Value, quality and flag of one count."""
    if grade == "error":
        return None, grade, ""
    if sensor.convert is None:
        return count, grade, ""
    try:
        number, graded, doubt = sensor.convert(count, None)
    except Exception:  # noqa: BLE001  # whatever a plug-in raises, the count is kept
        return None, "error", "conversion_failed"
    return number, grade if grade in DOUBTED and number is not None else graded, doubt


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
