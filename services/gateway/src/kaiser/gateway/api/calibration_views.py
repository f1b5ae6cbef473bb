"""What the REST API shows of parameters and calibrations of sensors."""

from datetime import datetime
from typing import Any

import msgspec

from kaiser.contracts import queries
from kaiser.contracts.events.calibration import FoundCalibration, SensorKey
from kaiser.gateway.api.views import instant


class CalibrationDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order.

    Attributes:
        seq: Sequence of the last event about the sensors of the device.
        changed: Whether anything had to happen.
        session_id: Calibration that it was about.
        points: Points that it has by now.
        calibration: Coefficients in the terms of the sensor's family, residuals and their root mean square.
        recompute_id: Of the order to recompute, which goes on after the answer.
    """

    esp_id: str
    sensor: SensorKey
    seq: int
    changed: bool
    session_id: str | None
    points: int | None
    calibration: FoundCalibration | None
    recompute_id: str | None


class PointView(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a calibration."""

    raw: float
    reference: float
    temperature_c: float | None
    reading_id: str | None
    at: datetime


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One calibration, from its start to its end."""

    session_id: str
    state: str
    kind: str
    family: str
    parameters: dict[str, Any]
    by: str
    started_at: datetime
    ended_at: datetime | None
    reason: str
    points: list[PointView]
    valid_from: datetime | None
    calibration: FoundCalibration | None


class RecomputeView(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """An order to make values anew; ``finished_at`` is null while it is at work."""

    recompute_id: str
    start: datetime
    end: datetime
    calibration: str
    by: str
    ordered_at: datetime
    finished_at: datetime | None
    rows: int
    changed: int


class CalibrationView(msgspec.Struct, frozen=True, kw_only=True):
    """How a sensor is read and calibrated.

    Attributes:
        in_force: Session whose calibration is in force now.
        sessions: All of them, oldest first; the last hundred.
        recomputes: Orders to make values anew, oldest first; the last hundred.
    """

    esp_id: str
    sensor: SensorKey
    family: str
    unit: str
    parameters: dict[str, Any]
    compensate_from: SensorKey | None
    in_force: SessionView | None
    sessions: list[SessionView]
    recomputes: list[RecomputeView]
    seq: int


def session(given: queries.CalibrationSession) -> SessionView:
    """A calibration as it is shown."""
    fields = msgspec.structs.asdict(given)
    for name in ("started_at", "ended_at", "valid_from"):
        fields[name] = instant(fields[name]) if fields[name] else None
    fields["points"] = [
        PointView(
            raw=point.raw,
            reference=point.reference,
            temperature_c=point.temperature_c,
            reading_id=None if point.reading_id is None else str(point.reading_id),
            at=instant(point.at),
        )
        for point in given.points
    ]
    return SessionView(**fields)


def recompute(each: queries.Recompute) -> RecomputeView:
    """An order to recompute as it is shown."""
    fields = msgspec.structs.asdict(each)
    for name in ("start", "end", "ordered_at", "finished_at"):
        fields[name] = instant(fields[name]) if fields[name] else None
    return RecomputeView(**fields)
