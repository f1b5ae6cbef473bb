"""Electrical conductivity of water (EC), on an ADC channel, referred to 25 °C.

    EC(T) = slope · V + offset        EC(25) = EC(T) / (1 + alpha · (T - 25 °C))

ISO 7888:1985 refers conductivity to 25 °C. Its table for natural waters is not linear; 2 % a degree is the usual
straight line through it, and that of nutrient solutions, which its table does not cover (KCl standards have 1.9 to
2.0 %). Slope stands for cell constant and amplifier together. The contract's 6060 µS/cm a volt spreads 20,000 µS/cm
over 3.3 V (wire contract, section 8.3). As ppm it is half the µS/cm (the "500 scale", NaCl).
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics import adc, calibration
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import Linear, Sample
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import (
    CLAMPED,
    LIQUID,
    OUT_OF_RANGE,
    SATURATED,
    TEMPERATURE_IGNORED,
    Conversion,
    Range,
    Value,
)

VALID: Final[Range] = (0.0, 20_000.0)

SLOPES: Final[Range] = (0.05, 20.0)
"""Of the slope assumed without calibration: cells are made with constants from 0.1 to 10 a cm."""
MOST_OFFSET: Final = 2000.0
"""µS/cm, a tenth of the range."""


class EcParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        slope: µS/cm a volt without calibration.
        offset: µS/cm without calibration.
        alpha: Share by which conductivity grows with each °C.
        temperature_compensation: Whether temperatures that come with readings are used.
        temperature_c: Assumed where none comes.
        converter: What counts.
        unit: Of the values.
    """

    slope: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 6060.0
    offset: Annotated[float, msgspec.Meta(ge=-2000, le=2000)] = 0.0
    alpha: Annotated[float, msgspec.Meta(ge=0, le=0.03)] = 0.02
    temperature_compensation: bool = True
    temperature_c: Annotated[float, msgspec.Meta(ge=0, le=100)] = 25.0
    converter: Converter = "12bit_3v3"
    unit: Literal["µS/cm", "mS/cm", "ppm"] = "µS/cm"


def convert(parameters: EcParameters, found: Linear | None) -> Conversion:
    """Conductivity at 25 °C. Less than none, which an offset can make of a dry probe, is none."""
    top, full = adc.scale(parameters.converter)
    line = found or Linear(parameters.slope, parameters.offset)
    per_count, offset = line.slope * full / top, line.offset
    alpha, ceiling = parameters.alpha, VALID[1]
    assumed = 1 + alpha * (parameters.temperature_c - 25)
    compensated, ordinary, extreme = parameters.temperature_compensation, "good", "fair"
    if found is None:
        ordinary, extreme = "fair", "poor"
    coldest, hottest = LIQUID

    def convert(raw: float, temperature: float | None) -> Value:
        if not 0 <= raw <= top:
            return OUT_OF_RANGE
        growth, flag = assumed, ""
        if temperature is not None and compensated:
            if coldest <= temperature <= hottest:
                growth = 1 + alpha * (temperature - 25)
            else:
                flag = TEMPERATURE_IGNORED
        value = (raw * per_count + offset) / growth
        if value < 0:
            value, flag = 0.0, CLAMPED
        elif value > ceiling:
            return OUT_OF_RANGE
        if raw == 0 or raw == top:  # noqa: PLR1714 - no tuple for every reading
            return value, "suspect", SATURATED
        return value, ordinary if 100 <= value <= 15_000 else extreme, flag

    return convert


def by_one_standard(parameters: EcParameters, samples: Sequence[Sample]) -> Linear:
    """The factor k: a line through zero and one standard, labelled at 25 °C, measured at its own temperature."""
    return _sound(parameters, calibration.gain(_at_their_temperature(parameters, samples)))


def by_standards(parameters: EcParameters, samples: Sequence[Sample]) -> Linear:
    """Factor and offset: a line through two standards or more."""
    return _sound(parameters, calibration.linear(_at_their_temperature(parameters, samples)))


def _at_their_temperature(parameters: EcParameters, samples: Sequence[Sample]) -> list[Sample]:
    """Standards say what they have at 25 °C; the sensor saw what they have as they are."""
    known = samples if parameters.temperature_compensation else calibration.at_one_temperature(samples)
    grown = []
    for sample in known:
        growth = 1 + parameters.alpha * (calibration.celsius(sample, parameters.temperature_c) - 25)
        grown.append(Sample(sample.signal, sample.reference * growth, None))
    return grown


def _sound(parameters: EcParameters, line: Linear) -> Linear:
    """Refuse a line that no cell has."""
    low, high = SLOPES
    return calibration.within(line, (low * parameters.slope, high * parameters.slope), MOST_OFFSET)


EC: Final = Family(
    name="ec",
    types=("ec", "ec_sensor"),
    quantity="electrical conductivity at 25 °C",
    unit="µS/cm",
    valid=VALID,
    parameters=EcParameters,
    coefficients=Linear,
    convert=convert,
    signal=lambda parameters: adc.volts(parameters.converter),
    fits={"gain": by_one_standard, "linear": by_standards},
    units={"µS/cm": (1.0, 0.0), "mS/cm": (0.001, 0.0), "ppm": (0.5, 0.0)},
)
