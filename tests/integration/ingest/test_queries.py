import asyncio
import time

import pytest

from kaiser.contracts.queries import HistoryQuery
from kaiser.ingest.api import answerer, questions
from kaiser.ingest.projections import Recorder
from kaiser.ingest.queries import Queries, resolution_of
from kaiser.timescale import Database, Pool, migrate

from .builders import NOW_S, readings

SENSOR = {"esp_id": "ESP_0A1B2C", "gpio": 4, "sensor_type": "ds18b20"}
US = 1_000_000


@pytest.fixture
async def api(database):
    pool = Pool(database)
    await pool.open()
    yield answerer(questions(Queries(pool, lambda _device, _pin, _address: 30)))
    await pool.close()


@pytest.fixture
async def recorder(database, ask):
    """Records readings of two approved devices."""
    await add_devices(ask, "ESP_0A1B2C", "ESP_0A1B2D", state="approved")
    recorder = Recorder(database)
    yield recorder
    await recorder.close()


@pytest.fixture
def ask_api(api):
    """The answer to a question as plain values, or the code of the problem."""
    import msgspec

    async def ask_api(name, **question):
        reply = await api.answer(f"query.ingest.{name}", msgspec.json.encode(question))
        return reply.problem.code if reply.problem else msgspec.to_builtins(reply.ok)

    return ask_api


async def add_devices(ask, *ids, state="pending", seen_at="now()"):
    for esp_id in ids:
        await ask(
            "INSERT INTO ingest.devices (esp_id, kaiser_id, state, generation, zone_id, first_seen_at, last_seen_at,"
            " presence_at, online, boot)"
            f" VALUES (%s, 'god', %s, 'head', '', now(), {seen_at}, now(), true, '') RETURNING 1",
            esp_id,
            state,
        )


async def test_devices_come_in_order_and_in_pages(ask, ask_api):
    await add_devices(ask, "ESP_000003", "ESP_000001", "ESP_000002")
    first = await ask_api("devices", limit=2)
    second = await ask_api("devices", limit=2, cursor=first["next_cursor"])
    assert [device["esp_id"] for device in first["items"] + second["items"]] == [
        "ESP_000001",
        "ESP_000002",
        "ESP_000003",
    ]
    assert second["next_cursor"] is None
    assert first["items"][0]["online"] is True


async def test_the_health_of_a_device_is_told_over_time_and_in_pages(ask, ask_api):
    for minute in range(3):
        at = NOW_S + 60 * minute
        await ask(f"INSERT INTO ingest.health VALUES ('ESP_1', to_timestamp({at}), {60 * minute}, 9, -61) RETURNING 1")
    span = {"esp_id": "ESP_1", "start": NOW_S * US, "end": (NOW_S + 121) * US, "limit": 2}
    first = await ask_api("health", **span)
    second = await ask_api("health", **span, cursor=first["next_cursor"])
    assert [beat["uptime_s"] for beat in first["items"] + second["items"]] == [0, 60, 120]
    assert second["next_cursor"] is None


async def test_devices_may_be_chosen_by_state(ask, ask_api):
    await add_devices(ask, "ESP_000001")
    await add_devices(ask, "ESP_000002", state="approved")
    found = await ask_api("devices", state="pending")
    assert [device["esp_id"] for device in found["items"]] == ["ESP_000001"]


async def test_a_device_that_has_been_silent_for_minutes_is_offline(ask, ask_api):
    await add_devices(ask, "ESP_000001", seen_at="now() - interval '6 minutes'")
    device = await ask_api("device", esp_id="ESP_000001")
    assert (device["online"], device["offline_reason"]) == (False, "silent")


async def test_a_question_about_nothing_known_has_a_stable_code(ask, ask_api):
    assert await ask_api("device", esp_id="ESP_FFFFFF") == "ESP_DEVICE_NOT_FOUND"
    assert await ask_api("latest", **SENSOR) == "ESP_DEVICE_NOT_FOUND"
    await add_devices(ask, "ESP_0A1B2C")
    assert await ask_api("latest", **SENSOR) == "SENSOR_NOT_FOUND"


async def test_a_question_that_is_none_is_a_problem_and_not_a_silence(recorder, ask_api):
    await recorder.record([readings({})], 1)
    assert await ask_api("device") == "INVALID_PAYLOAD_FORMAT"
    assert await ask_api("devices", limit=0) == "VALUE_OUT_OF_RANGE"
    assert await ask_api("devices", cursor="rubbish!") == "VALUE_OUT_OF_RANGE"
    assert await ask_api("devices", cursor="WzFd") == "VALUE_OUT_OF_RANGE"
    assert await ask_api("device", esp_id="a\x00b") == "VALUE_OUT_OF_RANGE"
    assert await ask_api("history", **SENSOR, start=5, end=5) == "VALUE_OUT_OF_RANGE"
    assert await ask_api("history", **SENSOR, start=-(2**62), end=5) == "VALUE_OUT_OF_RANGE"


async def test_sensors_come_with_their_latest_reading(recorder, ask_api):
    second_probe = {"address": "28ff000000000002", "value": 0.0, "reading_id": 77}
    await recorder.record([readings({}, second_probe, {"esp_id": "ESP_0A1B2D", "zone_id": "south"})], 1)
    everything = await ask_api("sensors", limit=2)
    rest = await ask_api("sensors", limit=2, cursor=everything["next_cursor"])
    assert [(s["esp_id"], s["address"][-1]) for s in everything["items"] + rest["items"]] == [
        ("ESP_0A1B2C", "1"),
        ("ESP_0A1B2C", "2"),
        ("ESP_0A1B2D", "1"),
    ]
    assert everything["items"][1]["latest"]["value"] == 0.0
    assert [s["esp_id"] for s in (await ask_api("sensors", zone_id="south"))["items"]] == ["ESP_0A1B2D"]


@pytest.mark.parametrize("state", ["pending", "rejected"])
async def test_readings_of_a_device_that_nobody_has_approved_are_kept_and_not_shown(ask, recorder, ask_api, state):
    await recorder.record([readings({})], 1)
    await ask("UPDATE ingest.devices SET state = %s RETURNING 1", state)
    span = {"start": 0, "end": 2 * NOW_S * US}
    assert await ask_api("latest", **SENSOR) == "DEVICE_STATE_FORBIDS"
    assert await ask_api("history", **SENSOR, **span) == "DEVICE_STATE_FORBIDS"
    assert (await ask_api("sensors"))["items"] == []
    assert (await ask_api("latest", **SENSOR, pending=True))["value"] == 25.0
    assert len((await ask_api("sensors", pending=True))["items"]) == 1
    await ask("UPDATE ingest.devices SET state = 'retired' RETURNING 1")
    assert (await ask_api("latest", **SENSOR))["value"] == 25.0


async def test_of_two_probes_on_one_pin_the_address_must_say_which(recorder, ask_api):
    await recorder.record([readings({}, {"address": "28ff000000000002", "value": 19.0})], 1)
    assert await ask_api("latest", **SENSOR) == "SENSOR_AMBIGUOUS"
    assert (await ask_api("latest", **SENSOR, address="28ff000000000002"))["value"] == 19.0


async def test_the_latest_reading_says_everything_that_is_known_of_it(recorder, ask_api):
    await recorder.record([readings({"flags": "late", "subzone_id": "bench_a"})], 1)
    latest = await ask_api("latest", **SENSOR)
    stored_at = latest.pop("stored_at")
    assert abs(stored_at / US - time.time()) < 10
    assert latest == {
        "reading_id": 1, "measured_at": NOW_S * US, "time_source": "device", "device_ts": NOW_S,
        "received_at": NOW_S * US + 1, "raw": 400.0, "value": 25.0, "unit": "°C", "quality": "stale",
        "zone_id": "north", "subzone_id": "bench_a", "pending": False, "flags": "late",
    }  # fmt: skip


async def test_a_sensor_is_stale_when_more_than_three_readings_are_missing(ask, recorder, ask_api):
    await recorder.record([readings({})], 1)
    for seconds, stale in ((100, False), (120, True)):
        await ask("UPDATE ingest.latest SET received_at = now() - %s * interval '1 second' RETURNING 1", seconds)
        (sensor,) = (await ask_api("sensors"))["items"]
        assert (sensor["stale"], sensor["interval_s"]) == (stale, 30)
        assert sensor["latest"]["quality"] == ("stale" if stale else "good")


async def test_history_shows_its_gaps(recorder, ask_api):
    at = [0, 30, 60, 600, 630]
    await recorder.record(
        [readings(*({"reading_id": i, "measured_at": (NOW_S + s) * US} for i, s in enumerate(at, 1)))], 1
    )
    span = {"start": NOW_S * US, "end": (NOW_S + 640) * US}
    raw = await ask_api("history", **SENSOR, **span, resolution="raw")
    assert raw["gaps"] == [{"start": (NOW_S + 60) * US, "end": (NOW_S + 600) * US}]
    minutes = await ask_api("history", **SENSOR, **span, resolution="1m")
    before, after = (rollup["start"] for rollup in minutes["rollups"][1:3])
    assert minutes["gaps"][0] == {"start": before + 60 * US, "end": after}


async def pages(ask_api, field, **question):
    """All points of a history, following the cursors."""
    points, cursor = [], None
    while True:
        page = await ask_api("history", **SENSOR, **question, cursor=cursor)
        points += page[field]
        cursor = page["next_cursor"]
        if cursor is None:
            return points


async def test_raw_history_is_paged_without_gap_or_repetition_even_within_one_second(recorder, ask_api):
    rows = [{"at": NOW_S + i // 7, "reading_id": (i * 31) % 100, "value": float(i)} for i in range(100)]
    await recorder.record([readings(*rows)], 1)
    points = await pages(ask_api, "readings", start=NOW_S * US, end=(NOW_S + 14) * US, limit=9)
    assert len(points) == 98
    assert sorted(point["value"] for point in points) == [float(i) for i in range(98)]
    assert [point["measured_at"] for point in points] == sorted(point["measured_at"] for point in points)


async def test_history_by_the_minute_begins_with_the_bucket_that_holds_the_start(recorder, ask_api):
    rows = [{"at": NOW_S + i, "value": float(i), "reading_id": i} for i in range(300)]
    await recorder.record([readings(*rows)], 1)
    points = await pages(ask_api, "rollups", start=(NOW_S + 70) * US, end=(NOW_S + 240) * US, resolution="1m", limit=1)
    assert [
        (p["start"] // US - NOW_S, p["count"], p["minimum"], p["maximum"], p["mean"], p["last"]) for p in points
    ] == [
        (60, 60, 60.0, 119.0, 89.5, 119.0),
        (120, 60, 120.0, 179.0, 149.5, 179.0),
        (180, 60, 180.0, 239.0, 209.5, 239.0),
    ]


async def test_history_by_the_day_is_merged_from_the_hours(recorder, ask_api):
    day = NOW_S // 86_400 * 86_400
    hours = [(day + 3600, 1.0), (day + 7200, 5.0), (day + 7260, None), (day + 86_400, 7.0)]
    rows = [
        {"at": at, "value": value, "quality": "error" if value is None else "good", "reading_id": i}
        for i, (at, value) in enumerate(hours)
    ]
    await recorder.record([readings(*rows)], 1)
    history = await ask_api("history", **SENSOR, start=day * US, end=(day + 2 * 86_400) * US, resolution="1d")
    assert [
        (p["start"] // US - day, p["count"], p["errors"], p["minimum"], p["maximum"], p["mean"], p["last"])
        for p in history["rollups"]
    ] == [(0, 3, 1, 1.0, 5.0, 3.0, 5.0), (86_400, 1, 0, 7.0, 7.0, 7.0, 7.0)]


async def test_a_bucket_of_errors_has_no_mean(recorder, ask_api):
    await recorder.record([readings({"value": None, "quality": "error"})], 1)
    history = await ask_api("history", **SENSOR, start=NOW_S * US, end=(NOW_S + 60) * US, resolution="1h")
    (point,) = history["rollups"]
    assert (point["count"], point["errors"], point["mean"], point["last"]) == (1, 1, None, None)


@pytest.mark.parametrize(
    ("span_s", "resolution"),
    [(60, "raw"), (7200, "raw"), (7201, "1m"), (7 * 86_400, "1m"), (7 * 86_400 + 1, "1h"), (181 * 86_400, "1d")],
)
def test_the_resolution_follows_from_the_span(span_s, resolution):
    assert resolution_of(HistoryQuery(**SENSOR, start=0, end=span_s * US)) == resolution


@pytest.mark.parametrize("fault", ["stop", "pause"])
async def test_while_the_database_is_away_questions_are_answered_with_that(own_postgres, fault):
    database = Database(dsn=own_postgres.dsn("kaiser_ingest"), application_name="test")
    await migrate(database, package="kaiser.ingest", schema="ingest")
    pool = Pool(database)
    await pool.open()
    api = answerer(questions(Queries(pool, lambda _device, _pin, _address: 30)))
    assert (await api.answer("query.ingest.devices", b"")).problem is None
    getattr(own_postgres, fault)()
    began = time.monotonic()
    replies = await asyncio.gather(*(api.answer("query.ingest.devices", b"{}") for _ in range(20)))
    assert {reply.problem.code for reply in replies} == {"DATABASE_ERROR"}
    assert time.monotonic() - began < 6
    {"stop": own_postgres.start, "pause": own_postgres.resume}[fault]()
    async with asyncio.timeout(20):
        while (await api.answer("query.ingest.devices", b"{}")).problem is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await pool.close()
