"""pH electrode behind an amplifier, on an ADC channel.

An electrode's voltage is linear in pH with the slope of Nernst, -2.303 · R · T / F = -59.16 mV a pH at 25 °C, which
grows with absolute temperature and turns about pH 7 (IUPAC Recommendations 2002, Pure Appl. Chem. 74, 2169; Galster,
"pH Measurement", 1991). The amplifier multiplies it and moves it, and may turn it round:

    V = neutral_v + volts_per_ph · (T / 298.15 K) · (pH - 7)

The wire contract (section 8.3) calibrates pH = slope · V + offset, and adds (T - 25) · 0.003 · (7 - pH) afterwards.
That term is Nernst's, linearised about 25 °C with 0.003 for 1/298 K. Here the slope itself turns, which is exact, and
lets each buffer of a calibration have its own temperature. Both agree within 0.04 pH from 5 to 45 °C and pH 4 to 10.
"""

from collections.abc import Sequence
from math import fsum
from typing import Annotated, Final

import msgspec

from kaiser.physics import adc, calibration
from kaiser.physics.adc import Converter
from kaiser.physics.calibration import ISOPOTENTIAL, KELVIN_25, Electrode, Sample
from kaiser.physics.errors import CalibrationError
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import LIQUID, OUT_OF_RANGE, SATURATED, TEMPERATURE_IGNORED, Conversion, Range, Value

VALID: Final[Range] = (0.0, 14.0)

NERNST_V: Final = 0.05916
"""Volts a pH of an ideal electrode at 25 °C, without an amplifier."""

UNCALIBRATED_VOLTS_PER_PH: Final = -1 / 3.5
"""Upstream's 7 - 3.5 · (V - 1.5), turned round; kept for sensors that nobody has calibrated (section 8.3). It is no
board's: DFRobot's first had 3.5, rising, and its second, around 1.5 V, has -0.177 V a pH. Hence the grade ``poor``."""

LEAST_SHARE: Final = 0.7
"""Of the ideal slope. Makers call one worn out below 85 to 90 %; below 70 % it is dead, or a buffer was wrong."""
MOST_SHARE: Final = 1.3
"""Nothing beats Nernst; what is this much steeper is another amplifier than the parameters say."""
STEEPEST_V: Final = 1.65
"""Volts a pH at which the 3.3 V of the converter would hold two pH, when the amplifier is not known."""


class PhParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        neutral_v: Voltage at pH 7 of a sensor without calibration.
        volts_per_ph: Slope of electrode and amplifier at 25 °C, as the board's maker has it; negative where the voltage
            falls as the pH rises. None if unknown: upstream's is taken, and a calibration cannot be held against it.
        temperature_compensation: Whether temperatures that come with readings are used.
        temperature_c: Assumed where none comes.
        converter: What counts.
    """

    neutral_v: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.5
    volts_per_ph: Annotated[float, msgspec.Meta(ge=-5, le=5)] | None = None
    temperature_compensation: bool = True
    temperature_c: Annotated[float, msgspec.Meta(ge=0, le=100)] = 25.0
    converter: Converter = "12bit_3v3"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.volts_per_ph is not None and abs(self.volts_per_ph) < LEAST_SHARE * NERNST_V:
            raise ValueError(f"`volts_per_ph` must be {LEAST_SHARE * NERNST_V:.3f} V at least, up or down")


def convert(parameters: PhParameters, found: Electrode | None) -> Conversion:
    """Count to pH, with Nernst's slope at the temperature that comes with it."""
    top, full = adc.scale(parameters.converter)
    per_ph = parameters.volts_per_ph or UNCALIBRATED_VOLTS_PER_PH
    electrode = found or Electrode(per_ph, parameters.neutral_v)
    per_count = full / top / electrode.volts_per_ph * KELVIN_25
    at_zero = -electrode.neutral_v / electrode.volts_per_ph * KELVIN_25
    assumed = parameters.temperature_c + 273.15
    compensated, calibrated = parameters.temperature_compensation, found is not None
    coldest, hottest = LIQUID

    def convert(raw: float, temperature: float | None) -> Value:
        if not 0 <= raw <= top:
            return OUT_OF_RANGE
        kelvin, flag = assumed, ""
        if temperature is not None and compensated:
            if coldest <= temperature <= hottest:
                kelvin = temperature + 273.15
            else:
                flag = TEMPERATURE_IGNORED
        value = 7 + (raw * per_count + at_zero) / kelvin
        if not 0 <= value <= 14:
            return OUT_OF_RANGE
        if raw == 0 or raw == top:  # noqa: PLR1714 - no tuple for every reading
            return value, "suspect", SATURATED
        if calibrated:
            return value, "good" if 3 <= value <= 11 else "fair", flag
        return value, "fair" if 4 <= value <= 10 else "poor", flag

    return convert


def by_buffers(parameters: PhParameters, samples: Sequence[Sample]) -> Electrode:
    """Two buffers or three, each with its pH at its own temperature.

    Raises:
        CalibrationError: Also ``slope_sign``, ``slope_weak`` (below 70 % of the ideal) or ``slope_steep``.
    """
    known = samples if parameters.temperature_compensation else calibration.at_one_temperature(samples)
    return _sound(calibration.electrode(known, parameters.temperature_c), parameters.volts_per_ph)


def by_one_buffer(parameters: PhParameters, samples: Sequence[Sample]) -> Electrode:
    """One buffer moves the neutral point; the slope stays that of the parameters.

    Raises:
        CalibrationError: ``slope_unknown`` if there is none.
    """
    calibration.enough(samples, 1)
    if (per_ph := parameters.volts_per_ph) is None:
        words = "One buffer tells nothing of the slope; take two, or set `volts_per_ph` of the board."
        raise CalibrationError("slope_unknown", words)
    known = samples if parameters.temperature_compensation else calibration.at_one_temperature(samples)
    neutral = [
        s.signal - per_ph * calibration.warmth(s, parameters.temperature_c) * (s.reference - ISOPOTENTIAL)
        for s in known
    ]
    return Electrode(per_ph, fsum(neutral) / len(neutral))


def share(found: Electrode, parameters: PhParameters) -> float | None:
    """Slope over that of a new electrode on this board, 1.0 when new; None if the board is not known."""
    return None if parameters.volts_per_ph is None else found.volts_per_ph / parameters.volts_per_ph


def _sound(found: Electrode, ideal: float | None) -> Electrode:
    """Refuse what no electrode does. Of an unknown board only so much is known, that it does not weaken the signal."""
    if ideal is not None and found.volts_per_ph * ideal < 0:
        words = (
            "The voltage goes the wrong way; have the buffers changed places, or is the sign of `volts_per_ph` wrong?"
        )
        raise CalibrationError("slope_sign", words)
    slope = abs(found.volts_per_ph)
    least, most = (
        (NERNST_V * LEAST_SHARE, STEEPEST_V) if ideal is None else (abs(ideal) * LEAST_SHARE, abs(ideal) * MOST_SHARE)
    )
    if slope < least:
        words = (
            f"{slope:.3f} V a pH is below 70 % of the ideal slope; clean or replace the electrode, use fresh buffers."
        )
        raise CalibrationError("slope_weak", words)
    if slope > most:
        words = (
            f"{slope:.3f} V a pH is more than any electrode gives; check the buffers, and `volts_per_ph` of the board."
        )
        raise CalibrationError("slope_steep", words)
    return found


PH: Final = Family(
    name="ph",
    types=("ph", "ph_sensor"),
    quantity="pH",
    unit="pH",
    valid=VALID,
    parameters=PhParameters,
    coefficients=Electrode,
    convert=convert,
    signal=lambda parameters: adc.volts(parameters.converter),
    fits={"ph": by_buffers, "offset": by_one_buffer},
)
