"""Parameters and calibrations of the sensors of a device: what is decided about them, and what is known then. Pure.

One aggregate a device: its events are those of ``device.*.{esp}.calibration.>``. A sensor has one open calibration at
most, and its parameters stay as they are meanwhile, for the points belong to them.
"""

from typing import Final, Literal

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.calibration import (
    CalibrationAbandoned,
    CalibrationEvent,
    CalibrationFinished,
    CalibrationPointTaken,
    CalibrationStarted,
    RecomputeFinished,
    RecomputeOrdered,
    SensorKey,
    SensorParametersSet,
)
from kaiser.ingest import setups
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.setups import AS_IT_COMES, Setup, Setups


class Session(msgspec.Struct, frozen=True):
    """A calibration from its start to its end."""

    started: CalibrationStarted
    points: tuple[CalibrationPointTaken, ...] = ()
    ended: CalibrationFinished | CalibrationAbandoned | None = None

    @property
    def state(self) -> Literal["open", "finished", "abandoned"]:
        """What became of it."""
        if self.ended is None:
            return "open"
        return "finished" if isinstance(self.ended, CalibrationFinished) else "abandoned"


class Recomputing(msgspec.Struct, frozen=True):
    """An order to make values anew, and what came of it."""

    ordered: RecomputeOrdered
    finished: RecomputeFinished | None = None


class SensorState(msgspec.Struct, frozen=True):
    """What is known of a sensor.

    Attributes:
        setups: How it is read at each time.
        sessions: Calibrations by id, oldest first.
        open: Id of the one that is open; empty for none.
        recomputes: By id, oldest first.
    """

    setups: Setups = ()
    sessions: dict[str, Session] = {}
    open: str = ""
    recomputes: dict[str, Recomputing] = {}

    @property
    def setup(self) -> Setup:
        """How it is read now."""
        return self.setups[-1] if self.setups else AS_IT_COMES

    @property
    def at_work(self) -> RecomputeOrdered | None:
        """The order to recompute that is not finished."""
        last = next(reversed(self.recomputes.values()), None)
        return last.ordered if last is not None and last.finished is None else None


class CalibrationState(msgspec.Struct, frozen=True):
    """What is known of the sensors of a device, by sensor, and which of them an open calibration is of."""

    sensors: dict[SensorKey, SensorState] = {}
    sessions: dict[str, SensorKey] = {}

    def of(self, sensor: SensorKey) -> SensorState:
        """One of its sensors."""
        return self.sensors.get(sensor, UNTOUCHED)


UNTOUCHED: Final = SensorState()
UNKNOWN: Final = CalibrationState()


def open_session(sensor: SensorState) -> Session:
    """The calibration that is open.

    Raises:
        RegistryError: CALIBRATION_NOT_FOUND.
    """
    if not sensor.open:
        raise RegistryError(Code.CALIBRATION_NOT_FOUND, "no calibration of this sensor is open", "sensor")
    return sensor.sessions[sensor.open]


def sensor_of(state: CalibrationState, event: CalibrationEvent) -> SensorKey | None:
    """The sensor that an event is about; None if it names a calibration that is not open."""
    if isinstance(event, CalibrationPointTaken | CalibrationAbandoned):
        return state.sessions.get(event.session_id)
    return event.sensor


def evolve(state: CalibrationState, event: CalibrationEvent) -> CalibrationState:
    """The state after an event."""
    sensor = sensor_of(state, event)
    if sensor is None:
        return state
    sessions = dict(state.sessions)
    match event:
        case CalibrationStarted():
            sessions[event.session_id] = sensor
        case CalibrationFinished() | CalibrationAbandoned():
            sessions.pop(event.session_id, None)
    return CalibrationState(state.sensors | {sensor: _after(state.of(sensor), event)}, sessions)


def _after(sensor: SensorState, event: CalibrationEvent) -> SensorState:
    """The state of a sensor after an event about it."""
    replace = msgspec.structs.replace
    match event:
        case SensorParametersSet():
            return replace(sensor, setups=setups.after(sensor.setups, _set(sensor.setup, event)))
        case CalibrationStarted():
            sessions = {**sensor.sessions, event.session_id: Session(event)}
            return replace(sensor, sessions=sessions, open=event.session_id)
        case CalibrationPointTaken():
            session = sensor.sessions[event.session_id]
            taken = replace(session, points=(*session.points, event))
            return replace(sensor, sessions={**sensor.sessions, event.session_id: taken})
        case CalibrationFinished():
            found = replace(
                sensor.setup,
                valid_from=event.valid_from,
                parameters=event.parameters,
                calibration=event.calibration,
                session_id=event.session_id,
            )
            return replace(_ended(sensor, event), setups=setups.after(sensor.setups, found))
        case CalibrationAbandoned():
            return _ended(sensor, event)
        case RecomputeOrdered():
            return replace(sensor, recomputes={**sensor.recomputes, event.recompute_id: Recomputing(event)})
        case RecomputeFinished():
            if (known := sensor.recomputes.get(event.recompute_id)) is None:
                return sensor
            done = Recomputing(known.ordered, event)
            return replace(sensor, recomputes={**sensor.recomputes, event.recompute_id: done})


def _set(before: Setup, event: SensorParametersSet) -> Setup:
    ends = event.calibration_ends
    return Setup(
        valid_from=event.at,
        family=event.family,
        parameters=event.parameters,
        compensate_from=event.compensate_from,
        calibration=None if ends else before.calibration,
        session_id="" if ends else before.session_id,
    )


def _ended(sensor: SensorState, event: CalibrationFinished | CalibrationAbandoned) -> SensorState:
    session = sensor.sessions.get(event.session_id)
    if session is None:
        return sensor
    ended = msgspec.structs.replace(session, ended=event)
    still_open = "" if sensor.open == event.session_id else sensor.open
    return msgspec.structs.replace(sensor, sessions={**sensor.sessions, event.session_id: ended}, open=still_open)


def subject(event: CalibrationEvent) -> str:
    """Subject of an event."""
    return subjects.calibration(event.kaiser_id, event.esp_id, event.EVENT)
