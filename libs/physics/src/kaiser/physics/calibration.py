"""The mathematics of calibration: points in, coefficients out. Sessions, dates and people are elsewhere.

Points are given in counts; a family turns them into its signal (volts, uncorrected degrees, …) and fits that. All fits
are least squares with closed formulas, centred on the mean against cancellation (Press et al., Numerical Recipes,
15.2); with as many points as unknowns they pass through the points.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics.errors import CalibrationError
from kaiser.physics.values import LIQUID

Kind = Literal["offset", "gain", "linear", "dry_wet", "ph", "table"]
"""How it is done: by one reference (``offset``, ``gain``), two or more (``linear``, ``ph``, ``table``), dry and wet."""

KELVIN_25: Final = 298.15
ISOPOTENTIAL: Final = 7.0

STEP: Final = 1e-6
"""Least distance of two inputs of a table."""

_SAME: Final = 1e-9
"""Relative distance within which two numbers are one."""


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One point of a calibration.

    Attributes:
        raw: Count of the sensor.
        reference: What it should have shown, in the unit of the sensor.
        temperature_c: Temperature of the medium in °C, where it matters (pH, EC) and is known.
    """

    raw: float
    reference: float
    temperature_c: float | None = None


class Sample(msgspec.Struct, frozen=True):
    """A point as fits see it: the signal in the family's terms, the reference in its base unit."""

    signal: float
    reference: float
    temperature_c: float | None


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="linear", tag_field="shape"):
    """``slope`` · signal + ``offset``."""

    slope: float = 1.0
    offset: float = 0.0


class DryWet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="dry_wet", tag_field="shape"):
    """Counts at 0 and at 100 %."""

    dry: float
    wet: float

    def __post_init__(self) -> None:
        if self.dry == self.wet:
            raise ValueError("`dry` and `wet` must differ")


class Electrode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="electrode", tag_field="shape"):
    """A pH electrode with its amplifier.

    Attributes:
        volts_per_ph: Slope at 25 °C; negative where the voltage falls as the pH rises.
        neutral_v: Voltage at pH 7.
    """

    volts_per_ph: float
    neutral_v: float

    def __post_init__(self) -> None:
        if self.volts_per_ph == 0:
            raise ValueError("`volts_per_ph` must not be 0")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="table", tag_field="shape"):
    """Signals and their values, signals rising by a millionth at least, so that no piece is endlessly steep."""

    points: Annotated[tuple[tuple[float, float], ...], msgspec.Meta(min_length=2)]

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for point in self.points for number in point):
            raise ValueError("`points` must be finite numbers")
        if any(b[0] - a[0] < STEP for a, b in pairwise(self.points)):
            raise ValueError("inputs of `points` must rise from each to the next")


Coefficients = Linear | DryWet | Electrode | Table


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a calibration has found. When, and by whom, is the caller's to add.

    Attributes:
        family: Name of the family that it belongs to.
        kind: How it was done.
        coefficients: In the terms of the family.
        residuals: Value with the calibration less reference, for each point, in the unit of the sensor.
        rms: Their root mean square.
    """

    family: str
    kind: Kind
    coefficients: Coefficients
    residuals: tuple[float, ...]
    rms: float


def rms(residuals: Sequence[float]) -> float:
    """Root mean square; 0.0 of none."""
    return math.sqrt(math.fsum(r * r for r in residuals) / len(residuals)) if residuals else 0.0


def offset(samples: Sequence[Sample], slope: float = 1.0) -> Linear:
    """One point or more: the mean distance from the reference."""
    enough(samples, 1)
    return Linear(slope, math.fsum(s.reference - slope * s.signal for s in samples) / len(samples))


def gain(samples: Sequence[Sample]) -> Linear:
    """One point or more: a line through zero.

    Raises:
        CalibrationError: ``signal_zero`` or ``slope_zero``.
    """
    enough(samples, 1)
    squares = math.fsum(s.signal * s.signal for s in samples)
    if not squares > _SAME**2:
        raise CalibrationError("signal_zero", "The sensor shows nothing at the reference; no factor comes of that.")
    slope = math.fsum(s.signal * s.reference for s in samples) / squares
    return _sloping(Linear(slope, 0.0))


def linear(samples: Sequence[Sample]) -> Linear:
    """Two points or more: the line of least squares.

    Raises:
        CalibrationError: ``too_few_points``, ``equal_raws`` or ``slope_zero``.
    """
    enough(samples, 2)
    count = len(samples)
    mean_x = math.fsum(s.signal for s in samples) / count
    mean_y = math.fsum(s.reference for s in samples) / count
    spread = math.fsum((s.signal - mean_x) ** 2 for s in samples)
    if not spread > (_SAME * max(abs(s.signal) for s in samples)) ** 2:
        raise CalibrationError("equal_raws", "All points have the same raw value; let it settle in each reference.")
    slope = math.fsum((s.signal - mean_x) * (s.reference - mean_y) for s in samples) / spread
    return _sloping(Linear(slope, mean_y - slope * mean_x))


def table(samples: Sequence[Sample]) -> Table:
    """Two points or more: each kept as it is.

    Raises:
        CalibrationError: ``too_few_points`` or ``equal_raws``.
    """
    enough(samples, 2)
    points = sorted((s.signal, s.reference) for s in samples)
    if any(b[0] - a[0] < STEP for a, b in pairwise(points)):
        raise CalibrationError("equal_raws", "Two points have the same raw value; a table has one value for each.")
    return Table(tuple(points))


def dry_wet(samples: Sequence[Sample]) -> DryWet:
    """Two points or more, best in air (0 %) and in water (100 %): the counts at both ends, drawn out if need be.

    Raises:
        CalibrationError: As :func:`linear`.
    """
    line = linear(samples)
    return DryWet(dry=-line.offset / line.slope, wet=(100.0 - line.offset) / line.slope)


def electrode(samples: Sequence[Sample], assumed_c: float) -> Electrode:
    """Two buffers or more, each at its own temperature: slope at 25 °C and voltage at pH 7.

    The voltage is linear in (pH - 7) · T/298.15 K (Nernst), so that is what the line is drawn over.

    Args:
        samples: Volts and pH of the buffers at their temperature.
        assumed_c: Temperature of those without one, °C.

    Raises:
        CalibrationError: ``too_few_points``, ``equal_references``, ``equal_raws``.
    """
    enough(samples, 2)
    if math.isclose(min(s.reference for s in samples), max(s.reference for s in samples), abs_tol=0.5):
        raise CalibrationError("equal_references", "The buffers must be half a pH apart at least; take 4, 7 or 10.")
    if len({s.signal for s in samples}) == 1:
        raise CalibrationError("equal_raws", "All points have the same raw value; is the probe connected?")
    turned = [Sample((s.reference - ISOPOTENTIAL) * warmth(s, assumed_c), s.signal, None) for s in samples]
    line = linear(turned)
    return Electrode(volts_per_ph=line.slope, neutral_v=line.offset)


def warmth(sample: Sample, assumed_c: float) -> float:
    """Absolute temperature over that of 25 °C, by which Nernst's slope grows."""
    return (celsius(sample, assumed_c) + 273.15) / KELVIN_25


def celsius(sample: Sample, assumed_c: float) -> float:
    """Temperature of a liquid reference, °C.

    Raises:
        CalibrationError: ``temperature_absurd``.
    """
    if sample.temperature_c is None:
        return assumed_c
    if not LIQUID[0] <= sample.temperature_c <= LIQUID[1]:
        raise CalibrationError("temperature_absurd", f"{sample.temperature_c:g} °C is no temperature of a liquid.")
    return sample.temperature_c


def at_one_temperature(samples: Sequence[Sample]) -> list[Sample]:
    """The samples without their temperatures: a sensor that is not compensated is not calibrated as if it were."""
    return [Sample(s.signal, s.reference, None) for s in samples]


def within(line: Linear, slopes: tuple[float, float], most_offset: float = math.inf) -> Linear:
    """Refuse a line that no sound sensor needs.

    Args:
        line: Fitted.
        slopes: Lowest and highest slope, both of one sign.
        most_offset: Highest offset either way, in the base unit.

    Raises:
        CalibrationError: ``slope_sign``, ``slope_absurd`` or ``offset_absurd``.
    """
    low, high = slopes
    if line.slope * low < 0:
        raise CalibrationError("slope_sign", "It shows less where there is more; have two references changed places?")
    if not low <= line.slope <= high:
        raise CalibrationError(
            "slope_absurd",
            f"A slope of {line.slope:.3g} is not in {low:.3g} to {high:.3g}; are the references right?",
        )
    if not abs(line.offset) <= most_offset:
        raise CalibrationError(
            "offset_absurd", f"An offset of {line.offset:.3g} is more than {most_offset:.3g}; is the sensor sound?"
        )
    return line


def enough(samples: Sequence[Sample], least: int) -> None:
    """Refuse too few points.

    Raises:
        CalibrationError: ``too_few_points``.
    """
    if len(samples) < least:
        raise CalibrationError("too_few_points", f"{len(samples)} of at least {least} points.")


def _sloping(line: Linear) -> Linear:
    """Refuse a flat line, which would show the same for ever."""
    if not (math.isfinite(line.slope) and math.isfinite(line.offset)) or line.slope == 0:
        raise CalibrationError("slope_zero", "Different raw values have the same reference; check the references.")
    return line
