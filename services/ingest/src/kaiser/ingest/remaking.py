"""Values made anew from stored counts, as they would have come had the sensor been read in another way. Pure.

What the count does not say stays: the grade that a device gave itself, and the flags of the bridge and of the clock.
"""

import bisect
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kaiser.contracts.events.calibration import SensorKey
from kaiser.ingest.converting import ASSUMED, DEVICE_GRADE, DOUBTED, TEMPERATURE_US, finish, joined
from kaiser.ingest.projections import Context
from kaiser.ingest.setups import Reader, celsius
from kaiser.physics.family import CELSIUS

OF_CONVERSION: Final = frozenset(
    {
        "out_of_range", "not_convertible", "sensor_fault", "saturated", "power_on_value", "clamped",
        "temperature_ignored", "conversion_failed", "calibration_unusable", ASSUMED, DEVICE_GRADE,
    }
)  # fmt: skip
OF_CLOCK: Final = frozenset({"late", "clock_unset", "clock_skewed", "clock_implausible"})


class Stored(msgspec.Struct, frozen=True):
    """A reading as it is stored; columns of ``recompute_rows.sql``."""

    measured_at: int
    reading_id: int
    raw: float
    value: float | None
    zone_id: str
    subzone_id: str
    unit: str
    quality: str
    time_source: str
    pending: bool
    flags: str

    @property
    def context(self) -> Context:
        """What it shares with others."""
        return (
            self.zone_id, self.subzone_id, self.unit, self.quality, self.time_source, self.pending, self.flags,
        )  # fmt: skip


class Warmth:
    """What a compensating sensor showed.

    Args:
        known: Times in unix microseconds, rising, values and their units.
    """

    def __init__(self, known: Sequence[tuple[int, float, str]]) -> None:
        warm = [(at, found) for at, value, unit in known if (found := celsius(value, unit, CELSIUS)) is not None]
        self._times = [at for at, _ in warm]
        self._values = [value for _, value in warm]

    def at(self, moment: int) -> float | None:
        """The last temperature before a moment, else the first one after it, if within ten minutes, °C."""
        i = bisect.bisect_right(self._times, moment)
        for place in (i - 1, i):
            if 0 <= place < len(self._times) and abs(self._times[place] - moment) <= TEMPERATURE_US:
                return self._values[place]
        return None


def remade(stored: Stored, reader: Reader, warmth: Mapping[SensorKey, Warmth]) -> Stored:
    """A reading as it is read by ``reader``; the same one where nothing changes.

    Args:
        stored: As it is.
        reader: How to read it.
        warmth: What compensating sensors showed.
    """
    flags = stored.flags.split(",") if stored.flags else []
    if stored.quality == "error" and OF_CONVERSION.isdisjoint(flags):
        return stored  # the device or the bridge said so, whatever the count
    source = reader.compensate_from
    temperature = warmth[source].at(stored.measured_at) if source is not None else None
    own = DEVICE_GRADE in flags or (reader.convert is None and stored.quality not in DOUBTED)
    value, quality, doubt = finish(reader.convert, stored.raw, stored.quality if own else "unknown", temperature)
    if source is not None and temperature is None and value is not None:
        doubt = joined(doubt, ASSUMED)
    kept = [flag for flag in flags if flag not in OF_CONVERSION]
    before = [flag for flag in kept if flag not in OF_CLOCK]
    dated = [flag for flag in kept if flag in OF_CLOCK]
    return msgspec.structs.replace(
        stored, value=value, unit=reader.unit, quality=quality, flags=joined(*before, doubt, *dated)
    )
