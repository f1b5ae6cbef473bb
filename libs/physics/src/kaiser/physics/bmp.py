"""BMP280 and BME280: air pressure, temperature and (BME280) humidity.

Bosch Sensortec, "BMP280 Digital Pressure Sensor", BST-BMP280-DS001, section 3.11.3, and "BME280 Combined humidity and
pressure sensor", BST-BME280-DS002, section 4.2.3: a count becomes a value only with the twelve (with humidity eighteen)
trimming numbers of that very chip. The firmware sends the bare count without them (wire contract, section
8.1), so nobody can convert it, and this says so instead of inventing a number. Devices that compensate by themselves
set ``input`` to ``physical``. To sea level by the international barometric formula, p0 = p / (1 - h / 44330)^5.255
(Bosch Sensortec, "BMP180 Digital pressure sensor", BST-BMP180-DS000, sections 3.6 and 3.7).
"""

from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics.calibration import Linear
from kaiser.physics.digital import Bands, correction, corrections, measure
from kaiser.physics.family import CELSIUS, Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.sht31 import HUMIDITY_BANDS
from kaiser.physics.values import NOT_CONVERTIBLE, Conversion, Range, Value, above

PRESSURES: Final[Range] = (300.0, 1100.0)
TEMPERATURES: Final[Range] = (-40.0, 85.0)
HUMIDITIES: Final[Range] = (0.0, 100.0)

_PRESSURE_BANDS: Final = Bands([950, above(1050)], ["fair", "good", "fair"])
_TEMPERATURE_BANDS: Final = Bands([-20], ["fair", "good"])

_PASCALS: Final = {"hPa": 1.0, "Pa": 100.0}


class PressureParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as firmware sends it, not convertible, or ``physical`` from a device that compensates.
        input_unit: Unit of the physical input.
        offset: hPa, added where there is no calibration.
        altitude_m: Height of the sensor above the sea; not 0 makes the value that of sea level.
        unit: Of the values.
    """

    input: Literal["count", "physical"] = "count"
    input_unit: Literal["hPa", "Pa"] = "hPa"
    offset: Annotated[float, msgspec.Meta(ge=-200, le=200)] = 0.0
    altitude_m: Annotated[float, msgspec.Meta(ge=-500, le=9000)] = 0.0
    unit: Literal["hPa", "Pa", "mmHg", "inHg"] = "hPa"


class TemperatureParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count`` as firmware sends it, not convertible, or °C from a device that compensates.
        offset: °C, added where there is no calibration.
        unit: Of the values.
    """

    input: Literal["count", "physical"] = "count"
    offset: Annotated[float, msgspec.Meta(ge=-30, le=30)] = 0.0
    unit: Literal["°C", "°F", "K"] = "°C"


class HumidityParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: ``count``, not convertible, or %RH from a device that compensates.
        offset: %RH, added where there is no calibration.
    """

    input: Literal["count", "physical"] = "count"
    offset: Annotated[float, msgspec.Meta(ge=-25, le=25)] = 0.0


def refuse(_raw: float, _temperature: float | None) -> Value:
    """What becomes of every count without its trimming numbers."""
    return NOT_CONVERTIBLE


def pressure(parameters: PressureParameters, found: Linear | None) -> Conversion:
    """Pressure, at sea level if the altitude is known. References of a calibration are then of sea level, too."""
    if parameters.input == "count":
        return refuse
    per_hpa = _PASCALS[parameters.input_unit]
    reduction = (1 - parameters.altitude_m / 44_330) ** 5.255
    counts = (PRESSURES[0] * per_hpa, PRESSURES[1] * per_hpa)
    over = (1.0, per_hpa * reduction, 0.0)
    return measure(counts, PRESSURES, _PRESSURE_BANDS, over=over, corrected=correction(parameters, found))


def temperature(parameters: TemperatureParameters, found: Linear | None) -> Conversion:
    """Temperature of the chip, which its own warmth and its board's lift above that of the air."""
    if parameters.input == "count":
        return refuse
    return measure(TEMPERATURES, TEMPERATURES, _TEMPERATURE_BANDS, corrected=correction(parameters, found))


def humidity(parameters: HumidityParameters, found: Linear | None) -> Conversion:
    """Relative humidity of a BME280 (Bosch, BST-BME280-DS002)."""
    if parameters.input == "count":
        return refuse
    line = correction(parameters, found)
    return measure(HUMIDITIES, HUMIDITIES, HUMIDITY_BANDS, corrected=line, clamped=True)


BMP280_PRESSURE: Final = Family(
    name="bmp280_pressure",
    types=("bmp280_pressure", "pressure_bmp280", "bmp280", "bme280_pressure", "pressure_bme280", "bme280"),
    quantity="air pressure",
    unit="hPa",
    valid=PRESSURES,
    parameters=PressureParameters,
    coefficients=Linear,
    convert=pressure,
    signal=lambda parameters: pressure(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(PRESSURES),
    # Conventional millimetre and inch of mercury, NIST Special Publication 811, appendix B.8.
    units={"hPa": (1.0, 0.0), "Pa": (100.0, 0.0), "mmHg": (1 / 1.333224, 0.0), "inHg": (1 / 33.86389, 0.0)},
)

BMP280_TEMP: Final = Family(
    name="bmp280_temp",
    types=("bmp280_temp", "temperature_bmp280", "bme280_temp", "temperature_bme280"),
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

BME280_HUMIDITY: Final = Family(
    name="bme280_humidity",
    types=("bme280_humidity", "humidity_bme280"),
    quantity="relative humidity",
    unit="%RH",
    valid=HUMIDITIES,
    parameters=HumidityParameters,
    coefficients=Linear,
    convert=humidity,
    signal=lambda parameters: humidity(msgspec.structs.replace(parameters, offset=0.0), None),
    fits=corrections(HUMIDITIES),
)
