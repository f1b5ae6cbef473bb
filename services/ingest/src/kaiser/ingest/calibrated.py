"""How a sensor is read and calibrated, as others see it. Pure."""

from typing import Final

from kaiser.contracts import queries
from kaiser.contracts.events.calibration import CalibrationFinished, SensorKey
from kaiser.contracts.queries import SensorCalibration
from kaiser.ingest import calibrating, setups
from kaiser.ingest.calibrating import SensorState, Session
from kaiser.physics import Families

MOST_SHOWN: Final = 100


def shown(known: Families, esp_id: str, key: SensorKey, sensor: SensorState, *, seq: int, at: int) -> SensorCalibration:
    """A sensor with its last calibrations.

    Args:
        known: Families by sensor type.
        esp_id: Its device.
        key: Which sensor.
        sensor: What is known of it.
        seq: Sequence in DEVICES of the last event about any sensor of the device.
        at: As it is read then, unix microseconds.
    """
    setup = setups.at(sensor.setups, at)
    in_force = sensor.sessions.get(setup.session_id)
    return SensorCalibration(
        esp_id=esp_id,
        sensor=key,
        family=setups.family_of(known, key.sensor_type, setup.family).name,
        unit=setups.reader(known, key.sensor_type, setup).unit,
        parameters=setup.parameters,
        compensate_from=setup.compensate_from,
        in_force=_session(in_force) if in_force else None,
        sessions=[_session(session) for session in list(sensor.sessions.values())[-MOST_SHOWN:]],
        recomputes=[_recompute(each) for each in list(sensor.recomputes.values())[-MOST_SHOWN:]],
        seq=seq,
    )


def _session(session: Session) -> queries.CalibrationSession:
    started, ended = session.started, session.ended
    finished = ended if isinstance(ended, CalibrationFinished) else None
    return queries.CalibrationSession(
        session_id=started.session_id,
        state=session.state,
        kind=started.kind,
        family=started.family,
        parameters=started.parameters,
        by=started.by,
        started_at=started.at,
        ended_at=ended.at if ended else 0,
        reason=getattr(ended, "reason", ""),
        points=[
            queries.CalibrationPoint(
                raw=point.raw,
                reference=point.reference,
                temperature_c=point.temperature_c,
                reading_id=point.reading_id,
                at=point.at,
            )
            for point in session.points
        ],
        valid_from=finished.valid_from if finished else 0,
        calibration=finished.calibration if finished else None,
    )


def _recompute(each: calibrating.Recomputing) -> queries.Recompute:
    ordered, finished = each.ordered, each.finished
    return queries.Recompute(
        recompute_id=ordered.recompute_id,
        start=ordered.start,
        end=ordered.end,
        calibration=ordered.calibration,
        by=ordered.by,
        ordered_at=ordered.at,
        finished_at=finished.at if finished else 0,
        rows=finished.rows if finished else 0,
        changed=finished.changed if finished else 0,
    )
