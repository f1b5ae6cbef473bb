"""How a sensor is read, and since when: its parameters and its calibration at each moment. Pure.

What was decided last counts from the moment that it was decided for, whatever was decided before for later ones.
"""

import bisect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts.events.calibration import FoundCalibration, SensorKey
from kaiser.physics import RAW, AnyFamily, Calibration, Conversion, Families, Parameters, PhysicsError, Value

UNUSABLE: Final[Value] = (None, "error", "calibration_unusable")
"""Of a sensor whose family is not what it was: a plug-in is gone, or reads other parameters than it did."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a sensor is read from some moment on.

    Attributes:
        valid_from: That moment, unix microseconds; 0 for ever.
        family: Family of a sensor whose type nobody knows; empty for that of the type.
        parameters: Those that differ from the family's defaults.
        compensate_from: Sensor of the same device whose temperature compensates this one.
        calibration: What a calibration found; None for none.
        session_id: Of that calibration.
    """

    valid_from: int = 0
    family: str = ""
    parameters: dict[str, Any] = {}
    compensate_from: SensorKey | None = None
    calibration: FoundCalibration | None = None
    session_id: str = ""


Setups = tuple[Setup, ...]
"""Of one sensor, each later than the one before."""

AS_IT_COMES: Final = Setup()


class Reader(msgspec.Struct, frozen=True):
    """What is made of a setup.

    Attributes:
        since: Measured times from then on, unix microseconds.
        unit: Of the values.
        convert: None where nobody knows more than the count.
        compensate_from: Sensor whose temperature goes into ``convert``.
        source: Id of that sensor; 0 for none.
    """

    since: int
    unit: str
    convert: Conversion | None
    compensate_from: SensorKey | None = None
    source: int = 0


def after(setups: Setups, setup: Setup) -> Setups:
    """The setups with one more, which takes the place of those that are valid from later on."""
    return (*(before for before in setups if before.valid_from < setup.valid_from), setup)


def at(setups: Setups, moment: int) -> Setup:
    """The setup that is in force at a moment, unix microseconds."""
    found = bisect.bisect_right(setups, moment, key=lambda setup: setup.valid_from)
    return setups[found - 1] if found else AS_IT_COMES


def family_of(known: Families, sensor_type: str, name: str) -> AnyFamily:
    """The family of a sensor: that of its type, or the named one for a type that nobody knows."""
    by_type = known.of(sensor_type)
    return (known.named(name) or RAW) if name and by_type is RAW else by_type


def readers(known: Families, sensor_type: str, setups: Sequence[Setup]) -> list[Reader]:
    """How to read a sensor at each time, oldest first; the first one has no beginning."""
    first = setups[0].valid_from if setups else 1
    given = (AS_IT_COMES, *setups) if first > 0 else setups
    return [reader(known, sensor_type, setup) for setup in given]


def reader_at(readers: Sequence[Reader], moment: int) -> Reader:
    """How a sensor was read at a moment; readers are oldest first."""
    return next((reader for reader in reversed(readers) if moment >= reader.since), readers[0])


def reader(known: Families, sensor_type: str, setup: Setup) -> Reader:
    """How to read a sensor by a setup; what cannot be made any more makes errors of all readings."""
    family = family_of(known, sensor_type, setup.family)
    if family is RAW:
        return Reader(setup.valid_from, family.unit_of(), None)
    try:
        parameters: Parameters = family.parse(setup.parameters)
        convert = family.make(parameters, _calibration(family, setup.calibration))
        unit = family.unit_of(parameters)
    except (PhysicsError, msgspec.ValidationError):
        return Reader(setup.valid_from, family.unit_of(), lambda _raw, _temperature: UNUSABLE)
    return Reader(setup.valid_from, unit, convert, setup.compensate_from)


def celsius(value: float, unit: str, units: Mapping[str, tuple[float, float]]) -> float | None:
    """A temperature in °C; None for a unit that is none of temperature.

    Args:
        value: In ``unit``.
        unit: Its unit.
        units: Factor and addend that lead from °C to a unit.
    """
    scale = units.get(unit)
    return None if scale is None else (value - scale[1]) / scale[0]


def _calibration(family: AnyFamily, found: FoundCalibration | None) -> Calibration | None:
    if found is None:
        return None
    coefficients = msgspec.convert(found.coefficients, family.coefficients)
    return Calibration(found.family, found.kind, coefficients, tuple(found.residuals), found.rms)
