"""Parameters and calibrations of sensors: take the count now, enter the reference, finish, get the coefficients.

Ingest decides. ``seq`` of an answer is the event's sequence. ``GET`` of the calibration is read from the log, so
it has the effect at once.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import Parameter

from kaiser.contracts import commands, queries
from kaiser.contracts.commands import CalibrationDecided, SensorOrder
from kaiser.contracts.events.calibration import THAT_DAY, CalibrationKind, SensorKey
from kaiser.eventlog import EventLog
from kaiser.gateway.api import calibration_views as views
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.sensors import instant_of, span
from kaiser.gateway.asking import ask, order

SENSOR = "/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}"
CALIBRATION = f"{SENSOR}/calibration"

Address = Annotated[str, Parameter(description="bus address as the readings have it; empty for a sensor without one")]
Why = Annotated[str, Parameter(max_length=500, description="why it came to nothing")]
Session = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class ParametersWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a sensor is to be read from now on.

    Attributes:
        parameters: All that differ from the defaults of the sensor's family.
        family: Family of a sensor whose type nobody knows, such as ``linear``; empty for that of the type.
        compensate_from: Sensor of the same device whose temperature compensates this one.
    """

    parameters: dict[str, Any]
    family: Annotated[str, msgspec.Meta(max_length=64)] = ""
    compensate_from: SensorKey | None = None


class CalibrationWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to calibrate."""

    kind: CalibrationKind


class PointWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the sensor should show now.

    Attributes:
        reference: In the unit of the sensor.
        raw: Count; without one that of the latest reading is taken, which has to be of the last minute.
        temperature_c: Of the medium, °C; without one that of the compensating sensor is taken, if there is one.
    """

    reference: float
    raw: float | None = None
    temperature_c: float | None = None


class FinishWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since when a calibration counts: ISO 8601 with offset, or unix seconds; from now on by default."""

    valid_from: str | None = None


class RecomputeWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """Which stored values are to be made anew from their counts.

    Attributes:
        start: ISO 8601 with offset, or unix seconds.
        end: The same, exclusive; now by default.
        calibration: ``that_day`` for what was in force at each measured time, or the id of a finished session.
    """

    start: str
    end: str | None = None
    calibration: Session = THAT_DAY


@get(CALIBRATION, tags=["calibration"])
async def calibration(
    event_log: EventLog, esp_id: str, gpio: int, sensor_type: str, address: Address = ""
) -> views.CalibrationView:
    """How a sensor is read now, all of its calibrations, and which of them is in force."""
    query = queries.CalibrationQuery(esp_id=esp_id, sensor=_key(gpio, sensor_type, address))
    found = await ask(event_log, "ingest", "calibration", query, queries.SensorCalibration)
    fields = msgspec.structs.asdict(found)
    fields["in_force"] = views.session(found.in_force) if found.in_force else None
    fields["sessions"] = [views.session(session) for session in found.sessions]
    fields["recomputes"] = [views.recompute(each) for each in found.recomputes]
    return views.CalibrationView(**fields)


@put(f"{SENSOR}/parameters", tags=["calibration"])
async def set_parameters(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    data: ParametersWish,
    address: Address = "",
) -> Response[views.CalibrationDecision]:
    """Say how a sensor is to be read from now on.

    The calibration in force ends, unless nothing but ``unit``, ``temperature_c`` or the compensating sensor changes.
    """
    asked = commands.SetSensorParameters(
        esp_id=esp_id,
        by=who_asks(request),
        sensor=_key(gpio, sensor_type, address),
        family=data.family,
        parameters=data.parameters,
        compensate_from=data.compensate_from,
    )
    return await _decided(event_log, "set_sensor_parameters", asked)


@post(CALIBRATION, status_code=201, tags=["calibration"])
async def start(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    data: CalibrationWish,
    address: Address = "",
) -> Response[views.CalibrationDecision]:
    """Begin to calibrate a sensor; it has one open calibration at most."""
    sensor = _key(gpio, sensor_type, address)
    asked = commands.StartCalibration(esp_id=esp_id, by=who_asks(request), sensor=sensor, kind=data.kind)
    return await _decided(event_log, "start_calibration", asked)


@post(f"{CALIBRATION}/points", status_code=201, tags=["calibration"])
async def take_point(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    data: PointWish,
    address: Address = "",
) -> Response[views.CalibrationDecision]:
    """Say what the sensor should show now; its latest count is taken, unless one is given."""
    asked = commands.TakeCalibrationPoint(
        esp_id=esp_id,
        by=who_asks(request),
        sensor=_key(gpio, sensor_type, address),
        reference=data.reference,
        raw=data.raw,
        temperature_c=data.temperature_c,
    )
    return await _decided(event_log, "take_calibration_point", asked)


@post(f"{CALIBRATION}/finish", status_code=200, tags=["calibration"])
async def finish(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    data: FinishWish,
    address: Address = "",
) -> Response[views.CalibrationDecision]:
    """Fit the points, and convert readings with what comes of it; coefficients and residuals are in the answer."""
    asked = commands.FinishCalibration(
        esp_id=esp_id,
        by=who_asks(request),
        sensor=_key(gpio, sensor_type, address),
        valid_from=instant_of(data.valid_from, "valid_from") if data.valid_from else None,
    )
    return await _decided(event_log, "finish_calibration", asked)


@delete(CALIBRATION, status_code=200, tags=["calibration"])
async def abandon(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    address: Address = "",
    reason: Why = "",
) -> Response[views.CalibrationDecision]:
    """Let the open calibration come to nothing; the one in force stays."""
    sensor = _key(gpio, sensor_type, address)
    asked = commands.AbandonCalibration(esp_id=esp_id, by=who_asks(request), sensor=sensor, reason=reason)
    return await _decided(event_log, "abandon_calibration", asked)


@post(f"{CALIBRATION}/recompute", status_code=202, tags=["calibration"])
async def recompute(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    data: RecomputeWish,
    address: Address = "",
) -> Response[views.CalibrationDecision]:
    """Make stored values anew from their counts, with the calibration of that day or with a better one.

    That goes on after the answer; ``GET`` of the calibration shows when it is done, and how many readings changed.
    """
    begin, end = span(data.start, data.end)
    asked = commands.RecomputeReadings(
        esp_id=esp_id,
        by=who_asks(request),
        sensor=_key(gpio, sensor_type, address),
        start=begin,
        end=end,
        calibration=data.calibration,
    )
    return await _decided(event_log, "recompute_readings", asked)


async def _decided(event_log: EventLog, name: str, asked: SensorOrder) -> Response[views.CalibrationDecision]:
    found = await order(event_log, "ingest", name, asked, CalibrationDecided)
    return Response(
        views.CalibrationDecision(
            esp_id=found.esp_id,
            sensor=found.sensor,
            seq=found.seq,
            changed=found.changed,
            session_id=found.session_id or None,
            points=found.points if found.session_id else None,
            calibration=found.calibration,
            recompute_id=found.recompute_id or None,
        )
    )


def _key(gpio: int, sensor_type: str, address: str) -> SensorKey:
    return SensorKey(gpio=gpio, sensor_type=sensor_type, address=address)
