"""SHT31: temperature and relative humidity over I2C.

Sensirion, "Datasheet SHT3x-DIS", section 4.13: 16 bits over -45 to 130 °C and 0 to 100 %RH. The sensor itself is
specified for -40 to 125 °C. Both ends of the scale are suspect: 0xFFFF is what a bus reads on which nobody answers, and
the ``dec`` driver, which reads without the measure command, sends whatever is there (wire contract, section 8.1).
"""

from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics.calibration import Linear
from kaiser.physics.digital import Bands, correction, corrections, measure
from kaiser.physics.family import CELSIUS, Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import Conversion, Range, above

TEMPERATURES: Final[Range] = (-40.0, 125.0)
HUMIDITIES: Final[Range] = (0.0, 100.0)
COUNTS: Final[Range] = (0.0, 65_535.0)

HUMIDITY_BANDS: Final = Bands([5, 20, above(80), above(95)], ["poor", "fair", "good", "fair", "poor"])
"""Grades of wire contract, section 8.3; also of other sensors of humidity: all are poor near both ends."""
_TEMPERATURE_BANDS: Final = Bands([0, above(65)], ["fair", "good", "fair"])


class TemperatureParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as firmware sends it, or °C from a device that converts.
        offset: °C, added where there is no calibration.
        unit: Of the values.
    """

    input: Literal["count", "physical"] = "count"
    offset: Annotated[float, msgspec.Meta(ge=-40, le=40)] = 0.0
    unit: Literal["°C", "°F", "K"] = "°C"


class HumidityParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as firmware sends it, or %RH from a device that converts.
        offset: %RH, added where there is no calibration.
    """

    input: Literal["count", "physical"] = "count"
    offset: Annotated[float, msgspec.Meta(ge=-25, le=25)] = 0.0


def temperature(parameters: TemperatureParameters, found: Linear | None) -> Conversion:
    """T = -45 + 175 · raw / 65535 °C."""
    line = correction(parameters, found)
    if parameters.input == "physical":
        return measure(TEMPERATURES, TEMPERATURES, _TEMPERATURE_BANDS, corrected=line)
    over = (175.0, 65_535.0, -45.0)
    return measure(COUNTS, TEMPERATURES, _TEMPERATURE_BANDS, over=over, corrected=line, rails=True)


def humidity(parameters: HumidityParameters, found: Linear | None) -> Conversion:
    """RH = 100 · raw / 65535 %. What a correction leads beyond 0 or 100 % is cut: there is no air wetter than wet."""
    line = correction(parameters, found)
    if parameters.input == "physical":
        return measure(HUMIDITIES, HUMIDITIES, HUMIDITY_BANDS, corrected=line, clamped=True)
    over = (100.0, 65_535.0, 0.0)
    return measure(COUNTS, HUMIDITIES, HUMIDITY_BANDS, over=over, corrected=line, clamped=True, rails=True)


SHT31_TEMP: Final = Family(
    name="sht31_temp",
    types=("sht31_temp", "temperature_sht31", "sht31"),
    quantity="temperature",
    unit="°C",
    valid=TEMPERATURES,
    parameters=TemperatureParameters,
    coefficients=Linear,
    convert=temperature,
    signal=lambda parameters: temperature(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(TEMPERATURES),
    units=CELSIUS,
)

SHT31_HUMIDITY: Final = Family(
    name="sht31_humidity",
    types=("sht31_humidity", "humidity_sht31"),
    quantity="relative humidity",
    unit="%RH",
    valid=HUMIDITIES,
    parameters=HumidityParameters,
    coefficients=Linear,
    convert=humidity,
    signal=lambda parameters: humidity(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(HUMIDITIES),
)
