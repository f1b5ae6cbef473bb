"""Illuminance, in lux when it comes, or as the voltage of a phototransistor.

The wire contract (section 8.3) takes the raw number for lux, as a BH1750 gives it (Rohm, "BH1750FVI"). An analog
sensor sends ADC counts (section 8.1, "anything else"): the default is a TEMT6000 with 10 kOhm, 50 µA at 100 lux
(Vishay, document 81579), so 200 lux a volt. Less than no light, which an offset can make, is none.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics import adc, calibration
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import Linear, Sample
from kaiser.physics.digital import Bands, correction, corrections, measure
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters, Positive
from kaiser.physics.values import Conversion, Range

VALID: Final[Range] = (0.0, 100_000.0)

_BANDS: Final = Bands([50, 200, 1000], ["poor", "fair", "good", "excellent"])

_GAINS: Final[Range] = (0.01, 100.0)
"""Windows, diffusers and shades take or spread far more than a sensor's tolerance."""


class LightParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``physical`` (lux) or ``adc`` (counts).
        offset: Lux, added where there is no calibration.
        lux_per_volt: Of an analog sensor.
        converter: What counts.
    """

    input: Literal["physical", "adc"] = "physical"
    offset: Annotated[float, msgspec.Meta(ge=-25_000, le=25_000)] = 0.0
    lux_per_volt: Positive = 200.0
    converter: Converter = "12bit_3v3"


def convert(parameters: LightParameters, found: Linear | None) -> Conversion:
    """Illuminance in lux."""
    line = correction(parameters, found)
    if parameters.input == "physical":
        return measure(VALID, VALID, _BANDS, corrected=line, clamped=True)
    top, full = adc.scale(parameters.converter)
    over = (full * parameters.lux_per_volt, top, 0.0)
    return measure((0, top), VALID, _BANDS, over=over, corrected=line, clamped=True, rails=True)


def by_one_meter(_parameters: LightParameters, samples: Sequence[Sample]) -> Linear:
    """A factor, from one comparison or more with a lux meter."""
    return calibration.within(calibration.gain(samples), _GAINS)


LIGHT: Final = Family(
    name="light",
    types=("light", "light_sensor"),
    quantity="illuminance",
    unit="lux",
    valid=VALID,
    parameters=LightParameters,
    coefficients=Linear,
    convert=convert,
    signal=lambda parameters: convert(msgspec.structs.replace(parameters, offset=0.0), None),
    fits={"gain": by_one_meter, **corrections(VALID)},
)
