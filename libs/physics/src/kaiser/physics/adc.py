"""Analog channels: counts to volts.

The ESP32's converter: 12 bits over 3.3 V as the wire contract has it (section 8.2). The chip itself is neither linear
near its ends nor alike from one to the next (Espressif, "ESP32 ADC calibration"), which calibration takes up.
"""

from typing import Final, Literal

from kaiser.physics.values import OUT_OF_RANGE, SATURATED, Conversion, Value

Converter = Literal["12bit_3v3", "16bit_5v"]

_SCALES: Final[dict[Converter, tuple[int, float]]] = {"12bit_3v3": (4095, 3.3), "16bit_5v": (65_535, 5.0)}


def scale(converter: Converter) -> tuple[int, float]:
    """Highest count of a converter, and the volts that it stands for."""
    return _SCALES[converter]


def volts(converter: Converter) -> Conversion:
    """Counts to volts; the ends of the scale are suspect, and beyond them is nothing."""
    top, full = scale(converter)

    def convert(raw: float, _temperature: float | None) -> Value:
        if not 0 <= raw <= top:
            return OUT_OF_RANGE
        return (raw * full / top, "suspect", SATURATED) if raw in (0, top) else (raw * full / top, "good", "")

    return convert
