"""What may be asked about the sensors of a device: the commands of that aggregate, and what they say."""

from typing import Any

import msgspec

from kaiser.contracts.events.calibration import CalibrationKind, SensorKey


class SensorIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What every command says; ``kaiser_id`` is what the device talks under."""

    kaiser_id: str
    esp_id: str
    at: int
    by: str
    correlation_id: str = ""
    sensor: SensorKey


class SetParameters(SensorIntent, frozen=True, kw_only=True):
    """Read a sensor with these parameters."""

    family: str = ""
    parameters: dict[str, Any]
    compensate_from: SensorKey | None = None


class Start(SensorIntent, frozen=True, kw_only=True):
    """Begin to calibrate."""

    session_id: str
    kind: CalibrationKind


class TakePoint(SensorIntent, frozen=True, kw_only=True):
    """Take a point; fields as in ``CalibrationPointTaken``."""

    raw: float
    reference: float
    temperature_c: float | None = None
    reading_id: int | None = None


class Finish(SensorIntent, frozen=True, kw_only=True):
    """Fit the points; None for valid from now on."""

    valid_from: int | None = None


class Abandon(SensorIntent, frozen=True, kw_only=True):
    """Let the open calibration come to nothing."""

    reason: str = ""


class OrderRecompute(SensorIntent, frozen=True, kw_only=True):
    """Make values of a span anew; fields as in ``RecomputeOrdered``."""

    recompute_id: str
    start: int
    end: int
    calibration: str


class SettleRecompute(SensorIntent, frozen=True, kw_only=True):
    """Note that it is done; fields as in ``RecomputeFinished``."""

    recompute_id: str
    rows: int
    changed: int


Command = SetParameters | Start | TakePoint | Finish | Abandon | OrderRecompute | SettleRecompute
