"""Makes values of stored readings anew, as people ordered it: an hour of a sensor a transaction, one instance for all.

Each transaction brings rows, rollups, latest value and progress from one consistent state to the next, so it may be
stopped anywhere, and doing it again changes nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, LiteralString

import nats.errors
import structlog
from psycopg import AsyncConnection, AsyncRawCursor

from kaiser.contracts.events.calibration import THAT_DAY, CalibrationFinished, RecomputeOrdered, SensorKey
from kaiser.eventlog import EventLogError, Lease, now_us
from kaiser.ingest import setups, statements
from kaiser.ingest.calibrations import Calibrations
from kaiser.ingest.converting import DOUBTED, TEMPERATURE_US
from kaiser.ingest.projections import Contexts, write_contexts
from kaiser.ingest.queries import HOUR_US
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.remaking import Stored, Warmth, remade
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.sensors import sensor_id
from kaiser.ingest.setups import Reader, Setup, reader_at
from kaiser.physics import Families
from kaiser.timescale import BadData, DatabaseAway, Instant, Pool, float8_array, int8_array, timestamp_array

_log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
SETTLE_US: Final = 3_000_000
"""An order is begun so long after it was given: until then, readings of before it are on their way to their row."""

_BEGIN: Final = statements.read("recompute_begin")
_NEXT: Final = statements.read("recompute_next")
_LOCK_LATEST: Final = statements.read("recompute_lock_latest")
_LOCK_HOUR: Final = statements.read("recompute_lock_hour")
_ROWS: Final = statements.read("recompute_rows")
_TEMPERATURES: Final = statements.read("recompute_temperatures")
_WRITE: Final = statements.read("recompute_write")
_ROLLUPS: Final = statements.read("recompute_rollups")
_PROGRESS: Final = statements.read("recompute_progress")


class Recomputing:
    """Does what was ordered.

    Args:
        steps: What is done for an order.
        sensors: Orders.
        calibrations: Who notes that an order is done.
        lease: Of the instances, the one that has it works.
        settle_us: How old an order has to be, microseconds.
    """

    def __init__(
        self,
        steps: "Steps",
        sensors: SensorDirectory,
        calibrations: Calibrations,
        lease: Lease,
        *,
        settle_us: int = SETTLE_US,
    ) -> None:
        self._steps = steps
        self._sensors = sensors
        self._calibrations = calibrations
        self._lease = lease
        self._settle_us = settle_us
        self._done: set[str] = set()

    async def run(self) -> None:
        """Work, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            waiting = [order for order in self._sensors.recomputes() if order.recompute_id not in self._done]
            try:
                if waiting and await self._ours():
                    await self._work(waiting)
            except DatabaseAway as away:
                _log.warning("recomputing waits for the database", reason=str(away))
            except (BadData, RegistryError, EventLogError, nats.errors.Error, TimeoutError, OSError) as error:
                _log.warning("recomputing cannot go on now", reason=repr(error))

    async def _ours(self) -> bool:
        return await (self._lease.renew() if self._lease.held else self._lease.acquire())

    async def _work(self, waiting: Sequence[RecomputeOrdered]) -> None:
        for order in waiting:
            if now_us() - order.at < self._settle_us:
                continue
            readers = self._steps.readers(order)
            looked = began = time.monotonic()
            while (total := await self._steps.step(order, readers)) is None:
                now = time.monotonic()
                await asyncio.sleep(now - began)  # half of the time is the recorder's
                began = time.monotonic()
                if now - looked > LOOK_EVERY_S:
                    looked = now
                    if not await self._ours():
                        return
            rows, changed = total
            await self._calibrations.settle_recompute(order, rows, changed, now_us())
            self._done.add(order.recompute_id)
            _log.info("readings recomputed", esp_id=order.esp_id, by=order.by, rows=rows, changed=changed)


class Steps:
    """What is done for an order: an hour of readings that has any, and another, until none is left.

    Args:
        pool: Where the readings are.
        known: Families by sensor type.
        sensors: Parameters and calibrations.
    """

    def __init__(self, pool: Pool, known: Families, sensors: SensorDirectory) -> None:
        self._pool = pool
        self._known = known
        self._sensors = sensors

    def readers(self, order: RecomputeOrdered) -> list[Reader]:
        """How the sensor is to be read, oldest first."""
        sensor = self._sensors.state(order.esp_id).of(order.sensor)
        if order.calibration == THAT_DAY:
            return setups.readers(self._known, order.sensor.sensor_type, sensor.setups)
        session = sensor.sessions[order.calibration]
        assert isinstance(session.ended, CalibrationFinished)  # or the order would have been refused
        wanted = Setup(
            family=session.started.family,
            parameters=session.ended.parameters,
            compensate_from=setups.at(sensor.setups, session.ended.valid_from).compensate_from,
            calibration=session.ended.calibration,
            session_id=order.calibration,
        )
        return [setups.reader(self._known, order.sensor.sensor_type, wanted)]

    async def step(self, order: RecomputeOrdered, readers: Sequence[Reader]) -> tuple[int, int] | None:
        """The next hour of an order that has readings, in one transaction.

        Args:
            order: What was ordered.
            readers: How to read, oldest first.

        Returns:
            Readings seen and changed in all, once there are none left.

        Raises:
            DatabaseAway: Nothing was done, or it is not known; the same may be done again.
        """
        number = _number(order.esp_id, order.sensor)
        async with self._pool.connection() as connection, connection.transaction():
            ((next_at, seen, changed),) = await _ask(connection, _BEGIN, order.recompute_id, Instant(order.start))
            found = await _ask(connection, _NEXT, number, Instant(next_at), Instant(order.end))
            if not found:
                return seen, changed
            hour = found[0][0] // HOUR_US * HOUR_US
            start, end = max(hour, order.start), min(hour + HOUR_US, order.end)
            await _ask(connection, _LOCK_LATEST, number)
            await _ask(connection, _LOCK_HOUR, number, Instant(hour))
            span = (Instant(start), Instant(end))
            rows = [Stored(*row) for row in await _ask(connection, _ROWS, number, *span)]
            warmth = await self._warmth(connection, order.esp_id, readers, start, end)
            again = [remade(row, reader_at(readers, row.measured_at), warmth) for row in rows]
            others = [row for row, before in zip(again, rows, strict=True) if row != before]
            if others:
                await self._write(connection, number, span, others)
                await _ask(connection, _ROLLUPS, number, Instant(hour), Instant(hour + HOUR_US))
            await _ask(connection, _PROGRESS, order.recompute_id, Instant(end), len(rows), len(others))
        return None

    async def _warmth(
        self, connection: AsyncConnection, esp_id: str, readers: Sequence[Reader], start: int, end: int
    ) -> dict[SensorKey, Warmth]:
        """What compensating sensors showed around a span."""
        around = (Instant(start - TEMPERATURE_US), Instant(end + TEMPERATURE_US), sorted(DOUBTED))
        sources = {reader.compensate_from for reader in readers if reader.compensate_from is not None}
        return {
            source: Warmth(await _ask(connection, _TEMPERATURES, _number(esp_id, source), *around))
            for source in sources
        }

    @staticmethod
    async def _write(
        connection: AsyncConnection, number: int, span: tuple[Instant, Instant], rows: Sequence[Stored]
    ) -> None:
        known = Contexts()  # of this transaction alone: what one that failed told the database, it does not know
        contexts = [known[row.context] for row in rows]
        await write_contexts(connection, known.untold)
        columns = (
            timestamp_array([row.measured_at for row in rows]),
            int8_array([row.reading_id for row in rows]),
            int8_array(contexts),
            float8_array([row.value for row in rows]),
        )
        await _ask(connection, _WRITE, number, *span, *columns)


def _number(esp_id: str, sensor: SensorKey) -> int:
    return sensor_id(esp_id, sensor.gpio, sensor.sensor_type, sensor.address)


async def _ask(connection: AsyncConnection, statement: LiteralString, *parameters: object) -> list[Any]:  # of rows
    cursor = AsyncRawCursor(connection)
    await cursor.execute(statement, parameters, binary=True)
    return await cursor.fetchall() if cursor.description else []
