"""Sensors that send what they measure, or a count that is linear in it: one shape for all of them."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from kaiser.physics import calibration
from kaiser.physics.calibration import Kind, Linear, Sample
from kaiser.physics.errors import CalibrationError
from kaiser.physics.values import CLAMPED, OUT_OF_RANGE, SATURATED, Conversion, Range, Value

SLOPES: Range = (0.5, 2.0)
"""A sensor that measures half or double of what is there is broken, not out of calibration."""

OFFSET_SHARE = 0.25
"""Of the valid range; a reference farther off is a broken sensor or a slip of the pen."""


class Offset(Protocol):
    """Parameters with an offset in the base unit."""

    @property
    def offset(self) -> float:
        """Added to every value that has no calibration."""


class Bands:
    """Grades by value: ``grades[i]`` up to ``limits[i]``, which belongs to the next band."""

    def __init__(self, limits: Sequence[float], grades: Sequence[str]) -> None:
        self.limits = list(limits)
        self.grades = list(grades)


def correction(parameters: Offset, found: Linear | None) -> Linear:
    """The calibration, or the offset of the parameters where there is none."""
    return Linear(1.0, parameters.offset) if found is None else found


def measure(
    counts: Range,
    valid: Range,
    bands: Bands,
    *,
    zero: float = 0.0,
    over: tuple[float, float, float] = (1.0, 1.0, 0.0),
    corrected: Linear | None = None,
    clamped: bool = False,
    rails: bool = False,
) -> Conversion:
    """Conversion of a linear sensor.

    Args:
        counts: Raw range that the sensor can send.
        valid: Range of values.
        bands: Grades.
        zero: Count taken off first.
        over: Factor, divisor and addend: (raw - zero) · factor / divisor + addend is the uncorrected value. A divisor
            apart keeps values exact that have an exact decimal, and so the limits of bands.
        corrected: Put on it.
        clamped: Beyond the valid range is its end (relative humidity, brightness) and not an error.
        rails: The ends of ``counts`` are suspect.
    """
    low, high = counts
    floor, ceiling = valid
    ends = counts if rails else ()
    limits, grades = bands.limits, bands.grades
    factor, divisor, addend = over
    line = corrected or Linear()
    slope, offset = line.slope, line.offset

    def convert(raw: float, _temperature: float | None) -> Value:
        if not low <= raw <= high:
            return OUT_OF_RANGE
        value = ((raw - zero) * factor / divisor + addend) * slope + offset
        if not floor <= value <= ceiling:
            if not clamped:
                return OUT_OF_RANGE
            value = floor if value < floor else ceiling
            return (
                (value, "suspect", SATURATED) if raw in ends else (value, grades[bisect_right(limits, value)], CLAMPED)
            )
        if raw in ends:
            return value, "suspect", SATURATED
        return value, grades[bisect_right(limits, value)], ""

    return convert


def corrections(valid: Range) -> Mapping[Kind, Callable[[object, Sequence[Sample]], Linear]]:
    """One-point and n-point calibration of a sensor that is nearly right."""
    most = OFFSET_SHARE * (valid[1] - valid[0])

    def offset(_parameters: object, samples: Sequence[Sample]) -> Linear:
        return calibration.offset(_near(samples, most))

    def linear(_parameters: object, samples: Sequence[Sample]) -> Linear:
        return calibration.within(calibration.linear(_near(samples, most)), SLOPES)

    return {"offset": offset, "linear": linear}


def _near(samples: Sequence[Sample], most: float) -> Sequence[Sample]:
    """Refuse points that are too far off. Judged where they are: the offset of a line is that of a far-off zero."""
    for sample in samples:
        if abs(sample.reference - sample.signal) > most:
            words = f"{sample.signal:.4g} is more than {most:.4g} from its reference {sample.reference:.4g}"
            raise CalibrationError("offset_absurd", f"{words}; is the sensor sound?")
    return samples
