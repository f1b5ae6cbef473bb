"""How often a sensor should speak, when it has been silent too long, and where its history has gaps. Pure."""

from collections.abc import Sequence
from typing import Final

from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.equipment import Equipment
from kaiser.contracts.queries import Gap

DEC_EVERY_S: Final = 5
"""Fixed in the firmware, whatever is configured (wire contract, section 4.1)."""
HEAD_EVERY_S: Final = 30
"""Unless a configuration says otherwise (section 4.1)."""
MISSED: Final = 3
"""Readings that may be missing: one may be lost on its way, and one be late."""
SLACK_US: Final = 5_000_000


def interval_s(wanted: Equipment | None, generation: Generation, gpio: int, address: str) -> int | None:
    """Seconds between two readings of a sensor; None for one that does not measure by itself.

    Args:
        wanted: What is to hang on the device; None where nobody said.
        generation: Its firmware.
        gpio: Pin of the sensor.
        address: On its bus; empty for none.
    """
    if generation == "dec":
        return DEC_EVERY_S
    on_pin = [sensor for sensor in (wanted.sensors if wanted else ()) if sensor.gpio == gpio]
    told = [s for s in on_pin if address in (s.onewire_address, str(s.i2c_address or ""))] or on_pin
    if not told:
        return HEAD_EVERY_S
    return min((sensor.interval_s for sensor in told if sensor.operating_mode == "continuous"), default=None)


def stale_after_us(every_s: int) -> int:
    """How long a sensor may say nothing, microseconds."""
    return (MISSED * every_s + every_s // 2) * 1_000_000 + SLACK_US


def gaps(points: Sequence[int], start: int, end: int, longest: int, width: int = 0) -> list[Gap]:
    """Spans of a history in which there is nothing.

    Args:
        points: Times of readings or starts of buckets, ascending, unix microseconds.
        start: Of the span.
        end: Of the span; a time to come has no gap.
        longest: What may lie between two points without being a gap.
        width: Of a bucket; 0 for readings.
    """
    found: list[Gap] = []
    reached = start
    for point in points:
        if point - reached > longest:
            found.append(Gap(start=reached, end=point))
        reached = max(reached, point + width)
    if end - reached > longest:
        found.append(Gap(start=reached, end=end))
    return found
