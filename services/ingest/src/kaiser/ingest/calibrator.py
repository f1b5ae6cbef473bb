"""Decides on orders about the parameters and the calibration of sensors. Pure: families are given to it.

What a family refuses is refused with its own name of the reason at the beginning of the words.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.calibration import (
    THAT_DAY,
    CalibrationAbandoned,
    CalibrationEvent,
    CalibrationFinished,
    CalibrationPointTaken,
    CalibrationStarted,
    FoundCalibration,
    RecomputeFinished,
    RecomputeOrdered,
    SensorKey,
    SensorParametersSet,
)
from kaiser.ingest import setups
from kaiser.ingest.calibrating import CalibrationState, SensorState, Session, open_session
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.sensor_intents import (
    Abandon,
    Command,
    Finish,
    OrderRecompute,
    SetParameters,
    SettleRecompute,
    Start,
    TakePoint,
)
from kaiser.ingest.setups import family_of
from kaiser.physics import RAW, AnyFamily, CalibrationError, Families, ParameterError, Parameters, Point
from kaiser.physics.family import CELSIUS

MOST_SENSORS: Final = 64
"""Of a device that parameters can be set for; its board holds 20."""
MOST_POINTS: Final = 32
LONGEST_REASON: Final = 500
MOST_PARAMETERS_BYTES: Final = 16 * 1024

KEEPS_CALIBRATION: Final = frozenset({"unit", "temperature_c"})
"""Parameters that coefficients do not depend on. Any other change ends the calibration in force."""
POINT_IS_WRONG: Final = frozenset(
    {"point_not_finite", "reference_out_of_range", "raw_unusable", "temperature_absurd", "kind_unsupported"}
)
"""Refusals that no further point can mend."""

_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Calibrator:
    """Decides.

    Args:
        known: Families by sensor type.
    """

    def __init__(self, known: Families) -> None:
        self._known = known

    def decide(self, state: CalibrationState, command: Command) -> Sequence[CalibrationEvent]:
        """What a command makes happen; nothing where it is so already.

        Raises:
            RegistryError: INVALID_SENSOR_TYPE, VALUE_OUT_OF_RANGE, CALIBRATION_OPEN, CALIBRATION_NOT_FOUND,
                CALIBRATION_REFUSED or RECOMPUTE_RUNNING.
        """
        if not _TYPE.fullmatch(command.sensor.sensor_type):
            words = "not a lower-case identifier of at most 32 characters"
            raise RegistryError(Code.INVALID_SENSOR_TYPE, words, "sensor.sensor_type")
        if command.sensor not in state.sensors and len(state.sensors) >= MOST_SENSORS:
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, f"more than {MOST_SENSORS} sensors of one device", "sensor")
        sensor = state.of(command.sensor)
        match command:
            case SetParameters():
                return self._set(state, sensor, command)
            case Start():
                return self._start(sensor, command)
            case TakePoint():
                return self._take(sensor, command)
            case Finish():
                return self._finish(sensor, command)
            case Abandon():
                session = open_session(sensor).started.session_id
                reason = _words(command.reason)
                return (CalibrationAbandoned(session_id=session, reason=reason, **_decided(command)),)
            case OrderRecompute():
                return _order_recompute(sensor, command)
            case SettleRecompute():
                return _settle_recompute(sensor, command)

    def _set(
        self, state: CalibrationState, sensor: SensorState, command: SetParameters
    ) -> Sequence[SensorParametersSet]:
        _require_closed(sensor)
        family = self._family(command)
        parameters = _parsed(family, command.parameters)
        if (source := command.compensate_from) is not None:
            self._require_temperature(state, command.sensor, source)
        before = sensor.setup
        had = family_of(self._known, command.sensor.sensor_type, before.family)
        changed = _changes(had, before.parameters, family, parameters)
        if sensor.setups and not changed and (command.family, source) == (before.family, before.compensate_from):
            return ()
        return (
            SensorParametersSet(
                sensor=command.sensor,
                family=command.family,
                parameters=command.parameters,
                compensate_from=source,
                calibration_ends=before.calibration is not None and not changed <= KEEPS_CALIBRATION,
                **_decided(command),
            ),
        )

    def _family(self, command: SetParameters) -> AnyFamily:
        by_type = self._known.of(command.sensor.sensor_type)
        if not command.family or command.family == by_type.name:
            return by_type
        if by_type is not RAW:
            words = f"{command.sensor.sensor_type} sensors are of family {by_type.name}, and of no other"
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, "family")
        if (named := self._known.named(command.family)) is None:
            names = ", ".join(family.name for family in self._known)
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, f"no family {command.family!r}; there are: {names}", "family")
        return named

    def _require_temperature(self, state: CalibrationState, sensor: SensorKey, source: SensorKey) -> None:
        if source == sensor:
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, "a sensor does not compensate itself", "compensate_from")
        unit = setups.reader(self._known, source.sensor_type, state.of(source).setup).unit
        if unit not in CELSIUS:
            words = f"{source.sensor_type} measures in {unit}, which is no temperature"
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, "compensate_from.sensor_type")

    def _start(self, sensor: SensorState, command: Start) -> Sequence[CalibrationStarted]:
        _require_closed(sensor)
        setup = sensor.setup
        family = family_of(self._known, command.sensor.sensor_type, setup.family)
        if command.kind not in family.fits:
            ways = ", ".join(family.fits) or "none"
            words = f"kind_unsupported: {family.name} is not calibrated by {command.kind}, but by: {ways}"
            raise RegistryError(Code.CALIBRATION_REFUSED, words, "kind")
        return (
            CalibrationStarted(
                session_id=command.session_id,
                sensor=command.sensor,
                family=family.name,
                kind=command.kind,
                parameters=setup.parameters,
                **_decided(command),
            ),
        )

    def _take(self, sensor: SensorState, command: TakePoint) -> Sequence[CalibrationPointTaken]:
        session = open_session(sensor)
        if len(session.points) >= MOST_POINTS:
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, f"{MOST_POINTS} points are enough", "reference")
        if not all(math.isfinite(number) for number in (command.raw, command.reference, command.temperature_c or 0)):
            raise RegistryError(Code.CALIBRATION_REFUSED, "point_not_finite: must be finite numbers", "reference")
        taken = CalibrationPointTaken(
            session_id=session.started.session_id,
            raw=command.raw,
            reference=command.reference,
            temperature_c=command.temperature_c,
            reading_id=command.reading_id,
            **_decided(command),
        )
        try:  # a point that no other one can mend is told while the probe is still in the reference
            self._fit(msgspec.structs.replace(session, points=(taken,)))
            self._fit(msgspec.structs.replace(session, points=(*session.points, taken)))
        except CalibrationError as error:
            if error.code in POINT_IS_WRONG:
                raise _refused(error, "raw" if error.code == "raw_unusable" else "reference") from error
        return (taken,)

    def _finish(self, sensor: SensorState, command: Finish) -> Sequence[CalibrationFinished]:
        session = open_session(sensor)
        valid_from = command.at if command.valid_from is None else command.valid_from
        if not 0 < valid_from <= command.at:
            raise RegistryError(Code.VALUE_OUT_OF_RANGE, "must be a time in the past", "valid_from")
        try:
            found = self._fit(session)
        except CalibrationError as error:
            raise _refused(error, "points") from error
        return (
            CalibrationFinished(
                session_id=session.started.session_id,
                sensor=command.sensor,
                family=session.started.family,
                parameters=session.started.parameters,
                calibration=found,
                valid_from=valid_from,
                **_decided(command),
            ),
        )

    def _fit(self, session: Session) -> FoundCalibration:
        started = session.started
        if (family := self._known.named(started.family)) is None:
            raise CalibrationError("kind_unsupported", f"The family {started.family} is not installed any more.")
        points = [Point(point.raw, point.reference, point.temperature_c) for point in session.points]
        found = family.calibrate(started.kind, points, _parsed(family, started.parameters))
        return FoundCalibration(
            family=found.family,
            kind=found.kind,
            coefficients=msgspec.to_builtins(found.coefficients),
            residuals=list(found.residuals),
            rms=found.rms,
        )


def _order_recompute(sensor: SensorState, command: OrderRecompute) -> Sequence[RecomputeOrdered]:
    if sensor.at_work is not None:
        words = f"{sensor.at_work.recompute_id} is at work"
        raise RegistryError(Code.RECOMPUTE_RUNNING, words, "sensor")
    if not 0 <= command.start < command.end:
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, "the end must be later than the start", "end")
    if command.end > command.at:
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, "the end must not be in the future", "end")
    if command.calibration != THAT_DAY:
        session = sensor.sessions.get(command.calibration)
        if session is None or session.state != "finished":
            words = f"no finished calibration {command.calibration!r} of this sensor, and not {THAT_DAY!r}"
            raise RegistryError(Code.CALIBRATION_NOT_FOUND, words, "calibration")
    return (
        RecomputeOrdered(
            recompute_id=command.recompute_id,
            sensor=command.sensor,
            start=command.start,
            end=command.end,
            calibration=command.calibration,
            **_decided(command),
        ),
    )


def _settle_recompute(sensor: SensorState, command: SettleRecompute) -> Sequence[RecomputeFinished]:
    if (at_work := sensor.at_work) is None or at_work.recompute_id != command.recompute_id:
        return ()
    return (
        RecomputeFinished(
            recompute_id=command.recompute_id,
            sensor=command.sensor,
            rows=command.rows,
            changed=command.changed,
            **_decided(command),
        ),
    )


def _decided(command: Command) -> dict[str, Any]:
    """Fields of every decision."""
    return {
        "kaiser_id": command.kaiser_id,
        "esp_id": command.esp_id,
        "at": command.at,
        "by": command.by,
        "correlation_id": command.correlation_id,
    }


def _parsed(family: AnyFamily, given: dict[str, Any]) -> Parameters:
    if len(msgspec.json.encode(given)) > MOST_PARAMETERS_BYTES:
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, f"more than {MOST_PARAMETERS_BYTES} bytes", "parameters")
    try:
        parameters: Parameters = family.parse(given)
    except ParameterError as error:
        where = f"parameters{error.path.removeprefix('$')}"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, str(error), where) from error
    return parameters


def _changes(had: AnyFamily, before: dict[str, Any], family: AnyFamily, parameters: Parameters) -> set[str]:
    """Names of the parameters that are others now; of all of them where the family is another."""
    fields = set(parameters.__struct_fields__)
    if had is not family:
        return fields | {"family"}
    try:
        old = had.parse(before)
    except ParameterError:  # read by another release
        return fields
    return {name for name in fields if getattr(old, name) != getattr(parameters, name)}


def _require_closed(sensor: SensorState) -> None:
    if sensor.open:
        words = f"{sensor.open} is open; finish or abandon it first"
        raise RegistryError(Code.CALIBRATION_OPEN, words, "sensor")


def _refused(error: CalibrationError, where: str) -> RegistryError:
    return RegistryError(Code.CALIBRATION_REFUSED, f"{error.code}: {error}", where)


def _words(reason: str) -> str:
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        words = f"needs at most {LONGEST_REASON} printable characters"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, "reason")
    return reason
