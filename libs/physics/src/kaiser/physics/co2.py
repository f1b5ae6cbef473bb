"""Carbon dioxide, in ppm when it comes, or as the voltage of a transmitter.

The wire contract (section 8.3) takes the raw number for ppm. Firmware that reads such a sensor with its ADC (section
8.1, "anything else") sends counts instead, so those have an input of their own. Its defaults are those of DFRobot's
SEN0219 (0.4 to 2 V for 0 to 5000 ppm), which is warming up, or broken, well below 0.4 V. The grades are the contract's;
they judge the air and not the sensor, for 400 ppm is less than outdoors today.
"""

from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics import adc
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import Linear
from kaiser.physics.digital import Bands, correction, corrections, measure
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters, Positive
from kaiser.physics.values import Conversion, Range

VALID: Final[Range] = (0.0, 10_000.0)

_BANDS: Final = Bands([400, 1000, 1500, 2000], ["excellent", "good", "fair", "poor", "bad"])


class Co2Parameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``physical`` (ppm) or ``adc`` (counts).
        offset: ppm, added where there is no calibration.
        zero_v: Voltage at 0 ppm.
        ppm_per_volt: From there on.
        converter: What counts.
    """

    input: Literal["physical", "adc"] = "physical"
    offset: Annotated[float, msgspec.Meta(ge=-2500, le=2500)] = 0.0
    zero_v: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.4
    ppm_per_volt: Positive = 3125.0
    converter: Converter = "12bit_3v3"


def convert(parameters: Co2Parameters, found: Linear | None) -> Conversion:
    """Concentration in ppm."""
    line = correction(parameters, found)
    if parameters.input == "physical":
        return measure(VALID, VALID, _BANDS, corrected=line)
    top, full = adc.scale(parameters.converter)
    over = (full * parameters.ppm_per_volt, top, -parameters.zero_v * parameters.ppm_per_volt)
    return measure((0, top), VALID, _BANDS, over=over, corrected=line, rails=True)


CO2: Final = Family(
    name="co2",
    types=("co2", "co2_sensor"),
    quantity="carbon dioxide",
    unit="ppm",
    valid=VALID,
    parameters=Co2Parameters,
    coefficients=Linear,
    convert=convert,
    signal=lambda parameters: convert(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(VALID),
)
