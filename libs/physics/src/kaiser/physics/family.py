"""A sensor family: everything that is known of one kind of sensor."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from kaiser.physics.calibration import Calibration, Coefficients, Kind, Point, Sample, rms
from kaiser.physics.errors import CalibrationError
from kaiser.physics.parameters import Parameters, parse
from kaiser.physics.values import Conversion, Range, Value

P = TypeVar("P", bound=Parameters)
C = TypeVar("C", bound=Coefficients)

Scale = tuple[float, float]
"""Factor and addend that lead from the base unit to another."""

CELSIUS: Mapping[str, Scale] = {"°C": (1.0, 0.0), "°F": (1.8, 32.0), "K": (1.0, 273.15)}
"""Units of temperature, base °C."""


class Family(msgspec.Struct, Generic[P, C], frozen=True, kw_only=True):
    """One kind of sensor. All of its arithmetic is in the base unit; another unit is put on at the end.

    Attributes:
        name: Of the family, unique.
        types: Sensor types that devices publish or configurations use, lower case, each of one family only.
        quantity: What is measured.
        unit: Base unit.
        valid: Range of values in the base unit; None where parameters say it.
        parameters: Their type; all fields have defaults.
        coefficients: What a calibration of this family holds.
        convert: Makes the conversion to the base unit, everything computed beforehand.
        signal: Makes the conversion to what fits take: volts, uncorrected degrees.
        fits: Ways of calibration.
        units: Other units that the parameter ``unit`` may name, with the base unit. If empty and there is such a
            parameter, it is a mere label.
    """

    name: str
    types: tuple[str, ...]
    quantity: str
    unit: str
    valid: Range | None
    parameters: type[P]
    coefficients: type[C]
    convert: Callable[[P, C | None], Conversion]
    signal: Callable[[P], Conversion]
    fits: Mapping[Kind, Callable[[P, Sequence[Sample]], C]]
    units: Mapping[str, Scale] = {}

    def parse(self, given: Mapping[str, object] | None = None) -> P:
        """Read parameters as decoded from JSON.

        Raises:
            ParameterError: With the path of what is wrong.
        """
        return parse(self.parameters, given)

    def unit_of(self, parameters: P | None = None) -> str:
        """Unit of the values with these parameters."""
        return str(getattr(parameters, "unit", self.unit))

    def make(self, parameters: P | None = None, calibration: Calibration | None = None) -> Conversion:
        """A conversion with everything computed beforehand.

        Args:
            parameters: None for the defaults.
            calibration: Of this family; takes the place of parameters such as ``offset``.

        Raises:
            CalibrationError: ``other_family``.
        """
        chosen = self.parse() if parameters is None else parameters
        return self._in_unit(chosen, self.convert(chosen, None if calibration is None else self._own(calibration)))

    def calibrate(self, kind: Kind, points: Sequence[Point], parameters: P | None = None) -> Calibration:
        """Fit points.

        Args:
            kind: One of ``fits``.
            points: Raw counts, and references in the unit of the sensor.
            parameters: Those that the sensor has; None for the defaults.

        Raises:
            CalibrationError: If no calibration can come of it.
        """
        chosen = self.parse() if parameters is None else parameters
        if (fit := self.fits.get(kind)) is None:
            ways = ", ".join(self.fits) or "none"
            raise CalibrationError("kind_unsupported", f"{self.name} is not calibrated by {kind}, but by: {ways}.")
        factor, addend = self.units.get(self.unit_of(chosen), (1.0, 0.0))
        signal = self.signal(chosen)
        found = fit(chosen, [self._sample(p, signal, factor, addend) for p in points])
        convert = self._in_unit(chosen, self.convert(chosen, found))
        residuals = tuple(_residual(convert(p.raw, p.temperature_c)[0], p) for p in points)
        return Calibration(self.name, kind, found, residuals, rms(residuals))

    def _own(self, calibration: Calibration) -> C:
        """The coefficients, if they are this family's."""
        coefficients = calibration.coefficients
        if calibration.family != self.name or not isinstance(coefficients, self.coefficients):
            raise CalibrationError(
                "other_family", f"A calibration of {calibration.family} cannot be used for a {self.name} sensor."
            )
        return coefficients

    def _in_unit(self, parameters: P, convert: Conversion) -> Conversion:
        """The conversion to the unit that the parameters ask for."""
        factor, addend = self.units.get(self.unit_of(parameters), (1.0, 0.0))
        if (factor, addend) == (1.0, 0.0):
            return convert

        def scaled(raw: float, temperature: float | None) -> Value:
            value, quality, flag = convert(raw, temperature)
            return None if value is None else value * factor + addend, quality, flag

        return scaled

    def _sample(self, point: Point, signal: Conversion, factor: float, addend: float) -> Sample:
        """A point in the terms of the family, if it can be used."""
        if not (math.isfinite(point.raw) and math.isfinite(point.reference)):
            raise CalibrationError("point_not_finite", "Raw value and reference must be finite numbers.")
        reference = (point.reference - addend) / factor
        if self.valid is not None and not self.valid[0] <= reference <= self.valid[1]:
            raise CalibrationError("reference_out_of_range", f"A {self.name} sensor never shows {point.reference:g}.")
        number, quality, flag = signal(point.raw, point.temperature_c)
        if number is None or quality == "suspect":
            raise CalibrationError("raw_unusable", f"The raw value {point.raw:g} cannot be calibrated: {flag}.")
        return Sample(number, reference, point.temperature_c)


def _residual(value: float | None, point: Point) -> float:
    """How far off a point still is."""
    if value is None:
        raise CalibrationError(
            "outcome_out_of_range", f"With these points the raw value {point.raw:g} would be out of range."
        )
    return value - point.reference
