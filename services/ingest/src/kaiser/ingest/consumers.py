"""What ingest receives: raw readings to convert, finished ones to record. Handlers of batches of deliveries."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.contracts.streams import TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import ConsumerSpec, Delivery, Event, LogFull, Retry, Unprocessable
from kaiser.eventlog.publish import PubAck
from kaiser.ingest.converting import Converted, Standing, convert
from kaiser.ingest.projections import Recorder
from kaiser.ingest.sensors import Sensors
from kaiser.ingest.window import Window
from kaiser.timescale import BadData, DatabaseAway

_log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/ingest"
CONVERTER: Final = ConsumerSpec(stream=TELEMETRY_RAW.name, durable="ingest-converter")
RECORDER: Final = ConsumerSpec(stream=TELEMETRY.name, durable="ingest-recorder")

DUPLICATES: Final = "Kaiser-Duplicates"
"""Header of a finished batch: readings that its raw batch held and it does not, for the broker delivered them twice."""
HEADROOM_BYTES: Final = 8 * 1024
"""What headers may take of the largest message that the server accepts."""

_DUPLICATES: Final = DUPLICATES.encode()
_decode_raw = msgspec.json.Decoder(RawReadings).decode
_decode = msgspec.json.Decoder(Readings).decode
_encode = msgspec.json.Encoder().encode


class Log(Protocol):
    """What the converter needs of the event log."""

    async def publish_all(self, events: Sequence[Event]) -> list[PubAck]:
        """Store events and return when all are."""
        ...


class Converter:
    """Raw batches to finished ones. Deterministic, and without a database on its way."""

    def __init__(
        self, log: Log, standings: Mapping[str, Standing], window: Window, *, largest_bytes: int = 1024 * 1024
    ) -> None:
        """Wire it.

        Args:
            log: Where finished readings go.
            standings: Devices by id; kept up to date by whoever knows them.
            window: Server-dated readings of the last minutes.
            largest_bytes: Largest message that the server accepts.
        """
        self._log = log
        self._standings = standings
        self._window = window
        self._sensors = Sensors()
        self._most_bytes = largest_bytes - HEADROOM_BYTES
        self.converted = 0
        self.duplicates = 0

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Convert batches and return when what came of them is stored.

        Raises:
            Retry: The stream of finished readings is full.
            Unprocessable: A delivery is no batch of raw readings.
        """
        remembered: list[int] = []
        events: list[Event] = []
        converted = duplicates = 0
        try:
            for delivery in deliveries:
                done = self._convert(delivery)
                remembered += done.remembered
                converted += len(done.batch)
                duplicates += done.duplicates
                events += self._events(delivery, done)
            await self._log.publish_all(events)
        except BaseException as error:
            self._window.forget(remembered)
            if isinstance(error, LogFull):
                raise Retry(str(error)) from error
            raise
        self.converted += converted
        self.duplicates += duplicates

    def _convert(self, delivery: Delivery) -> Converted:
        try:
            return convert(_decode_raw(delivery.data), self._sensors, self._standings, self._window)
        except (msgspec.DecodeError, ValueError) as error:
            raise Unprocessable("INVALID_PAYLOAD_FORMAT", f"not a batch of raw readings: {error}") from error

    def _events(self, delivery: Delivery, done: Converted) -> Iterator[Event]:
        """The finished batch as one event; as several where the values made it too large for one message."""
        raw_id = delivery.id or f"{delivery.stream}.{delivery.seq}"
        part = delivery.subject.rpartition(".")[2]
        subject = subjects.telemetry_reading(done.batch.kaiser_id, int(part))
        bodies = list(_bodies(done.batch, self._most_bytes))
        for number, body in enumerate(bodies):
            yield Event(
                subject=subject,
                type=Readings.TYPE,
                data=body,
                source=SOURCE,
                id=f"{raw_id}.f" if number == 0 else f"{raw_id}.f{number}",
                traceparent=delivery.traceparent,
                headers={DUPLICATES: str(done.duplicates)} if done.duplicates and number == 0 else None,
            )


class RecordReadings:
    """Finished batches into the database: everything that waits in one transaction."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.seen = 0
        self.stored = 0
        self.committed_at = 0.0

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Record batches and return when they are committed.

        Raises:
            Retry: The database is away; nothing is lost, and the same batches come again.
            Unprocessable: A delivery is no batch of readings, or the database refuses a value of it.
        """
        try:
            batches = [_decode(delivery.data) for delivery in deliveries]
            dropped = {d.seq: int(d.headers[DUPLICATES]) for d in deliveries if _DUPLICATES in d.raw_headers}
            recorded = await self._recorder.record(batches, deliveries[-1].seq, dropped=dropped)
        except DatabaseAway as away:
            raise Retry(str(away)) from away
        except (BadData, msgspec.DecodeError, ValueError) as error:
            raise Unprocessable("INVALID_PAYLOAD_FORMAT", f"not a batch of readings: {error}") from error
        self.seen += recorded.seen
        self.stored += recorded.stored
        self.committed_at = time.monotonic()


def _bodies(batch: Readings, most_bytes: int) -> Iterator[bytes]:
    body = _encode(batch)
    if len(body) <= most_bytes or len(batch) < 2:
        yield body
        return
    half = len(batch) // 2
    for part in (slice(None, half), slice(half, None)):
        columns = {name: column[part] for name in batch.__struct_fields__ if name != "kaiser_id"
                   and (column := getattr(batch, name)) is not None}  # fmt: skip
        yield from _bodies(msgspec.structs.replace(batch, **columns), most_bytes)
