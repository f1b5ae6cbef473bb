import msgspec
import pytest

from kaiser.contracts.events.telemetry import RAW_SEQUENCE, RawReadings, Readings
from kaiser.eventlog import Delivery, LogFull, Retry, Unprocessable
from kaiser.ingest.consumers import DUPLICATES, Converter, finished_id, raw_id_of
from kaiser.ingest.converting import Standing
from kaiser.ingest.metrics import IngestMetrics
from kaiser.ingest.window import Window

from .builders import raw


class Recorded:
    """Takes events in place of a log."""

    def __init__(self):
        self.events = []
        self.refuses = None

    async def publish_all(self, events):
        if self.refuses:
            raise self.refuses
        self.events += events
        return []

    @property
    def batches(self):
        return [msgspec.json.decode(event.data, type=Readings) for event in self.events]


def delivery(batch, seq=1, event_id="abc") -> Delivery:
    headers = f"NATS/1.0\r\nce-type: {RawReadings.TYPE}\r\nce-id: {event_id}\r\n\r\n".encode()
    reply = f"$JS.ACK.TELEMETRY_RAW.ingest-converter.1.{seq}.{seq}.0.0"
    body = batch if isinstance(batch, bytes) else msgspec.json.encode(batch)
    return Delivery("telemetry.raw.god.3", body, reply, headers)


def converter(log, *, standings=None, metrics=None, **options) -> Converter:
    return Converter(log, standings or {}, Window(), metrics=metrics or IngestMetrics(), **options)


async def test_a_raw_batch_becomes_a_finished_one_on_the_same_partition_and_named_after_it():
    log = Recorded()
    await converter(log).handle([delivery(raw({}, {}))])
    (event,) = log.events
    assert (event.subject, event.type, event.id) == ("telemetry.reading.god.3", Readings.TYPE, "abc.f")
    assert event.headers == {RAW_SEQUENCE: "1"}, "where its raw batch is"
    assert log.batches[0].reading_id == [1, 2]


async def test_batches_stay_in_order():
    log = Recorded()
    await converter(log).handle([delivery(raw({"reading_id": i}), seq=i, event_id=i) for i in range(9)])
    assert [batch.reading_id for batch in log.batches] == [[i] for i in range(9)]


async def test_a_batch_says_how_many_readings_were_left_out_of_it():
    log = Recorded()
    metrics = IngestMetrics()
    converting = converter(log, metrics=metrics)
    await converting.handle([delivery(raw({"device_ts": 0}, {"device_ts": 0}))])
    await converting.handle([delivery(raw({"device_ts": 0}, {"device_ts": 0}), seq=2, event_id="def")])
    assert len(log.batches[1]) == 0
    assert log.events[1].headers == {DUPLICATES: "2", RAW_SEQUENCE: "2"}
    assert (metrics.converted, metrics.dropped) == (2, 2)


async def test_a_full_log_is_waited_for_and_the_batch_is_whole_when_it_comes_again():
    log = Recorded()
    converting = converter(log)
    log.refuses = LogFull("full", [])
    with pytest.raises(Retry):
        await converting.handle([delivery(raw({"device_ts": 0}))])
    log.refuses = None
    await converting.handle([delivery(raw({"device_ts": 0}))])
    assert log.batches[0].reading_id == [1]


async def test_the_id_of_a_finished_batch_leads_back_to_its_raw_batch():
    assert [raw_id_of(finished_id("s.f.1", number)) for number in (0, 1, 12)] == ["s.f.1"] * 3


async def test_devices_that_are_not_registered_are_told_of():
    met = []
    rows = [{"esp_id": "ESP_000001"}, {"esp_id": "ESP_000002", "seq": None}, {"esp_id": "ESP_000003"}]
    converting = converter(Recorded(), standings={"ESP_000003": Standing()}, met=met.append)
    await converting.handle([delivery(raw(*rows))])
    assert {(meeting.esp_id, meeting.generation) for meeting in met} == {("ESP_000001", "head"), ("ESP_000002", "dec")}


@pytest.mark.parametrize("body", [b"not json", b"{}", b'{"kaiser_id": 1}'])
async def test_what_is_no_batch_is_unprocessable(body):
    with pytest.raises(Unprocessable):
        await converter(Recorded()).handle([delivery(body)])


async def test_columns_of_different_length_are_unprocessable():
    crooked = msgspec.structs.replace(raw({}, {}), quality=["good"])
    with pytest.raises(Unprocessable):
        await converter(Recorded()).handle([delivery(crooked)])


async def test_a_batch_that_grew_too_large_for_one_message_is_split_in_order():
    log = Recorded()
    rows = [{"reading_id": i, "zone_id": "z" * 50} for i in range(100)]
    await converter(log, largest_bytes=20_000).handle([delivery(raw(*rows))])
    assert len(log.events) > 1
    assert len({event.id for event in log.events}) == len(log.events)
    assert all(len(event.data) <= 20_000 - 8192 for event in log.events)
    assert [number for batch in log.batches for number in batch.reading_id] == list(range(100))
