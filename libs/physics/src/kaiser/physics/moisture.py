"""Soil moisture of a capacitive or resistive probe, on an ADC channel, as a share of the way from dry to wet.

Not a volumetric water content: that would take a curve of the very soil (Topp et al., Water Resources Research 16, 574,
1980). Defaults are those of the wire contract (section 8.3) for capacitive probes, whose count falls with water. Ground
that is drier than the dry reference has 0 %, and wetter than wet is 100 %; both have the grade ``poor``, and say so.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from kaiser.physics import adc, calibration
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import DryWet, Sample
from kaiser.physics.digital import Bands, measure
from kaiser.physics.errors import CalibrationError
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import Conversion, Range, above

VALID: Final[Range] = (0.0, 100.0)

_BANDS: Final = Bands([10, 20, above(80), above(95)], ["poor", "fair", "good", "fair", "poor"])

LEAST_SPAN: Final = 0.02
"""Of the scale of the converter, between dry and wet; less is noise. Some 80 of 4095 counts."""

Count = Annotated[float, msgspec.Meta(ge=0, le=65_535)]


class MoistureParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        dry_value: Count in dry soil or air.
        wet_value: Count in wet soil or water.
        invert: The two change places; for resistive probes with the defaults. A calibration knows by itself.
        converter: What counts.
    """

    dry_value: Count = 3200.0
    wet_value: Count = 1500.0
    invert: bool = False
    converter: Converter = "12bit_3v3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dry_value == self.wet_value:
            raise ValueError("`dry_value` and `wet_value` must differ")


def convert(parameters: MoistureParameters, found: DryWet | None) -> Conversion:
    """Share in %."""
    dry, wet = parameters.dry_value, parameters.wet_value
    if parameters.invert:
        dry, wet = wet, dry
    if found is not None:
        dry, wet = found.dry, found.wet
    top, _ = adc.scale(parameters.converter)
    return measure((0, top), VALID, _BANDS, zero=dry, over=(100.0, wet - dry, 0.0), clamped=True, rails=True)


def counts(parameters: MoistureParameters) -> Conversion:
    """Counts as they are; a rail is suspect."""
    top, _ = adc.scale(parameters.converter)
    return measure((0, top), (0, top), Bands([], ["good"]), rails=True)


def by_dry_and_wet(parameters: MoistureParameters, samples: Sequence[Sample]) -> DryWet:
    """Dry (0 %) and wet (100 %), or points between.

    Raises:
        CalibrationError: Also ``span_small``.
    """
    found = calibration.dry_wet(samples)
    top, _ = adc.scale(parameters.converter)
    if abs(found.wet - found.dry) < LEAST_SPAN * top:
        words = "Dry and wet are nearly the same count; is the probe in the soil, and connected?"
        raise CalibrationError("span_small", words)
    return found


MOISTURE: Final = Family(
    name="moisture",
    types=("moisture", "soil_moisture"),
    quantity="soil moisture",
    unit="%",
    valid=VALID,
    parameters=MoistureParameters,
    coefficients=DryWet,
    convert=convert,
    signal=counts,
    fits={"dry_wet": by_dry_and_wet},
)
