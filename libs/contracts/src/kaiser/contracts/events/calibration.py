"""How counts of a sensor become values: its parameters, its calibrations, and history that was recomputed with them.

Subject ``device.{kaiser}.{esp}.calibration.{event}``, written by ingest: one aggregate a device, whatever kaiser id it
talks under. What parameters and coefficients mean is up to the sensor's family in :mod:`kaiser.physics`.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from kaiser.contracts.events.decision import Decision

CalibrationKind = Literal["offset", "gain", "linear", "dry_wet", "ph", "table"]
"""How it is done; which of them a sensor knows depends on its family."""

Object = dict[str, Any]
"""A JSON object that the sensor's family reads strictly."""


class SensorKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor of a device, as its readings name it."""

    gpio: Annotated[int, msgspec.Meta(ge=0, le=255)]
    sensor_type: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    address: Annotated[str, msgspec.Meta(max_length=32)] = ""


class FoundCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """What points were fitted to.

    Attributes:
        family: Name of the sensor family that it belongs to.
        kind: How it was done.
        coefficients: In the terms of the family, base unit.
        residuals: Value less reference, for each point, in the unit of the sensor.
        rms: Their root mean square.
    """

    family: str
    kind: CalibrationKind
    coefficients: Object
    residuals: list[float]
    rms: float


class SensorParametersSet(Decision, frozen=True, kw_only=True):
    """The sensor is read with these parameters from then on.

    Attributes:
        sensor: Which one.
        family: Family of a sensor whose type nobody knows; empty for that of the type.
        parameters: Those that differ from the family's defaults.
        compensate_from: Sensor of the same device whose temperature compensates this one; None for none.
        calibration_ends: Whether the calibration in force does not belong to these parameters, and ends.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.parameters_set.v1"
    EVENT: ClassVar[str] = "parameters_set"

    sensor: SensorKey
    family: str = ""
    parameters: Object
    compensate_from: SensorKey | None = None
    calibration_ends: bool = False


class CalibrationStarted(Decision, frozen=True, kw_only=True):
    """Somebody begins to calibrate a sensor.

    Attributes:
        session_id: Of this calibration.
        sensor: Which one.
        family: Name of its family.
        kind: How.
        parameters: Those that it has; they stay as they are until the end.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.calibration_started.v1"
    EVENT: ClassVar[str] = "started"

    session_id: str
    sensor: SensorKey
    family: str
    kind: CalibrationKind
    parameters: Object


class CalibrationPointTaken(Decision, frozen=True, kw_only=True):
    """The sensor was in a reference.

    Attributes:
        session_id: Calibration that the point belongs to.
        raw: Count.
        reference: What it should have shown, in the unit of the sensor.
        temperature_c: Of the medium, °C; None where it does not matter or is not known.
        reading_id: Reading that the count is of; None where somebody gave it.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.calibration_point_taken.v1"
    EVENT: ClassVar[str] = "point_taken"

    session_id: str
    raw: float
    reference: float
    temperature_c: float | None = None
    reading_id: int | None = None


class CalibrationFinished(Decision, frozen=True, kw_only=True):
    """The sensor is calibrated.

    Attributes:
        session_id: Of this calibration.
        sensor: Which one.
        family: Name of its family.
        parameters: Those that it belongs to.
        calibration: What was found.
        valid_from: Readings measured from then on are converted with it, unix microseconds.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.calibration_finished.v1"
    EVENT: ClassVar[str] = "finished"

    session_id: str
    sensor: SensorKey
    family: str
    parameters: Object
    calibration: FoundCalibration
    valid_from: int


class CalibrationAbandoned(Decision, frozen=True, kw_only=True):
    """A calibration came to nothing.

    Attributes:
        session_id: Which one.
        reason: In words.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.calibration_abandoned.v1"
    EVENT: ClassVar[str] = "abandoned"

    session_id: str
    reason: str = ""


THAT_DAY = "that_day"
"""In place of a session id: the calibration that was in force when the reading was measured."""


class RecomputeOrdered(Decision, frozen=True, kw_only=True):
    """Values of stored readings are to be made anew from their counts.

    Attributes:
        recompute_id: Of this order.
        sensor: Which one.
        start: First measured time, unix microseconds.
        end: End of the span, exclusive.
        calibration: Session of a finished calibration, or ``that_day``.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.recompute_ordered.v1"
    EVENT: ClassVar[str] = "recompute_ordered"

    recompute_id: str
    sensor: SensorKey
    start: int
    end: int
    calibration: str


class RecomputeFinished(Decision, frozen=True, kw_only=True):
    """The span was gone through; ``by`` is who ordered it.

    Attributes:
        recompute_id: Of the order.
        sensor: Which one.
        rows: Readings in the span.
        changed: Those whose value, unit, quality or flags are others now.
    """

    TYPE: ClassVar[str] = "io.kaiser.sensor.recompute_finished.v1"
    EVENT: ClassVar[str] = "recompute_finished"

    recompute_id: str
    sensor: SensorKey
    rows: int
    changed: int


CalibrationEvent = (
    SensorParametersSet
    | CalibrationStarted
    | CalibrationPointTaken
    | CalibrationFinished
    | CalibrationAbandoned
    | RecomputeOrdered
    | RecomputeFinished
)

CALIBRATION_EVENTS: tuple[type[CalibrationEvent], ...] = (
    SensorParametersSet,
    CalibrationStarted,
    CalibrationPointTaken,
    CalibrationFinished,
    CalibrationAbandoned,
    RecomputeOrdered,
    RecomputeFinished,
)
"""Every one of them."""
