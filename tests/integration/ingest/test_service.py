"""Ingest as a process of its own, between a real NATS and a real TimescaleDB."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import msgspec
import psycopg
import pytest

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.contracts.streams import DEADLETTER, DEVICES, HEARTBEATS, TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import Event, connect, ensure_streams, replay
from kaiser.local.ephemeral_services import DEVICE_KEY_SECRET

US = 1_000_000


class Ingest:
    """The service, with verbs that do it harm."""

    def __init__(self, nats, dsn: str, log_file) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "KAISER_NATS_URL": nats.url,
            "KAISER_PG_DSN": dsn,
            "KAISER_DEVICE_KEY_SECRET": DEVICE_KEY_SECRET,
            "KAISER_HEALTH_PORT": str(self.port),
            "KAISER_LOG_FORMAT": "json",
        }
        self._log_file = log_file
        self._process: subprocess.Popen | None = None

    def start(self) -> "Ingest":
        with self._log_file.open("ab") as output:
            command = [sys.executable, "-m", "kaiser.ingest"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        self._process.terminate()
        code = self._process.wait(15)
        self._process = None
        return code

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
            return answer.read().decode()

    async def ready(self) -> bool:
        try:
            await asyncio.to_thread(self.get, "/health/ready")
        except OSError:
            return False
        return True


async def eventually(check, *, within_s=20):
    """The value of an async check once it is true."""
    end = time.monotonic() + within_s
    while not (value := await check()):
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.05)
    return value


@pytest.fixture
def ingest(nats_server, own_postgres, tmp_path):
    service = Ingest(nats_server, own_postgres.dsn("kaiser_ingest"), tmp_path / "ingest.log")
    yield service
    service.kill()


@pytest.fixture
async def log(nats_server):
    """A connection with the streams that a bridge makes."""
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (TELEMETRY_RAW, HEARTBEATS, DEADLETTER))
        yield log


@pytest.fixture
def rows(own_postgres):
    """Rows of a query, asked as the owner of the database."""

    async def rows(query):
        async with await psycopg.AsyncConnection.connect(own_postgres.dsn(), autocommit=True) as connection:
            return await (await connection.execute(query)).fetchall()

    return rows


def raw(first: int, n: int, *, device_ts: int | None = None) -> Event:
    """A raw batch of readings that are numbered by their count."""
    now = time.time_ns() // 1000
    numbers = range(first, first + n)
    batch = RawReadings(
        kaiser_id="god", session="bridge", reading_id=list(numbers), delivery=[0] * n, esp_id=["ESP_0A1B2C"] * n,
        gpio=[4] * n, sensor_type=["count"] * n, address=[""] * n, raw=[float(x) for x in numbers], preview=[None] * n,
        quality=["good"] * n, device_ts=[now // US if device_ts is None else device_ts] * n, seq=list(numbers),
        boot=["b1"] * n, zone_id=["north"] * n, subzone_id=[""] * n, received_at=[now] * n, flags=[""] * n,
    )  # fmt: skip
    return Event(
        subject=subjects.telemetry_raw("god", subjects.partition("ESP_0A1B2C")),
        type=RawReadings.TYPE,
        data=msgspec.json.encode(batch),
        source="kaiser/bridge",
    )


@pytest.fixture
def stored(rows):
    """Whether exactly the readings of these numbers are stored, each once."""

    def stored(numbers):
        async def check():
            found = await rows("SELECT raw::bigint FROM ingest.readings ORDER BY 1")
            return [number for (number,) in found] == sorted(numbers)

        return check

    return stored


async def test_a_raw_reading_becomes_a_row_and_can_be_asked_for(ingest, log, stored):
    ingest.start()
    await eventually(ingest.ready)
    await log.publish(raw(0, 10))
    await eventually(stored(range(10)))
    question = b'{"esp_id": "ESP_0A1B2C", "gpio": 4, "sensor_type": "count", "pending": true}'
    answer = await log.nc.request("query.ingest.latest", question, timeout=3)
    assert msgspec.json.decode(answer.data)["ok"]["unit"] == "raw"

    async def pending():
        devices = await log.nc.request("query.ingest.devices", b"{}", timeout=3)
        return [(d["esp_id"], d["state"]) for d in msgspec.json.decode(devices.data)["ok"]["items"]]

    assert await eventually(pending) == [("ESP_0A1B2C", "pending")]
    metrics = ingest.get("/metrics")
    assert 'kaiser_ingest_readings_recorded_total{outcome="stored"} 10.0' in metrics
    assert "kaiser_ingest_received_to_committed_seconds_count 10.0" in metrics
    assert ingest.stop() == 0


async def test_readings_of_a_device_that_nobody_knows_are_kept_and_marked(ingest, log, rows):
    ingest.start()
    await log.publish(raw(0, 1))

    async def kept():
        return await rows("SELECT pending FROM ingest.readings_in_words") if await ingest.ready() else []

    assert await eventually(kept) == [(True,)]


async def test_a_service_killed_between_commit_and_acknowledgement_stores_nothing_twice(
    ingest, log, own_postgres, rows, stored
):
    """A standby that never answers holds the commit, done on disk, back from the client until the service is dead."""
    ingest.start()
    await log.publish(raw(0, 1))
    await eventually(ingest.ready)
    await eventually(stored([0]))
    _hold_commits(own_postgres, "nobody")
    await log.publish(raw(1, 50))

    async def committing():
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%INTO readings%'"
        return await rows(waiting)

    await eventually(committing)
    ingest.kill()
    _hold_commits(own_postgres, "")
    await eventually(stored(range(51)))
    ingest.start()
    await log.publish(raw(51, 1))
    await eventually(stored(range(52)))

    async def redelivered():
        return await rows("SELECT seen, stored, duplicates FROM ingest.progress WHERE duplicates > 0")

    assert await eventually(redelivered) == [(102, 52, 50)]
    assert await rows("SELECT count, total FROM ingest.rollup_1h") == [(52, sum(range(52)))]


async def test_while_the_database_is_away_readings_go_on_and_are_recorded_when_it_is_back(
    ingest, log, own_postgres, stored
):
    ingest.start()
    await eventually(ingest.ready)
    await log.publish(raw(0, 10))
    await eventually(stored(range(10)))
    own_postgres.stop()
    finished = []

    async def live():
        finished[:] = [
            number
            async for delivery in replay(log, TELEMETRY.name)
            for number in msgspec.json.decode(delivery.data, type=Readings).reading_id
        ]
        return finished == list(range(30))

    await log.publish_all([raw(10, 10), raw(20, 10)])
    await eventually(live, within_s=5)
    answer = await log.nc.request("query.ingest.devices", b"{}", timeout=5)
    assert msgspec.json.decode(answer.data)["problem"]["code"] == "DATABASE_ERROR"

    async def says_so():
        try:
            await asyncio.to_thread(ingest.get, "/health/ready")
        except urllib.error.HTTPError as error:
            with error:
                return "recorded when it is back" in error.read().decode()
        return False

    await eventually(says_so)
    own_postgres.start()
    await eventually(stored(range(30)), within_s=4)
    await eventually(ingest.ready)


async def test_a_service_that_waits_for_its_database_can_be_stopped(ingest, log, own_postgres, stored):
    ingest.start()
    await eventually(ingest.ready)
    own_postgres.stop()
    await log.publish(raw(0, 10))
    await asyncio.sleep(1)
    began = time.monotonic()
    assert await asyncio.to_thread(ingest.stop) == 0
    assert time.monotonic() - began < 5
    own_postgres.start()
    ingest.start()
    await eventually(stored(range(10)))


async def test_a_service_that_starts_before_its_servers_waits_for_them(ingest, nats_server, own_postgres, stored):
    own_postgres.stop()
    nats_server.stop()
    ingest.start()
    await asyncio.sleep(1)
    assert not await ingest.ready()
    nats_server.start()
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (TELEMETRY_RAW, HEARTBEATS, DEADLETTER, TELEMETRY, DEVICES))
        await log.publish(raw(0, 5))
        own_postgres.start()
        await eventually(ingest.ready)
        await eventually(stored(range(5)))


async def test_a_message_that_the_broker_delivered_twice_is_one_reading_even_without_a_clock(ingest, log, rows, stored):
    """And still so when the service was killed in between."""
    ingest.start()
    await eventually(ingest.ready)
    await log.publish(raw(0, 3, device_ts=0))
    await eventually(stored(range(3)))
    await log.publish(raw(0, 4, device_ts=0))
    await eventually(stored(range(4)))
    ingest.kill()
    ingest.start()
    await log.publish(raw(2, 4, device_ts=0))
    await eventually(stored(range(6)))
    # What was not acknowledged when it was killed is seen again, and known
    balance = "SELECT seen - duplicates, stored, dropped FROM ingest.progress WHERE consumer = 'recorder'"
    assert await rows(balance) == [(6, 6, 5)]
    assert {source for (source,) in await rows("SELECT time_source FROM ingest.readings_in_words")} == {"server"}


async def test_what_is_no_event_goes_to_the_dead_letters_and_the_rest_goes_on(ingest, log, stored):
    ingest.start()
    await eventually(ingest.ready)
    garbage = Event(subject="telemetry.raw.god.0", type="io.kaiser.telemetry.raw.v1", data=b"{}", source="x")
    await log.publish_all([raw(0, 2), garbage, raw(2, 2)])
    await eventually(stored(range(4)))
    letters = [delivery async for delivery in replay(log, DEADLETTER.name)]
    assert [letter.subject for letter in letters] == ["deadletter.ingest"]
    assert b"INVALID_PAYLOAD_FORMAT" in letters[0].data


def _hold_commits(server, standby: str) -> None:
    """Let commits wait for a standby of this name; for none, where it is empty."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        connection.execute("SELECT pg_reload_conf()")
