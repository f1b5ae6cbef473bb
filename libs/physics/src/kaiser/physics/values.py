"""What comes out of a conversion, in the words of the whole system."""

import math
from collections.abc import Callable
from typing import Final, Literal

Quality = Literal["excellent", "good", "fair", "poor", "bad", "error", "stale", "suspect", "unknown"]
"""Grades of a reading (wire contract, section 8.3). ``stale`` is never given here: it takes a clock."""

Value = tuple[float | None, str, str]
"""Physical value, quality, flag (mostly empty). No value and quality ``error`` are the same thing; 0.0 is a value."""

Conversion = Callable[[float, float | None], Value]
"""Raw count and temperature of compensation in °C, where one is known, to a value. Pure, and never raises."""

Range = tuple[float, float]
"""Lowest and highest, both included."""

OUT_OF_RANGE: Final[Value] = (None, "error", "out_of_range")
"""Nothing that the sensor can measure; nan and infinities come here too."""

NOT_CONVERTIBLE: Final[Value] = (None, "error", "not_convertible")
"""What is sent cannot become a value in anybody's hands."""

SENSOR_FAULT: Final[Value] = (None, "error", "sensor_fault")
"""The driver's own sign that nothing answered."""

SATURATED: Final = "saturated"
"""At the end of the converter's scale: what is there may be anything beyond it. Suspect."""

CLAMPED: Final = "clamped"
"""A calibrated value just beyond what there is, such as 101 %RH, was taken for the end."""

TEMPERATURE_IGNORED: Final = "temperature_ignored"
"""The temperature of compensation is none that water has, so the assumed one was taken."""

LIQUID: Final[Range] = (-5.0, 105.0)
"""°C in which pH and conductivity are compensated: brine to boiling water. A DS18B20's -127 is none of them."""


def above(limit: float) -> float:
    """The next number: makes a limit belong to the band below it, for :func:`bisect.bisect_right` puts it above."""
    return math.nextafter(limit, math.inf)
