"""Flow of a turbine with a Hall sensor.

A YF-S201's data sheet: frequency in Hz = 7.5 · flow in L/min, so 450 pulses a litre, ±10 %. As the wire contract has
it (section 8.3), the count is pulses of a time window, a frequency in Hz, or the flow itself. Its grades are the
contract's: a turbine is at its best in the middle of its range, and no flow is a sound reading.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from kaiser.physics import calibration
from kaiser.physics.calibration import Linear, Sample
from kaiser.physics.digital import SLOPES, Bands, measure
from kaiser.physics.family import Family
from kaiser.physics.parameters import Parameters
from kaiser.physics.values import Conversion, Range, above

VALID: Final[Range] = (0.0, 100.0)
COUNTS: Final[Range] = (0.0, 2.0**32)

_BANDS: Final = Bands([above(0.0), 0.1, 1, 10, 20], ["good", "fair", "good", "excellent", "good", "fair"])


class FlowParameters(Parameters, frozen=True, kw_only=True):
    """Parameters.

    Attributes:
        input: What the count is: ``pulses`` of a window, ``frequency`` in Hz, or ``flow_rate`` in L/min.
        pulses_per_litre: Upstream's ``calibration_factor``.
        time_window_s: In which pulses are counted.
    """

    input: Literal["pulses", "frequency", "flow_rate"] = "pulses"
    pulses_per_litre: Annotated[float, msgspec.Meta(ge=0.001, le=1e9)] = 450.0
    time_window_s: Annotated[float, msgspec.Meta(ge=0.001, le=86_400)] = 1.0


def convert(parameters: FlowParameters, found: Linear | None) -> Conversion:
    """Flow in L/min."""
    over = (60.0, parameters.pulses_per_litre, 0.0)
    if parameters.input == "pulses":
        over = (60.0, parameters.pulses_per_litre * parameters.time_window_s, 0.0)
    elif parameters.input == "flow_rate":
        over = (1.0, 1.0, 0.0)
    return measure(COUNTS, VALID, _BANDS, over=over, corrected=found)


def by_volume(_parameters: FlowParameters, samples: Sequence[Sample]) -> Linear:
    """A factor, from one known flow or more; no pulses are no flow, so there is no offset."""
    return calibration.within(calibration.gain(samples), SLOPES)


FLOW: Final = Family(
    name="flow",
    types=("flow", "flow_sensor"),
    quantity="flow",
    unit="L/min",
    valid=VALID,
    parameters=FlowParameters,
    coefficients=Linear,
    convert=convert,
    signal=lambda parameters: convert(parameters, None),
    fits={"gain": by_volume},
)
