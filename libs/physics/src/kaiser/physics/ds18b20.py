"""DS18B20: temperature over OneWire.

Maxim, "DS18B20 Programmable Resolution 1-Wire Digital Thermometer", 19-7487: sixteenths of a degree in 16 bits of two's
complement (figure 4, table 1); 85 °C is the register at power-on; ±0.5 °C from -10 to 85 °C, which is where the grade
``good`` comes from, ±2 °C to the ends of -55 to 125 °C.
"""

from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics.calibration import Linear
from kaiser.physics.digital import correction, corrections
from kaiser.physics.family import CELSIUS, Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import OUT_OF_RANGE, SENSOR_FAULT, Conversion, Range, Value

VALID: Final[Range] = (-55.0, 125.0)

FAULT: Final = -2032
"""-127 °C: the library's answer when nothing answers it (wire contract, section 8.2)."""
POWER_ON: Final = 1360
"""85 °C: the register before the first conversion; a real 85 °C cannot be told from it."""


class DS18B20Parameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as firmware sends it, or °C from a device that converts.
        offset: °C, added where there is no calibration.
        unit: Of the values.
    """

    input: Literal["count", "physical"] = "count"
    offset: Annotated[float, msgspec.Meta(ge=-45, le=45)] = 0.0
    unit: Literal["°C", "°F", "K"] = "°C"


def convert(parameters: DS18B20Parameters, found: Linear | None) -> Conversion:
    """Sixteenths of a degree to °C (wire contract, section 8.2).

    The unsigned wrap of ``dec`` devices is undone by the bridge, and here for whoever comes without it. Doubt follows
    the count, for that is what chip and library agreed upon; the grade follows the corrected value.
    """
    line = correction(parameters, found)
    slope, offset = line.slope, line.offset
    wraps = parameters.input == "count"
    steps = 1 if wraps else 16

    def convert(raw: float, _temperature: float | None) -> Value:
        count = raw * steps
        if count > 32_767 and wraps:
            if count > 2**31:
                count -= 2**32
            elif count <= 65_535:
                count -= 65_536
        if count == FAULT:
            return SENSOR_FAULT
        if not -880 <= count <= 2000:  # -55 to 125 °C
            return OUT_OF_RANGE
        value = count / 16 * slope + offset
        if not -55 <= value <= 125:
            return OUT_OF_RANGE
        if count == POWER_ON:
            return value, "suspect", "power_on_value"
        return value, "good" if -10 <= value <= 85 else "fair", ""

    return convert


DS18B20: Final = Family(
    name="ds18b20",
    types=("ds18b20", "temperature_ds18b20"),
    quantity="temperature",
    unit="°C",
    valid=VALID,
    parameters=DS18B20Parameters,
    coefficients=Linear,
    convert=convert,
    signal=lambda parameters: convert(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(VALID),
    units=CELSIUS,
)
