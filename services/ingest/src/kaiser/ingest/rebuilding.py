"""The tables of ingest as they are rebuilt from the log: by its own handlers.

Readings that people had made anew are made anew at the place in the log at which that was finished, so that readings
that came later are left as they came.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
from msgspec import Struct

from kaiser.contracts.codes import Code
from kaiser.contracts.events.calibration import RecomputeFinished
from kaiser.contracts.streams import DEVICE_CALIBRATION, DEVICES
from kaiser.eventlog import ConsumerSpec, Delivery, Unprocessable
from kaiser.ingest import consumers
from kaiser.ingest.calibrations import decoder
from kaiser.ingest.metrics import IngestMetrics
from kaiser.ingest.presence import Presence
from kaiser.ingest.projections import Recorder
from kaiser.ingest.recomputing import Steps
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.settings import RetentionSettings
from kaiser.ingest.standings import CONSUMER, Standings
from kaiser.physics import families
from kaiser.service.rebuilding import Projection, Source, Table
from kaiser.service.settings import load
from kaiser.timescale import Database, Pool

STATEMENT_S: Final = 120.0

CALIBRATIONS: Final = ConsumerSpec(stream=DEVICES.name, durable="", subjects=(DEVICE_CALIBRATION,))
"""From the first one on in each process, for what a recompute does depends on all that was decided before it."""


class Settings(Struct, frozen=True, kw_only=True):
    """What of the service's settings counts here."""

    retention: RetentionSettings


class Remake:
    """Calibrations as they were decided, and what they had been applied to by order."""

    def __init__(self, steps: Steps, sensors: SensorDirectory) -> None:
        self._steps = steps
        self._sensors = sensors

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Learn what was decided, and make values anew where that was finished; what is done already is left alone.

        Raises:
            Unprocessable: A delivery is no decision about a sensor.
        """
        for delivery in deliveries:
            try:
                event = decoder.decode(delivery.type, delivery.data)
            except (msgspec.DecodeError, ValueError) as error:
                raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
            if isinstance(event, RecomputeFinished):
                await self._remake(event)
            self._sensors.decided(event)

    async def _remake(self, event: RecomputeFinished) -> None:
        known = self._sensors.state(event.esp_id).of(event.sensor).recomputes.get(event.recompute_id)
        if known is not None:
            readers = self._steps.readers(known.ordered)
            while await self._steps.step(known.ordered, readers) is None:
                pass


@asynccontextmanager
async def projection(database: Database, environ: Mapping[str, str]) -> AsyncIterator[Projection]:
    """Readings, rollups, sensors and devices on a database.

    Raises:
        SettingsError: What the environment says of retention is wrong.
    """
    retention = load(Settings, environ).retention
    lifetimes = retention.lifetimes()
    pool, sensors = Pool(database, size=1, patience_s=STATEMENT_S, statement_s=STATEMENT_S), SensorDirectory()
    async with AsyncExitStack() as stack:
        await pool.open()
        stack.push_async_callback(pool.close)
        recorder = Recorder(database)
        stack.push_async_callback(recorder.close)
        record = consumers.RecordReadings(recorder, IngestMetrics())
        remake = Remake(Steps(pool, families(), sensors), sensors)
        heard = (("devices", consumers.DEVICE_EVENTS), ("presence", consumers.HEARTBEAT_EVENTS))
        decided = consumers.WriteStandings(Standings(pool))
        yield Projection(
            lanes=(
                (
                    Source(spec=consumers.RECORDER, consumer="recorder", handle=record.handle),
                    Source(spec=CALIBRATIONS, consumer="", handle=remake.handle),
                ),
                (
                    *(
                        Source(spec=spec, consumer=name, handle=consumers.WriteDevices(Presence(pool), name).handle)
                        for name, spec in heard
                    ),
                    Source(spec=consumers.DECISIONS, consumer=CONSUMER, handle=decided.handle),
                ),
            ),
            tables=_tables({lifetime.table: lifetime.keep_s for lifetime in lifetimes}),
            lifetimes=lifetimes,
        )


def _tables(keep_s: Mapping[str, int | None]) -> tuple[Table, ...]:
    reading, rollup = ("sensor_id", "measured_at", "reading_id"), ("sensor_id", "bucket")
    return (
        Table(name="contexts", key=("context_id",)),
        Table(name="sensors", key=("sensor_id",)),
        Table(name="readings", key=reading, time="measured_at", ignored=("stored_at",), keep_s=keep_s["readings"]),
        *(
            Table(name=name, key=rollup, time="bucket", sums=("total",), keep_s=keep_s[name])
            for name in ("rollup_1m", "rollup_1h")
        ),
        Table(name="latest", key=("sensor_id",), ignored=("stored_at",)),
        # What is counted depends on which of two streams the service saw first, within milliseconds
        Table(name="devices", key=("esp_id",), ignored=("losses", "losses_since", "restarts", "booted_at")),
        Table(name="health", key=("esp_id", "at"), time="at", keep_s=keep_s["health"]),
        Table(name="recomputes", key=("recompute_id",), ignored=("seen", "changed", "updated_at")),
    )
