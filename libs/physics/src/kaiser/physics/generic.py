"""Sensors of which only a curve is known: a line, or a table; and those of which nothing is.

Lines are what most transmitters put out (0 to 10 V, 4 to 20 mA over a resistor; IEC 60381-1 and -2). Tables are read
with straight lines between their points, as data sheets of thermistors and float sensors have them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics import adc, calibration
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import Linear, Sample, Table
from kaiser.physics.digital import Bands, measure
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters, UnitText
from kaiser.physics.values import CLAMPED, OUT_OF_RANGE, SATURATED, Conversion, Range, Value

MOST: Final = 1e12
"""Beyond it, either way, no count and no value of ours is; 32 bits fit a thousand times."""

_EVERYTHING: Final[Range] = (-MOST, MOST)
_ALL_GOOD: Final = Bands([], ["good"])
_UNKNOWN: Final = Bands([], ["unknown"])

Number = Annotated[float, msgspec.Meta(ge=-MOST, le=MOST)]


class LinearParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as it comes, or ``volts`` of an ADC channel, with suspect rails.
        slope: Of the line without calibration.
        offset: Of the line without calibration.
        minimum: Lowest value that there can be.
        maximum: Highest value that there can be.
        unit: Label.
        converter: What counts, for ``volts``.
    """

    input: Literal["count", "volts"] = "count"
    slope: Number = 1.0
    offset: Number = 0.0
    minimum: Number = -MOST
    maximum: Number = MOST
    unit: UnitText = "raw"
    converter: Converter = "12bit_3v3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slope == 0:
            raise ValueError("`slope` must not be 0")
        if not self.minimum < self.maximum:
            raise ValueError("`minimum` must be less than `maximum`")


class TableParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as it comes, or ``volts`` of an ADC channel, with suspect rails.
        points: Inputs, rising, each with its value.
        beyond: What is before the first point and after the last: an ``error``, or their values, ``clamped``.
        unit: Label.
        converter: What counts, for ``volts``.
    """

    input: Literal["count", "volts"] = "count"
    points: Annotated[tuple[tuple[Number, Number], ...], msgspec.Meta(min_length=2, max_length=1024)] = (
        (0.0, 0.0),
        (4095.0, 4095.0),
    )
    beyond: Literal["error", "clamp"] = "error"
    unit: UnitText = "raw"
    converter: Converter = "12bit_3v3"

    def __post_init__(self) -> None:
        super().__post_init__()
        Table(self.points)  # of one rule


class RawParameters(Parameters, frozen=True, kw_only=True):
    """None: nothing is known."""


def linear(parameters: LinearParameters, found: Linear | None) -> Conversion:
    """``slope`` · input + ``offset``."""
    line = found or Linear(parameters.slope, parameters.offset)
    valid = (parameters.minimum, parameters.maximum)
    if parameters.input == "count":
        return measure(_EVERYTHING, valid, _ALL_GOOD, corrected=line)
    top, full = adc.scale(parameters.converter)
    return measure((0, top), valid, _ALL_GOOD, over=(full, top, 0.0), corrected=line, rails=True)


def table(parameters: TableParameters, found: Table | None) -> Conversion:
    """Straight lines between the points."""
    points = parameters.points if found is None else found.points
    starts, values = [x for x, _ in points][:-1], [y for _, y in points]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    (first, at_first), (last, at_last) = points[0], points[-1]
    clamps, volts = parameters.beyond == "clamp", parameters.input == "volts"
    top, full = adc.scale(parameters.converter)
    low, high = (0.0, float(top)) if volts else _EVERYTHING
    ends = (low, high) if volts else ()
    factor = full / top if volts else 1.0

    def convert(raw: float, _temperature: float | None) -> Value:
        if not low <= raw <= high:
            return OUT_OF_RANGE
        x = raw * factor
        if not first <= x <= last:
            return (at_first if x < first else at_last, "poor", CLAMPED) if clamps else OUT_OF_RANGE
        piece = bisect_right(starts, x) - 1
        value = values[piece] + (x - starts[piece]) * slopes[piece]
        return (value, "suspect", SATURATED) if raw in ends else (value, "good", "")

    return convert


def signal(parameters: LinearParameters | TableParameters) -> Conversion:
    """Counts or volts, as the parameters say."""
    if parameters.input == "volts":
        return adc.volts(parameters.converter)
    return measure(_EVERYTHING, _EVERYTHING, _ALL_GOOD)


def raw(_parameters: RawParameters, _found: Linear | None) -> Conversion:
    """The count itself. Whether it is any good, nobody can tell."""
    return measure(_EVERYTHING, _EVERYTHING, _UNKNOWN)


def by_one_point(parameters: LinearParameters, samples: Sequence[Sample]) -> Linear:
    """An offset to the slope that the parameters have."""
    return calibration.offset(samples, parameters.slope)


LINEAR: Final = Family(
    name="linear",
    types=("linear", "generic_linear"),
    quantity="any",
    unit="raw",
    valid=None,
    parameters=LinearParameters,
    coefficients=Linear,
    convert=linear,
    signal=signal,
    fits={
        "offset": by_one_point,
        "gain": lambda _, samples: calibration.gain(samples),
        "linear": lambda _, samples: calibration.linear(samples),
    },
)

TABLE: Final = Family(
    name="table",
    types=("table", "generic_table"),
    quantity="any",
    unit="raw",
    valid=None,
    parameters=TableParameters,
    coefficients=Table,
    convert=table,
    signal=signal,
    fits={"table": lambda _, samples: calibration.table(samples)},
)

RAW: Final = Family(
    name="raw",
    types=("raw",),
    quantity="any",
    unit="raw",
    valid=None,
    parameters=RawParameters,
    coefficients=Linear,
    convert=raw,
    signal=lambda parameters: raw(parameters, None),
    fits={},
)
