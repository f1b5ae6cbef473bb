"""DHT11 and DHT22 (AM2302): temperature and relative humidity over one wire, already physical when the driver has them.

Aosong, "Digital-output relative humidity & temperature sensor AM2302" (-40 to 80 °C, 0 to 100 %RH) and "Temperature and
humidity module DHT11" (0 to 50 °C, 20 to 90 %RH). A driver whose checksum fails sends nan, which is an error here. The
name ``dht`` alone is taken for a DHT22, the wider of both.
"""

from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics.calibration import Linear
from kaiser.physics.digital import Bands, correction, corrections, measure
from kaiser.physics.family import CELSIUS, Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.sht31 import HUMIDITY_BANDS
from kaiser.physics.values import Conversion, Range, above


class TemperatureParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        offset: °C, added where there is no calibration.
        unit: Of the values.
    """

    offset: Annotated[float, msgspec.Meta(ge=-12, le=12)] = 0.0
    unit: Literal["°C", "°F", "K"] = "°C"


class HumidityParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        offset: %RH, added where there is no calibration.
    """

    offset: Annotated[float, msgspec.Meta(ge=-17, le=17)] = 0.0


def _temperature(model: str, valid: Range, good: Range) -> Family[TemperatureParameters, Linear]:
    """Temperature of a model; good is where its accuracy is specified as typical."""
    bands = Bands([good[0], above(good[1])], ["fair", "good", "fair"])

    def convert(parameters: TemperatureParameters, found: Linear | None) -> Conversion:
        return measure(valid, valid, bands, corrected=correction(parameters, found))

    return Family(
        name=f"{model}_temp",
        types=_types(model, "temp", "temperature"),
        quantity="temperature",
        unit="°C",
        valid=valid,
        parameters=TemperatureParameters,
        coefficients=Linear,
        convert=convert,
        signal=lambda parameters: convert(msgspec.structs.replace(parameters, offset=0.0), None),
        fits=corrections(valid),
        units=CELSIUS,
    )


def _humidity(model: str, valid: Range) -> Family[HumidityParameters, Linear]:
    """Relative humidity of a model."""

    def convert(parameters: HumidityParameters, found: Linear | None) -> Conversion:
        return measure(valid, valid, HUMIDITY_BANDS, corrected=correction(parameters, found), clamped=True)

    return Family(
        name=f"{model}_humidity",
        types=_types(model, "humidity", "humidity"),
        quantity="relative humidity",
        unit="%RH",
        valid=valid,
        parameters=HumidityParameters,
        coefficients=Linear,
        convert=convert,
        signal=lambda parameters: convert(msgspec.structs.replace(parameters, offset=0.0), None),
        fits=corrections(valid),
    )


def _types(model: str, short: str, long: str) -> tuple[str, ...]:
    """Both orders of the name, as section 8.1 of the wire contract has them for others."""
    models = (model, "dht", "am2302") if model == "dht22" else (model,)
    return tuple(name for each in models for name in (f"{each}_{short}", f"{long}_{each}"))


DHT22_TEMP: Final = _temperature("dht22", (-40.0, 80.0), (0.0, 60.0))
DHT22_HUMIDITY: Final = _humidity("dht22", (0.0, 100.0))
DHT11_TEMP: Final = _temperature("dht11", (0.0, 50.0), (0.0, 50.0))
DHT11_HUMIDITY: Final = _humidity("dht11", (20.0, 90.0))
