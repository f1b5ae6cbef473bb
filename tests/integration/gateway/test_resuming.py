"""Whoever comes back with a cursor gets what came meanwhile, once and in order, or is told what not."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from kaiser.contracts import subjects
from kaiser.contracts.events.safeguards import AlertCleared
from kaiser.contracts.events.telemetry import Readings
from kaiser.eventlog import Event, EventLog
from kaiser.gateway import positions
from kaiser.gateway.backfill import AT_ONCE
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import client_of, socket_of, subscribe

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
DEVICES = ("ESP_000001", "ESP_000002", "ESP_000003")


def batch(first: int, *, esp_id: str = DEVICES[0], count: int = 1, zone_id: str = "") -> Event:
    at = 1_777_500_031_000_000
    body = Readings(
        kaiser_id="god",
        reading_id=list(range(first, first + count)),
        sensor_id=[4711] * count,
        esp_id=[esp_id] * count,
        gpio=[4] * count,
        sensor_type=["ds18b20"] * count,
        address=[""] * count,
        raw=[352.0] * count,
        value=[22.0] * count,
        unit=["°C"] * count,
        quality=["good"] * count,
        measured_at=[at] * count,
        time_source=["device"] * count,
        device_ts=[at // 1_000_000] * count,
        received_at=[at] * count,
        zone_id=[zone_id] * count,
        subzone_id=[""] * count,
        pending=[False] * count,
        flags=[""] * count,
    )
    subject = subjects.telemetry_reading("god", subjects.partition(esp_id))
    return Event(subject=subject, type=Readings.TYPE, data=msgspec.json.encode(body), source="test")


def cleared(number: int) -> Event:
    event_type = AlertCleared.TYPE
    body = json.loads((SAMPLES / f"{event_type}.json").read_bytes()) | {"alert_id": str(number), "esp_id": DEVICES[0]}
    return Event(subject=f"safety.alert.{number}", type=event_type, data=json.dumps(body).encode(), source="test")


class Reading:
    """A client that goes on from its last cursor; ``ids`` are those of the readings that it got."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.alerts: list[int] = []
        self.missed: list[dict] = []
        self.cursor = ""

    async def read(self, client: httpx.AsyncClient, *, until: int, **wish) -> None:
        """Read until it has as many readings and alerts altogether."""
        async with socket_of(client) as ws:
            await self.read_from(ws, client, until=until, **wish)

    async def read_from(self, ws, client: httpx.AsyncClient, *, until: int, **wish) -> None:
        answer = await subscribe(ws, client, cursor=self.cursor, **wish)
        self.cursor = answer["cursor"]
        async with asyncio.timeout(60):
            while len(self.ids) + len(self.alerts) < until:
                self.take(json.loads(await ws.recv()))

    def take(self, message: dict) -> None:
        if message["type"] == "missed":
            self.missed.append(message)
        for event in message.get("events", []):
            if event["type"] == "sensor_data":
                self.ids.append(int(event["data"]["reading_id"]))
            else:
                self.alerts.append(int(event["data"]["alert_id"]))
        self.cursor = message.get("cursor", self.cursor)


async def test_what_came_while_a_client_was_away_comes_first(client: httpx.AsyncClient, log: EventLog) -> None:
    reading = Reading()
    async with socket_of(client) as ws:
        await reading.read_from(ws, client, until=0)
        await log.publish_all([batch(number) for number in range(10)])
        while len(reading.ids) < 10:
            reading.take(json.loads(await ws.recv()))
    await log.publish_all([batch(number) for number in range(10, 300)])
    await reading.read(client, until=300)
    assert reading.ids == list(range(300))
    assert not reading.missed


async def test_a_gateway_that_was_killed_loses_and_doubles_nothing(
    gateway: Service, client: httpx.AsyncClient, log: EventLog
) -> None:
    reading = Reading()
    await reading.read(client, until=0)
    for life in range(3):
        await log.publish_all([batch(100 * life + number) for number in range(100)])
        await asyncio.to_thread(gateway.kill)
        gateway.start()
        await reading.read(client, until=100 * (life + 1))
    assert reading.ids == list(range(300))


@pytest.fixture
async def forgetful(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Service]:
    """A gateway that keeps little in memory, so that the log is read."""
    service = ephemeral_services.gateway(
        tmp_path / "forgetful", nats_server, postgres, recent_bytes="65536", resume_messages="5000", frames_per_s="100"
    )
    try:
        yield service.start()
    finally:
        service.kill()


async def test_what_memory_does_not_hold_is_read_from_the_log_without_a_gap(forgetful: Service, log: EventLog) -> None:
    reading = Reading()
    async with client_of(forgetful, "viewer") as client:
        await reading.read(client, until=0)
        await log.publish_all([batch(number, count=1) for number in range(3000)])

        async def go_on() -> None:
            for number in range(3000, 3500):
                await log.publish(batch(number))

        publishing = asyncio.create_task(go_on())
        await reading.read(client, until=3500)
        await publishing
    assert reading.ids == list(range(3500))
    assert not reading.missed


async def test_what_is_too_far_or_gone_is_told_with_its_range(forgetful: Service, log: EventLog) -> None:
    far, gone = Reading(), Reading()
    async with client_of(forgetful, "viewer") as client:
        await far.read(client, until=0)
        await log.publish_all([batch(number) for number in range(6000)])
        await far.read(client, until=5000)
        assert far.ids == list(range(1000, 6000))
        assert _missed(far) == {("far", seq) for seq in range(1, 1001)}
        await log.js.purge_stream("TELEMETRY", seq=5001)
        gone.cursor = positions.write({"TELEMETRY": 4000})
        await gone.read(client, until=1000)
        assert gone.ids == list(range(5000, 6000))
        assert _missed(gone) == {("gone", seq) for seq in range(4001, 5001)}


@pytest.fixture
async def narrow(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Service]:
    """A gateway that keeps little in memory, and little for each client."""
    small = {"recent_bytes": "65536", "buffer_bytes": "65536"}
    service = ephemeral_services.gateway(tmp_path / "narrow", nats_server, postgres, **small)
    try:
        yield service.start()
    finally:
        service.kill()


@contextlib.asynccontextmanager
async def slow_socket_of(client: httpx.AsyncClient) -> AsyncIterator[websockets.ClientConnection]:
    """A socket of a client that takes next to nothing until it reads."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, (client.base_url.host, client.base_url.port))
    async with socket_of(client, sock=plain, max_queue=1, ping_interval=None) as ws:
        try:
            yield ws
        finally:
            ws.transport.abort()  # a farewell would have to wait behind what it does not read


async def test_who_reads_slowly_in_the_log_keeps_nobody_else_from_it(narrow: Service, log: EventLog) -> None:
    await log.publish_all([batch(100 * number, count=100) for number in range(150)])
    async with client_of(narrow, "viewer") as client, contextlib.AsyncExitStack() as stack:
        for _ in range(AT_ONCE):
            slow = await stack.enter_async_context(slow_socket_of(client))
            await subscribe(slow, client, cursor=positions.write({"TELEMETRY": 0}))
            await slow.recv()
        reading = Reading()
        reading.cursor = positions.write({"TELEMETRY": 0})
        await reading.read(client, until=15_000)
    assert reading.ids == list(range(15_000))
    assert not reading.missed


@pytest.mark.parametrize("filters", [{}, {"esp_ids": [DEVICES[0]]}], ids=["everything", "a device"])
async def test_what_the_log_lets_go_while_it_is_read_is_told(narrow: Service, log: EventLog, filters: dict) -> None:
    await log.publish_all([batch(50 * number, count=50) for number in range(400)])
    got: list[int] = []
    missed: set[int] = set()
    async with client_of(narrow, "viewer") as client, slow_socket_of(client) as ws:
        await subscribe(ws, client, cursor=positions.write({"TELEMETRY": 0}), filters=filters)
        async with asyncio.timeout(60):
            while not missed or max(*missed, *got) < 400:
                message = json.loads(await ws.recv())
                got += [event["seq"] for event in message.get("events", [])]
                if message["type"] == "missed":
                    missed |= set(range(message["from_seq"], message["to_seq"] + 1))
                elif got and not missed:
                    await log.js.purge_stream("TELEMETRY", seq=390)
    assert got == sorted(got)
    assert set(got) | missed == set(range(1, 401))


def _missed(reading: Reading) -> set[tuple[str, int]]:
    return {(each["reason"], seq) for each in reading.missed for seq in range(each["from_seq"], each["to_seq"] + 1)}


async def test_a_cursor_of_another_log_is_told_to_be_one(client: httpx.AsyncClient, log: EventLog) -> None:
    reading = Reading()
    reading.cursor = positions.write({"TELEMETRY": 4711})
    async with socket_of(client) as ws:
        await reading.read_from(ws, client, until=0)
        while not reading.missed:
            reading.take(json.loads(await ws.recv()))
        await log.publish(batch(1))
        while not reading.ids:
            reading.take(json.loads(await ws.recv()))
    assert reading.missed[0]["reason"] == "reset"


@pytest.mark.parametrize("cursor", ["x", "eyJURUxFTUVUUlkiOi0xfQ", "bnVsbA"])
async def test_a_cursor_that_is_none_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client)
        await ws.send(json.dumps({"action": "subscribe", "cursor": cursor}))
        assert json.loads(await ws.recv())["code"] == "INVALID_PAYLOAD_FORMAT"


@pytest.mark.parametrize("seed", range(3))
async def test_over_random_disconnects_each_event_of_the_filter_comes_once_and_in_order(
    forgetful: Service, log: EventLog, seed: int
) -> None:
    dice = random.Random(seed)
    sent: list[tuple[str, int]] = []
    readings, alerts = 1500, 300

    async def publish() -> None:
        numbers = [("r", number) for number in range(readings)] + [("a", number) for number in range(alerts)]
        order = sorted(numbers, key=lambda kind: (kind[1] / (readings if kind[0] == "r" else alerts), kind[0]))
        for kind, number in order:
            esp_id = dice.choice(DEVICES)
            await log.publish(batch(number, esp_id=esp_id) if kind == "r" else cleared(number))
            if kind == "r":
                sent.append((esp_id, number))
            if dice.random() < 0.02:
                await asyncio.sleep(dice.random() * 0.05)

    reading = Reading()
    wish = {
        "filters": {"esp_ids": list(DEVICES[:2])},
        "delivery": dice.choice(["frames", "immediate"]),
    }
    async with client_of(forgetful, "viewer") as client:
        await reading.read(client, until=0, **wish)
        publishing = asyncio.create_task(publish())
        while not publishing.done():
            async with socket_of(client) as ws:
                reading_on = asyncio.create_task(reading.read_from(ws, client, until=readings + alerts, **wish))
                await asyncio.wait({reading_on, publishing}, timeout=dice.random() * 0.3)
                reading_on.cancel()
                await asyncio.gather(reading_on, return_exceptions=True)
                ws.transport.abort()
            await asyncio.sleep(dice.random() * 0.2)
        await publishing
        wanted = [number for esp_id, number in sent if esp_id in DEVICES[:2]]
        await reading.read(client, until=len(wanted) + alerts, **wish)
    assert reading.ids == wanted
    assert reading.alerts == list(range(alerts))
    assert not reading.missed


async def test_a_socket_without_a_word_to_say_gives_a_sign_of_life_with_a_cursor(
    nats_server: Nats, postgres: Postgres, tmp_path: Path, log: EventLog
) -> None:
    service = ephemeral_services.gateway(tmp_path / "lively", nats_server, postgres, heartbeat_s="0.2")
    try:
        service.start()
        reading = Reading()
        async with client_of(service, "viewer") as client, socket_of(client) as ws:
            await reading.read_from(ws, client, until=0, filters={"esp_ids": ["ESP_NOBODY"]})
            before = reading.cursor
            await log.publish(batch(1))
            async with asyncio.timeout(30):
                while reading.cursor == before:
                    message = json.loads(await ws.recv())
                    reading.take(message)
            assert message["type"] == "heartbeat"
            assert reading.ids == []
    finally:
        service.kill()


async def test_only_the_latest_value_of_each_sensor_comes_to_who_asked_for_that(
    client: httpx.AsyncClient, log: EventLog
) -> None:
    reading = Reading()
    async with socket_of(client) as ws:
        await reading.read_from(ws, client, until=0, delivery="latest-only")
        await log.publish_all([batch(number * 50, count=50) for number in range(40)])
        async with asyncio.timeout(30):
            while 1999 not in reading.ids:
                reading.take(json.loads(await ws.recv()))
    assert reading.ids == sorted(reading.ids)
    assert len(reading.ids) < 200
    assert not reading.missed


async def test_a_zone_is_filtered_by_the_zone_at_the_time_of_the_reading(
    client: httpx.AsyncClient, log: EventLog
) -> None:
    reading = Reading()
    async with socket_of(client) as ws:
        await reading.read_from(ws, client, until=0, filters={"zones": ["tent"]}, delivery="immediate")
        await log.publish_all([batch(1), batch(2, zone_id="tent"), batch(3, zone_id="attic"), batch(4, zone_id="tent")])
        while len(reading.ids) < 2:
            reading.take(json.loads(await ws.recv()))
    assert reading.ids == [2, 4]


async def test_a_gateway_that_stops_says_so_and_closes_with_a_code_of_its_own(
    client: httpx.AsyncClient, gateway: Service
) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client)
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        assert json.loads(await ws.recv()) == {"type": "goodbye", "reconnect_after_s": 1.0}
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1012
        await stopping
