"""What ingest receives: raw readings to convert, finished ones to record. Handlers of batches of deliveries."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned, DeviceSaid, DeviceSilent, Generation
from kaiser.contracts.events.telemetry import RAW_SEQUENCE, RawReadings, Readings
from kaiser.contracts.streams import DEVICE_REGISTRY, DEVICES, HEARTBEATS, TELEMETRY, TELEMETRY_RAW
from kaiser.contracts.wire import LastWill, SessionAnnounce
from kaiser.eventlog import ConsumerSpec, Delivery, Event, EventLogError, LogFull, PubAck, Retry, Unprocessable, now_us
from kaiser.ingest import orders
from kaiser.ingest.converting import Converted, Standing, Temperatures, convert
from kaiser.ingest.directory import Registrar
from kaiser.ingest.intents import Meet
from kaiser.ingest.metrics import IngestMetrics
from kaiser.ingest.orders import SOURCE
from kaiser.ingest.pacing import Pace
from kaiser.ingest.presence import ANNOUNCED, HEARTBEAT, LOST, Beat, Presence, heard
from kaiser.ingest.projections import Recorded, Recorder
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.sensors import Facet, Sensor, Sensors
from kaiser.ingest.standings import Standings
from kaiser.ingest.window import Window
from kaiser.physics import families
from kaiser.service import tracing
from kaiser.service.recording import record
from kaiser.timescale import BadData, DatabaseAway, outlast

_log = structlog.get_logger(__name__)

REGISTRY: Final = ConsumerSpec(stream=DEVICES.name, durable="ingest-registry", subjects=("device.*.*.discovered",))
DEVICE_EVENTS: Final = ConsumerSpec(
    stream=DEVICES.name,
    durable="ingest-devices",
    subjects=tuple(f"device.*.*.{event}" for event in ("discovered", "returned", "lost", "announced", "silent")),
)
DECISIONS: Final = ConsumerSpec(stream=DEVICES.name, durable="ingest-standings", subjects=(DEVICE_REGISTRY,))
HEARTBEAT_EVENTS: Final = ConsumerSpec(stream=HEARTBEATS.name, durable="ingest-presence", subjects=("heartbeat.>",))
CONVERTER: Final = ConsumerSpec(stream=TELEMETRY_RAW.name, durable="ingest-converter")
RECORDER: Final = ConsumerSpec(stream=TELEMETRY.name, durable="ingest-recorder")

DUPLICATES: Final = "Kaiser-Duplicates"
"""Header of a finished batch: readings that its raw batch held and it does not, for the broker delivered them twice."""
HEADROOM_BYTES: Final = 8 * 1024
"""What headers may take of the largest message that the server accepts."""

MOST_MEETINGS: Final = 10_000
SHORTEST_PAUSE_S: Final = 0.001
"""A shorter one costs more than it saves."""

_FINISHED: Final = ".f"
_DUPLICATES: Final = DUPLICATES.encode()
_decoder = EventDecoder(
    {
        RawReadings.TYPE: RawReadings,
        Readings.TYPE: Readings,
        DeviceDiscovered.TYPE: DeviceDiscovered,
        DeviceReturned.TYPE: DeviceReturned,
        DeviceSilent.TYPE: DeviceSilent,
        HEARTBEAT: DeviceSaid[Beat],
        LOST: DeviceSaid[LastWill],
        ANNOUNCED: DeviceSaid[SessionAnnounce],
    }
)


def decode(delivery: Delivery) -> Any:  # the struct follows from the event's type
    """The newest struct of an event.

    Raises:
        Unprocessable: It is none that ingest reads, or its body is not of its type.
    """
    try:
        return _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error


def finished_id(raw_id: str, number: int) -> str:
    """Id of a finished batch: the same whenever its raw batch is converted, so that the log drops a repetition."""
    return f"{raw_id}{_FINISHED}{number or ''}"


def raw_id_of(event_id: str) -> str:
    """Id of the raw batch that a finished one was made of."""
    return event_id.rpartition(_FINISHED)[0]


class Log(Protocol):
    """What the converter needs of the event log."""

    async def publish_all(self, events: Sequence[Event]) -> list[PubAck]:
        """Store events and return when all are."""
        ...


def _nobody(_: Meet) -> None:
    """Stands where nobody wants to know."""


def _never() -> bool:
    """Stands where nobody says when to stop."""
    return False


class Converter:
    """Raw batches to finished ones. Deterministic, and without a database on its way."""

    def __init__(
        self,
        log: Log,
        standings: Mapping[str, Standing],
        window: Window,
        *,
        metrics: IngestMetrics,
        sensors: SensorDirectory | None = None,
        met: Callable[[Meet], None] = _nobody,
        largest_bytes: int = 1024 * 1024,
    ) -> None:
        """Wire it.

        Args:
            log: Where finished readings go.
            standings: Devices by id; kept up to date by whoever knows them.
            window: Server-dated readings of the last minutes.
            metrics: Counts.
            sensors: Parameters and calibrations; kept up to date by whoever knows them. None for none.
            met: Told of devices that are not registered.
            largest_bytes: Largest message that the server accepts.
        """
        self._log = log
        self._standings = standings
        self._window = window
        self._met = met
        self._sensors = Sensors(families(), sensors)
        self._temperatures: Temperatures = {}
        self._most_bytes = largest_bytes - HEADROOM_BYTES
        self._metrics = metrics

    def sensor(self, facet: Facet) -> Sensor:
        """A sensor as readings are converted by it."""
        return self._sensors.peek(facet)

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Convert batches and return when what came of them is stored.

        Raises:
            Retry: The stream of finished readings is full.
            Unprocessable: A delivery is no batch of raw readings.
        """
        events: list[Event] = []
        spans: list[tracing.Span] = []
        converted = duplicates = 0
        for delivery in deliveries:
            traceparent = delivery.traceparent
            if (span := tracing.start("ingest convert", delivery.sampled) if tracing.on() else None) is not None:
                spans.append(span)
                traceparent = span.traceparent
            raw_id = delivery.id or f"{delivery.stream}.{delivery.seq}"
            done = self._convert(delivery, raw_id)
            converted += len(done.batch)
            duplicates += done.duplicates
            events += self._events(delivery, raw_id, done, traceparent)
        try:
            await self._log.publish_all(events)
        except LogFull as full:
            raise Retry(str(full)) from full
        for span in spans:
            span.end()
        self._metrics.converted += converted
        self._metrics.dropped += duplicates
        self._metrics.window = len(self._window)

    def _convert(self, delivery: Delivery, raw_id: str) -> Converted:
        raw = decode(delivery)
        try:
            for esp_id in set(raw.esp_id).difference(self._standings):
                self._met(_meeting(raw, esp_id))
            return convert(raw, raw_id, self._sensors, self._standings, self._window, self._temperatures)
        except (AttributeError, ValueError) as error:  # of another type, or columns of different length
            raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, f"not a batch of raw readings: {error}") from error

    def _events(self, delivery: Delivery, raw_id: str, done: Converted, traceparent: str) -> Iterator[Event]:
        """The finished batch as one event; as several where the values made it too large for one message."""
        part = delivery.subject.rpartition(".")[2]
        subject = subjects.telemetry_reading(done.batch.kaiser_id, int(part))
        headers = {RAW_SEQUENCE: str(delivery.seq)}
        bodies = list(_bodies(done.batch, self._most_bytes))
        for number, body in enumerate(bodies):
            yield Event(
                subject=subject,
                type=Readings.TYPE,
                data=body,
                source=SOURCE,
                id=finished_id(raw_id, number),
                traceparent=traceparent,
                headers=headers | {DUPLICATES: str(done.duplicates)} if done.duplicates and number == 0 else headers,
            )


class RegisterDevices:
    """Devices that the bridge discovered, and those that only readings told of, into the registry."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._met: dict[str, Meet] = {}
        self._someone = asyncio.Event()

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Register who was discovered and return when that is stored."""
        events: list[DeviceDiscovered] = [decode(delivery) for delivery in deliveries]
        await self._registrar.meet(
            Meet(kaiser_id=event.kaiser_id, esp_id=event.esp_id, generation=event.generation, at=event.received_at)
            for event in events
        )

    def met(self, meeting: Meet) -> None:
        """A device that is not registered sent a reading; :meth:`run` registers it, and the reading does not wait."""
        if len(self._met) < MOST_MEETINGS:
            self._met[meeting.esp_id] = meeting
            self._someone.set()

    async def run(self) -> None:
        """Register who was met, until cancelled."""
        while True:
            await self._someone.wait()
            self._someone.clear()
            meetings, self._met = self._met, {}
            try:
                await self._registrar.meet(meetings.values())
            except EventLogError as error:  # the next reading of the device is another meeting
                _log.warning("devices could not be registered", devices=len(meetings), reason=str(error))


class WriteDevices:
    """What is heard of devices into their table; one for each consumer, by whose name is noted how far it is."""

    def __init__(self, presence: Presence, consumer: str, stopping: Callable[[], bool] = _never) -> None:
        self._presence = presence
        self._consumer = consumer
        self._stopping = stopping

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Write what was heard and return when it is committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery says nothing of a device, or the database refuses a value of it.
        """
        try:
            events = [heard(decode(delivery)) for delivery in deliveries]
            await outlast(
                lambda: self._presence.write(events, self._consumer, deliveries[-1].seq),
                what="devices",
                give_up=self._stopping,
            )
        except DatabaseAway as away:
            raise Retry(str(away)) from away
        except (BadData, AttributeError) as error:
            raise Unprocessable(Code.VALUE_OUT_OF_RANGE, str(error)) from error


class WriteStandings:
    """What the registry decided into the table of devices."""

    def __init__(self, standings: Standings, stopping: Callable[[], bool] = _never) -> None:
        self._standings = standings
        self._stopping = stopping

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Write decisions and return when they are committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery is no decision, or the database refuses a value of it.
        """
        await record(
            deliveries,
            lambda delivery: orders.decoder.decode(delivery.type, delivery.data),
            self._standings.write,
            what="decisions",
            give_up=self._stopping,
        )


class RecordReadings:
    """Finished batches into the database: everything that waits in one transaction."""

    def __init__(self, recorder: Recorder, metrics: IngestMetrics, stopping: Callable[[], bool] = _never) -> None:
        self._recorder = recorder
        self._stopping = stopping
        self._metrics = metrics
        self._pace = Pace()
        self._pause_s = 0.0

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Record batches and return when they are committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery is no batch of readings, or the database refuses a value of it.
        """
        batches: list[Readings] = [decode(delivery) for delivery in deliveries]
        try:
            dropped = {d.seq: int(d.headers[DUPLICATES]) for d in deliveries if _DUPLICATES in d.raw_headers}
            recorded = await outlast(
                lambda: self._recorder.record(batches, deliveries[-1].seq, dropped=dropped),
                what="readings",
                give_up=self._stopping,
            )
        except DatabaseAway as away:
            raise Retry(str(away)) from away
        except (BadData, AttributeError, ValueError) as error:
            raise Unprocessable(Code.VALUE_OUT_OF_RANGE, f"not a batch of readings: {error}") from error
        self._count(batches, recorded)
        more = deliveries[-1].pending > 0
        self._pause_s = self._pace.pause_s(recorded.seen, recorded.took_s, time.monotonic(), more=more)

    def rest_s(self) -> float:
        """Seconds to leave the database alone now, after the last batch was acknowledged."""
        return self._pause_s if self._pause_s > SHORTEST_PAUSE_S else 0.0

    def _count(self, batches: list[Readings], recorded: Recorded) -> None:
        metrics, now = self._metrics, now_us()
        metrics.seen += recorded.seen
        metrics.stored += recorded.stored
        metrics.batch.observe(recorded.seen)
        metrics.commit_s.observe(recorded.took_s)
        for batch in batches:
            if batch.received_at:  # those of one batch came with one read of the bridge
                metrics.latency_s.observe((now - batch.received_at[0]) / 1e6, len(batch))


def _meeting(raw: RawReadings, esp_id: str) -> Meet:
    at = raw.esp_id.index(esp_id)
    generation: Generation = "dec" if raw.seq[at] is None else "head"
    return Meet(kaiser_id=raw.kaiser_id, esp_id=esp_id, generation=generation, at=raw.received_at[at])


def _bodies(batch: Readings, most_bytes: int) -> Iterator[bytes]:
    body = encode(batch)
    if len(body) <= most_bytes or len(batch) < 2:
        yield body
        return
    half = len(batch) // 2
    for part in (slice(None, half), slice(half, None)):
        columns = {name: column[part] for name in batch.__struct_fields__ if name != "kaiser_id"
                   and (column := getattr(batch, name)) is not None}  # fmt: skip
        yield from _bodies(msgspec.structs.replace(batch, **columns), most_bytes)
