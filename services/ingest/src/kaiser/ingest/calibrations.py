"""What people order about the parameters and the calibration of sensors: decided on the log.

The database is asked for one thing only, the latest reading, where a point is to be taken of what the sensor shows now.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.commands import CalibrationDecided, SensorOrder
from kaiser.contracts.events.calibration import (
    CALIBRATION_EVENTS,
    CalibrationEvent,
    CalibrationFinished,
    RecomputeOrdered,
    SensorKey,
)
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.queries import CalibrationQuery, LatestQuery, Reading, SensorCalibration
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEVICES
from kaiser.eventlog import Aggregate, ConcurrencyConflict, Delivery, Event, EventLog, LogFull, Repository, new_id
from kaiser.ingest import calibrating, sensor_intents, setups
from kaiser.ingest.calibrated import shown
from kaiser.ingest.calibrating import CalibrationState
from kaiser.ingest.calibrator import Calibrator
from kaiser.ingest.converting import DOUBTED
from kaiser.ingest.orders import SOURCE, Orders
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.sensor_intents import Command, SensorIntent
from kaiser.physics import Families
from kaiser.physics.family import CELSIUS

_log = structlog.get_logger(__name__)

NOW_US: Final = 60_000_000
"""A reading not older than this stands for what the sensor shows now."""
TEMPERATURE_US: Final = 600_000_000
"""A temperature not older than this still compensates."""

I = TypeVar("I", bound=SensorIntent)  # noqa: E741 - an intent
LatestReading = Callable[[LatestQuery, int], Awaitable[Reading]]

decoder: Final = EventDecoder({event.TYPE: event for event in CALIBRATION_EVENTS})
"""Events about sensors by type."""


def event_of(fact: CalibrationEvent) -> Event:
    """An event about a sensor as an event of the log."""
    return Event(subject=calibrating.subject(fact), type=fact.TYPE, data=encode(fact), source=SOURCE, time=fact.at)


def fact_of(delivery: Delivery) -> CalibrationEvent:
    """An event of the log as an event about a sensor; raises ValueError for what is none."""
    fact: CalibrationEvent = decoder.decode(delivery.type, delivery.data)
    return fact


class Calibrations:
    """Executes orders about sensors.

    Args:
        log: Where the aggregates are.
        orders: Knows the devices.
        known: Families by sensor type.
        latest: Asks for the latest reading of a sensor.
    """

    def __init__(self, log: EventLog, orders: Orders, known: Families, latest: LatestReading) -> None:
        aggregate: Aggregate[CalibrationState, Command, CalibrationEvent] = Aggregate(
            initial=calibrating.UNKNOWN,
            decide=Calibrator(known).decide,
            evolve=calibrating.evolve,
            encode=event_of,
            decode=fact_of,
        )
        self._sensors = Repository(log, DEVICES.name, aggregate)
        self._orders = orders
        self._known = known
        self._latest = latest

    async def set_parameters(self, asked: commands.SetSensorParameters, now: int) -> CalibrationDecided:
        """Read a sensor with these parameters from now on."""
        told = {"family": asked.family, "parameters": asked.parameters, "compensate_from": asked.compensate_from}
        return await self._execute(await self._intent(sensor_intents.SetParameters, asked, now, **told))

    async def start(self, asked: commands.StartCalibration, now: int) -> CalibrationDecided:
        """Begin to calibrate."""
        return await self._execute(
            await self._intent(sensor_intents.Start, asked, now, session_id=new_id(), kind=asked.kind)
        )

    async def take_point(self, asked: commands.TakeCalibrationPoint, now: int) -> CalibrationDecided:
        """Take a point of the latest reading, or of a count that is given.

        Raises:
            RegistryError: READING_TOO_OLD or as ever.
            Refusal: SENSOR_NOT_FOUND where the sensor has no reading yet.
        """
        raw, reading_id, celsius = asked.raw, None, asked.temperature_c
        if raw is None:
            reading = await self._latest(_latest_of(asked.esp_id, asked.sensor), now)
            if abs(now - reading.measured_at) > NOW_US:
                words = f"the latest reading is {(now - reading.measured_at) // 1_000_000} s old; wait for another"
                raise RegistryError(Code.READING_TOO_OLD, words, "raw")
            raw, reading_id = reading.raw, reading.reading_id
        if celsius is None:
            celsius = await self._temperature(asked, now)
        point = {"raw": raw, "reference": asked.reference, "temperature_c": celsius, "reading_id": reading_id}
        return await self._execute(await self._intent(sensor_intents.TakePoint, asked, now, **point))

    async def finish(self, asked: commands.FinishCalibration, now: int) -> CalibrationDecided:
        """Fit the points."""
        return await self._execute(await self._intent(sensor_intents.Finish, asked, now, valid_from=asked.valid_from))

    async def abandon(self, asked: commands.AbandonCalibration, now: int) -> CalibrationDecided:
        """Let it come to nothing."""
        return await self._execute(await self._intent(sensor_intents.Abandon, asked, now, reason=asked.reason))

    async def recompute(self, asked: commands.RecomputeReadings, now: int) -> CalibrationDecided:
        """Have values of a span made anew; that is not done yet."""
        span = {"start": asked.start, "end": asked.end, "calibration": asked.calibration}
        return await self._execute(
            await self._intent(sensor_intents.OrderRecompute, asked, now, recompute_id=new_id(), **span)
        )

    async def settle_recompute(self, order: RecomputeOrdered, rows: int, changed: int, now: int) -> None:
        """Note that values were made anew."""
        await self._execute(
            sensor_intents.SettleRecompute(
                kaiser_id=order.kaiser_id,
                esp_id=order.esp_id,
                at=now,
                by=order.by,
                correlation_id=order.correlation_id,
                sensor=order.sensor,
                recompute_id=order.recompute_id,
                rows=rows,
                changed=changed,
            )
        )

    async def state(self, esp_id: str) -> CalibrationState:
        """What is known of the sensors of a device, as the log has it now."""
        return (await self._sensors.load(subjects.calibration_of(esp_id))).state

    async def shown(self, asked: CalibrationQuery, now: int) -> SensorCalibration:
        """How a sensor is read and calibrated.

        Raises:
            RegistryError: ESP_DEVICE_NOT_FOUND.
        """
        await self._orders.device(asked.esp_id)
        loaded = await self._sensors.load(subjects.calibration_of(asked.esp_id))
        return shown(
            self._known, asked.esp_id, asked.sensor, loaded.state.of(asked.sensor), seq=loaded.last_seq, at=now
        )

    async def _temperature(self, asked: commands.TakeCalibrationPoint, now: int) -> float | None:
        """Temperature of the compensating sensor, if there is one and it is fresh and sound."""
        state = await self.state(asked.esp_id)
        if (source := state.of(asked.sensor).setup.compensate_from) is None:
            return None
        try:
            reading = await self._latest(_latest_of(asked.esp_id, source), now)
        except Refusal:  # it has not sent anything yet
            return None
        if reading.value is None or reading.quality in DOUBTED or abs(now - reading.measured_at) > TEMPERATURE_US:
            return None
        return setups.celsius(reading.value, reading.unit, CELSIUS)

    async def _intent(self, kind: type[I], asked: SensorOrder, now: int, /, **more: Any) -> I:  # by field name
        device = await self._orders.device(asked.esp_id)
        if device.standing != "approved":
            words = f"the device is {device.standing}; only sensors of an approved one are calibrated"
            raise RegistryError(Code.DEVICE_STATE_FORBIDS, words, "esp_id")
        return kind(
            kaiser_id=device.kaiser_id,
            esp_id=asked.esp_id,
            at=now,
            by=asked.by,
            correlation_id=asked.correlation_id or new_id(),
            sensor=asked.sensor,
            **more,
        )

    async def _execute(self, command: Command) -> CalibrationDecided:
        name = subjects.calibration_of(command.esp_id)
        try:
            done = await self._sensors.execute(name, command)
        except ConcurrencyConflict as conflict:
            raise RegistryError(Code.SERVICE_ERROR, "others change this device all the time; try again") from conflict
        except LogFull as full:
            raise RegistryError(Code.SERVICE_ERROR, f"the log takes no more: {full}") from full
        for fact in done.events:
            _log.info("sensor decided", esp_id=command.esp_id, gpio=command.sensor.gpio, decision=fact.TYPE)
        return _answer(command, done.events[-1] if done.events else None, done.state, done.last_seq)


def _answer(
    command: Command, fact: CalibrationEvent | None, state: CalibrationState, last_seq: int
) -> CalibrationDecided:
    session_id = getattr(fact, "session_id", "")
    session = state.of(command.sensor).sessions.get(session_id)
    return CalibrationDecided(
        esp_id=command.esp_id,
        sensor=command.sensor,
        seq=last_seq,
        changed=fact is not None,
        session_id=session_id,
        points=len(session.points) if session else 0,
        calibration=fact.calibration if isinstance(fact, CalibrationFinished) else None,
        recompute_id=fact.recompute_id if isinstance(fact, RecomputeOrdered) else "",
    )


def _latest_of(esp_id: str, sensor: SensorKey) -> LatestQuery:
    return LatestQuery(
        esp_id=esp_id, gpio=sensor.gpio, sensor_type=sensor.sensor_type, address=sensor.address, pending=True
    )
