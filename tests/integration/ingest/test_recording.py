import asyncio
from datetime import UTC, datetime

import pytest

from kaiser.ingest.projections import Recorder
from kaiser.timescale import BadData, Database, DatabaseAway, migrate

from .builders import NOW_S, readings

BUCKETS = (
    "SELECT extract(epoch FROM bucket)::bigint, count, errors, total, minimum, maximum, last FROM ingest.{} ORDER BY 1"
)


@pytest.fixture
async def recorder(database):
    recorder = Recorder(database)
    yield recorder
    await recorder.close()


async def test_a_reading_becomes_a_row_with_its_three_times(recorder, ask):
    before = datetime.now(UTC)
    recorded = await recorder.record([readings({"flags": "late", "pending": True})], 7)
    assert (recorded.seen, recorded.stored) == (1, 1)
    ((*words, stored_at),) = await ask(
        "SELECT esp_id, gpio, sensor_type, address, value, unit, quality, time_source, pending, zone_id, flags, raw,"
        " device_ts, extract(epoch FROM measured_at) * 1000000, extract(epoch FROM received_at) * 1000000, stored_at"
        " FROM ingest.readings_in_words"
    )
    assert words == [
        "ESP_0A1B2C", 4, "ds18b20", "28ff000000000001", 25.0, "°C", "good", "device", True, "north", "late", 400.0,
        NOW_S, NOW_S * 1_000_000, NOW_S * 1_000_000 + 1,
    ]  # fmt: skip
    assert before <= stored_at <= datetime.now(UTC)


async def test_a_redelivered_batch_changes_nothing_but_the_count_of_duplicates(recorder, ask):
    batch = readings({}, {"value": 26.0, "at": NOW_S + 1}, {"value": None, "quality": "error", "at": NOW_S + 70})
    tables = ("readings", "rollup_1m", "rollup_1h", "latest", "sensors", "contexts")
    await recorder.record([batch], 1)
    before = [await ask(f"SELECT * FROM ingest.{table} ORDER BY 1, 2") for table in tables]
    again = await recorder.record([batch], 1)
    assert (again.seen, again.stored) == (3, 0)
    assert [await ask(f"SELECT * FROM ingest.{table} ORDER BY 1, 2") for table in tables] == before
    assert await ask("SELECT stream_seq, seen, stored, duplicates FROM ingest.progress") == [(1, 6, 3, 3)]


async def test_readings_that_were_left_out_before_are_counted_once(recorder, ask):
    await recorder.record([readings({}), readings({})], 5, dropped={4: 3, 5: 1})
    await recorder.record([readings({}), readings({})], 6, dropped={5: 1, 6: 2})
    assert await ask("SELECT seen, stored, duplicates, dropped FROM ingest.progress") == [(4, 1, 3, 6)]


async def test_the_same_batch_twice_in_one_transaction_is_stored_once(recorder, ask):
    batch = readings({}, {"value": 26.0, "at": NOW_S + 1})
    recorded = await recorder.record([batch, batch], 2)
    assert (recorded.seen, recorded.stored) == (4, 2)
    assert await ask(BUCKETS.format("rollup_1m")) == [(NOW_S, 2, 0, 51.0, 25.0, 26.0, 26.0)]


async def test_two_recorders_that_get_the_same_batches_at_once_store_each_reading_once(database, ask):
    """As two instances do when one is slow and the log redelivers to the other."""
    recorders = [Recorder(database) for _ in range(2)]
    rows = [{"at": NOW_S + i % 90, "reading_id": i, "esp_id": f"ESP_{i % 40:06X}", "value": 1.0} for i in range(400)]
    for _ in range(5):
        await asyncio.gather(*(recorder.record([readings(*rows)], 1) for recorder in recorders))
        rows = [row | {"reading_id": row["reading_id"] + 400} for row in rows]
    assert await ask("SELECT count(*) FROM ingest.readings") == [(2000,)]
    assert await ask("SELECT sum(count), sum(total) FROM ingest.rollup_1m") == [(2000, 2000.0)]
    assert await ask("SELECT sum(count) FROM ingest.rollup_1h") == [(2000,)]
    assert await ask("SELECT seen, stored, duplicates FROM ingest.progress") == [(4000, 2000, 2000)]
    for recorder in recorders:
        await recorder.close()


async def test_two_probes_of_one_type_on_one_pin_in_the_same_second_are_two_readings(recorder, ask):
    await recorder.record([readings({}, {"address": "28ff000000000002", "value": 19.0})], 1)
    assert await ask("SELECT address, value FROM ingest.readings_in_words ORDER BY 1") == [
        ("28ff000000000001", 25.0),
        ("28ff000000000002", 19.0),
    ]


async def test_two_readings_of_one_sensor_in_the_same_second_are_two_readings(recorder, ask):
    await recorder.record([readings({"value": 1.0}, {"value": 2.0})], 1)
    assert await ask("SELECT value FROM ingest.readings ORDER BY 1") == [(1.0,), (2.0,)]


async def test_late_readings_correct_the_rollups_that_they_belong_to(recorder, ask):
    await recorder.record([readings({"value": 20.0, "at": NOW_S + 30}, {"value": 30.0, "at": NOW_S + 90})], 1)
    await recorder.record([readings({"value": 10.0, "at": NOW_S + 10, "reading_id": 3})], 2)
    assert await ask(BUCKETS.format("rollup_1m")) == [
        (NOW_S, 2, 0, 30.0, 10.0, 20.0, 20.0),
        (NOW_S + 60, 1, 0, 30.0, 30.0, 30.0, 30.0),
    ]
    hour = NOW_S // 3600 * 3600
    assert await ask(BUCKETS.format("rollup_1h")) == [(hour, 3, 0, 60.0, 10.0, 30.0, 30.0)]


async def test_latest_is_by_measured_time(recorder, ask):
    for number, (at, value) in enumerate([(NOW_S, 20.0), (NOW_S + 60, 21.0), (NOW_S - 600, 5.0)]):
        await recorder.record([readings({"at": at, "value": value, "reading_id": number})], number)
    assert await ask("SELECT value FROM ingest.latest") == [(21.0,)]


async def test_of_readings_of_one_second_the_one_received_last_is_the_latest(recorder, ask):
    first, second = {"value": 1.0, "received_at": 5, "reading_id": 9}, {"value": 2.0, "received_at": 6, "reading_id": 1}
    await recorder.record([readings(first, second)], 1)
    assert await ask("SELECT value FROM ingest.latest") == [(2.0,)]
    assert await ask("SELECT last FROM ingest.rollup_1m") == [(2.0,)]
    assert await ask("SELECT last FROM ingest.rollup_1h") == [(2.0,)]


async def test_zero_is_a_value_and_an_error_is_null(recorder, ask):
    await recorder.record(
        [
            readings(
                {"value": 0.0}, {"value": None, "quality": "error", "at": NOW_S + 1}, {"value": -1.0, "at": NOW_S - 1}
            )
        ],
        1,
    )
    assert await ask("SELECT value FROM ingest.readings ORDER BY measured_at") == [(-1.0,), (0.0,), (None,)]
    assert await ask("SELECT value FROM ingest.latest") == [(None,)]
    assert await ask(BUCKETS.format("rollup_1m")) == [
        (NOW_S - 60, 1, 0, -1.0, -1.0, -1.0, -1.0),
        (NOW_S, 2, 1, 0.0, 0.0, 0.0, 0.0),
    ]


async def test_a_bucket_of_errors_alone_has_no_last_value_until_one_comes(recorder, ask):
    await recorder.record([readings({"value": None, "quality": "error"})], 1)
    assert await ask(BUCKETS.format("rollup_1h")) == [(NOW_S // 3600 * 3600, 1, 1, 0.0, None, None, None)]
    await recorder.record([readings({"value": 3.0, "at": NOW_S - 2, "reading_id": 2})], 2)
    assert (await ask(BUCKETS.format("rollup_1h")))[0][1:] == (2, 1, 3.0, 3.0, 3.0, 3.0)


async def test_rollups_are_the_same_in_whatever_order_readings_come(database, recorder, ask):
    rows = [{"value": float(i % 7), "at": NOW_S + i * 11 % 7200, "reading_id": i} for i in range(300)]
    rows += [{"value": None, "quality": "error", "at": NOW_S + i * 50, "reading_id": 900 + i} for i in range(20)]
    tables = [
        "SELECT bucket, count, errors, total, minimum, maximum, last, last_id FROM ingest.rollup_1m ORDER BY 1",
        "SELECT bucket, count, errors, total, minimum, maximum, last, last_id FROM ingest.rollup_1h ORDER BY 1",
        "SELECT sensor_id, measured_at, reading_id, value FROM ingest.latest ORDER BY 1",
    ]
    await recorder.record([readings(*rows)], 1)
    at_once = [await ask(table) for table in tables]
    for table in ("readings", "rollup_1m", "rollup_1h", "latest"):
        await ask(f"WITH gone AS (DELETE FROM ingest.{table} RETURNING 1) SELECT count(*) FROM gone")
    for i in range(0, len(rows), 40):
        part = rows[::-1][i : i + 40]
        await recorder.record([readings(*part), readings(*part[:5])], 2)
    assert [await ask(table) for table in tables] == at_once


async def test_text_that_postgresql_cannot_hold_does_not_cost_the_reading(recorder, ask):
    await recorder.record([readings({"zone_id": "a\x00b", "address": "c\x00"})], 1)
    assert await ask("SELECT zone_id, address FROM ingest.readings_in_words") == [("a\ufffdb", "c\ufffd")]


async def test_a_value_that_the_database_refuses_is_bad_data_and_the_next_batch_is_recorded(recorder):
    with pytest.raises(BadData):
        await recorder.record([readings({"measured_at": -(2**62)})], 1)
    with pytest.raises(BadData):
        await recorder.record([readings({"device_ts": 2**64})], 1)
    assert (await recorder.record([readings({})], 2)).stored == 1


async def test_a_database_that_goes_away_loses_nothing_that_is_given_again(own_postgres):
    database = Database(dsn=own_postgres.dsn("kaiser_ingest"), application_name="test")
    await migrate(database, package="kaiser.ingest", schema="ingest")
    recorder = Recorder(database)
    assert (await recorder.record([readings({})], 1)).stored == 1
    own_postgres.kill()
    with pytest.raises(DatabaseAway):
        await recorder.record([readings({}, {})], 2)
    own_postgres.start()
    async with asyncio.timeout(15):
        while True:
            try:
                recorded = await recorder.record([readings({}, {"reading_id": 2})], 2)
            except DatabaseAway:
                await asyncio.sleep(0.1)
            else:
                break
    assert (recorded.seen, recorded.stored) == (2, 1)
    await recorder.close()
