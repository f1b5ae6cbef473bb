"""Orders about sensors on the log, and history made anew in the database."""

import asyncio
import random

import pytest

from kaiser.contracts import commands
from kaiser.contracts.events.calibration import SensorKey
from kaiser.contracts.queries import CalibrationQuery
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEADLETTER, DEVICES, DOWNLINK, HEARTBEATS
from kaiser.eventlog import Lease, connect, ensure_streams, now_us
from kaiser.ingest.calibrations import Calibrations
from kaiser.ingest.directory import Directory, Registrar
from kaiser.ingest.intents import Meet
from kaiser.ingest.orders import Orders
from kaiser.ingest.projections import Recorder
from kaiser.ingest.queries import Queries
from kaiser.ingest.recomputing import Recomputing, Steps
from kaiser.ingest.refusals import RegistryError
from kaiser.physics import families
from kaiser.timescale import Pool

from .builders import readings
from .ending import end

ESP = "ESP_0A1B2C"
PH = SensorKey(gpio=34, sensor_type="ph")
PROBE = SensorKey(gpio=4, sensor_type="ds18b20", address="28ff000000000001")
COUNT = {"gpio": 34, "sensor_type": "ph", "address": "", "raw": 2520.0, "value": 5.1, "unit": "pH", "quality": "fair"}
HOUR_S = 3600
US = 1_000_000
ASKED = {"esp_id": ESP, "by": "eva", "sensor": PH}

MADE = (
    "SELECT count(*), sum(value), min(value), max(value) FROM ingest.readings JOIN ingest.sensors USING (sensor_id)"
    " WHERE sensor_type = 'ph' GROUP BY time_bucket('{}', measured_at) ORDER BY min(measured_at)"
)
ROLLED = (
    "SELECT count, total, minimum, maximum FROM ingest.rollup_{} JOIN ingest.sensors USING (sensor_id)"
    " WHERE sensor_type = 'ph' ORDER BY bucket"
)


class Site:
    """A log, a database, and an approved device."""

    def __init__(self, log, pool: Pool) -> None:
        known, orders = families(), Orders(log, b"s" * 32)
        self.log = log
        self.directory = Directory()
        self.orders = orders
        self.calibrations = Calibrations(log, orders, known, Queries(pool, self.directory.interval_s).latest)
        self.steps = Steps(pool, known, self.directory.sensors)
        self.again = Recomputing(
            self.steps,
            self.directory.sensors,
            self.calibrations,
            Lease(log, "ingest", "recomputing", holder="test", ttl_s=5),
            settle_us=0,
        )

    async def calibrate(self):
        """Two buffers, with counts that are given."""
        await self.calibrations.start(commands.StartCalibration(kind="ph", **ASKED), now_us())
        for raw, reference in ((1861.0, 7.0), (2520.0, 4.0)):
            point = commands.TakeCalibrationPoint(raw=raw, reference=reference, temperature_c=25.0, **ASKED)
            await self.calibrations.take_point(point, now_us())
        return await self.calibrations.finish(commands.FinishCalibration(**ASKED), now_us())

    async def recompute(self, calibration, start=1):
        """What an order comes to."""
        order = commands.RecomputeReadings(start=start, end=now_us(), calibration=calibration, **ASKED)
        wanted = await self.calibrations.recompute(order, now_us())
        return await self.recomputed(wanted.recompute_id)

    async def recomputed(self, recompute_id):
        async with asyncio.timeout(20):
            while True:
                found = await self.calibrations.shown(CalibrationQuery(esp_id=ESP, sensor=PH), now_us())
                done = next(each for each in found.recomputes if each.recompute_id == recompute_id)
                if done.finished_at:
                    return done
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(nats_server, database):
    pool = Pool(database)
    await pool.open()
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (DEVICES, DOWNLINK, HEARTBEATS, DEADLETTER))
        site = Site(log, pool)
        following = asyncio.create_task(site.directory.follow(log))
        await site.directory.wait_caught_up(5)
        meeting = Meet(kaiser_id="god", esp_id=ESP, generation="head", at=now_us())
        await Registrar(log, site.directory).meet([meeting])
        await site.orders.approve(commands.ApproveDevice(esp_id=ESP, by="eva"), now_us())
        working = asyncio.create_task(site.again.run())
        yield site
        await end(following, working)
    await pool.close()


@pytest.fixture
async def recorder(database, ask):
    recorder = Recorder(database)
    yield recorder
    await recorder.close()


async def rollups_fit(ask) -> None:
    """Rollups hold what the readings do."""
    for table, width in (("1m", "1 minute"), ("1h", "1 hour")):
        made = await ask(MADE.format(width))
        assert [(n, pytest.approx(total), *ends) for n, total, *ends in made] == await ask(ROLLED.format(table))


async def test_a_point_is_the_latest_reading_if_that_is_of_the_last_minute(site, recorder, ask) -> None:
    await site.calibrations.start(commands.StartCalibration(kind="ph", **ASKED), now_us())
    point = commands.TakeCalibrationPoint(reference=7.0, **ASKED)
    with pytest.raises(Refusal, match="was ever heard"):  # the table knows no such device yet
        await site.calibrations.take_point(point, now_us())
    now_s = now_us() // US
    await recorder.record([readings(COUNT | {"at": now_s - 90, "reading_id": 7})], 1)
    with pytest.raises(RegistryError) as refused:
        await site.calibrations.take_point(point, now_us())
    assert refused.value.code == "READING_TOO_OLD"
    await recorder.record([readings(COUNT | {"at": now_s, "raw": 1861.0, "reading_id": 8})], 2)
    assert (await site.calibrations.take_point(point, now_us())).points == 1
    shown = await site.calibrations.shown(CalibrationQuery(esp_id=ESP, sensor=PH), now_us())
    (taken,) = shown.sessions[0].points
    assert (taken.raw, taken.reading_id, taken.temperature_c) == (1861.0, 8, None)


async def test_only_sensors_of_an_approved_device_are_calibrated(site) -> None:
    for esp_id, code in (("ESP_000000", "ESP_DEVICE_NOT_FOUND"), (ESP, "DEVICE_STATE_FORBIDS")):
        await site.orders.retire(commands.RetireDevice(esp_id=ESP, by="eva", reason="broken"), now_us())
        asked = commands.StartCalibration(kind="ph", **ASKED | {"esp_id": esp_id})
        with pytest.raises(RegistryError) as refused:
            await site.calibrations.start(asked, now_us())
        assert refused.value.code == code


async def test_two_people_that_start_at_once_have_one_calibration_between_them(site) -> None:
    asked = commands.StartCalibration(kind="ph", **ASKED)
    begun = await asyncio.gather(*(site.calibrations.start(asked, now_us()) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in begun) == 1
    assert {outcome.code for outcome in begun if isinstance(outcome, RegistryError)} == {"CALIBRATION_OPEN"}


async def test_history_is_made_anew_with_a_better_calibration_and_back_with_that_of_the_day(
    site, recorder, ask
) -> None:
    first = now_us() // US // HOUR_S * HOUR_S - 5 * HOUR_S
    rows = [COUNT | {"at": first + i * 61, "reading_id": i, "raw": 1861.0 + i} for i in range(200)]
    await recorder.record([readings(*rows, {"at": first})], 1)
    done = await site.calibrate()
    result = await site.recompute(done.session_id)
    assert (result.rows, result.changed, result.by) == (200, 200, "eva")
    ((value, quality),) = await ask("SELECT value, quality FROM ingest.readings_in_words WHERE raw = 1861")
    assert (value, quality) == (pytest.approx(7.0), "good")
    await rollups_fit(ask)
    ((latest,),) = await ask("SELECT value FROM ingest.latest JOIN ingest.sensors USING (sensor_id) WHERE gpio = 34")
    ((newest,),) = await ask("SELECT value FROM ingest.readings_in_words WHERE raw = 2060")
    assert latest == newest
    assert await ask("SELECT value FROM ingest.readings_in_words WHERE gpio = 4") == [(25.0,)], "is another sensor's"

    again = await site.recompute(done.session_id)
    assert (again.rows, again.changed) == (200, 0)
    back = await site.recompute("that_day")
    assert back.changed == 200, "nobody had calibrated it then"
    ((quality,),) = await ask("SELECT quality FROM ingest.readings_in_words WHERE raw = 1861")
    assert quality == "fair"


async def test_a_part_of_an_hour_is_made_anew_and_the_rollups_hold_both(site, recorder, ask) -> None:
    first = now_us() // US // HOUR_S * HOUR_S - 2 * HOUR_S
    await recorder.record([readings(*(COUNT | {"at": first + i * 600, "reading_id": i} for i in range(6)))], 1)
    done = await site.calibrate()
    result = await site.recompute(done.session_id, start=(first + 1800) * US)
    assert (result.rows, result.changed) == (3, 3)
    await rollups_fit(ask)


async def test_what_was_stopped_goes_on_where_it_stopped(site, recorder, ask) -> None:
    first = now_us() // US // HOUR_S * HOUR_S - 9 * HOUR_S
    rows = [COUNT | {"at": first + i * 1800, "reading_id": i} for i in range(16)]
    await recorder.record([readings(*rows)], 1)
    done = await site.calibrate()
    result = await site.recompute(done.session_id)
    await ask(
        "UPDATE ingest.recomputes SET next_at = to_timestamp(%s), seen = 8, changed = 8 RETURNING 1", first + 14400
    )
    order = next(
        each.ordered
        for each in (await site.calibrations.state(ESP)).of(PH).recomputes.values()
        if each.ordered.recompute_id == result.recompute_id
    )
    readers = site.steps.readers(order)
    steps = [await site.steps.step(order, readers) for _ in range(5)]
    assert steps == [None, None, None, None, (16, 8)]


async def test_readings_that_come_meanwhile_are_counted_once(site, recorder, ask) -> None:
    hour = now_us() // US // HOUR_S * HOUR_S - HOUR_S
    chance = random.Random(5)
    done = await site.calibrate()
    order = commands.RecomputeReadings(start=hour * US, end=now_us(), calibration=done.session_id, **ASKED)

    async def recompute() -> None:
        for _ in range(3):
            wanted = await site.calibrations.recompute(order, now_us())
            await site.recomputed(wanted.recompute_id)

    async def record() -> None:
        for number in range(400):
            rows = [COUNT | {"at": hour + chance.randrange(HOUR_S), "reading_id": number * 10 + i} for i in range(10)]
            await recorder.record([readings(*rows)], number)
            await asyncio.sleep(0.005)

    await asyncio.gather(recompute(), record())
    assert (await ask("SELECT count(*) FROM ingest.readings")) == [(4000,)]
    await rollups_fit(ask)
