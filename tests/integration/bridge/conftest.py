"""A broker, a log, bridges between them as processes, and devices in front."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from nats.js.errors import NotFoundError

from kaiser.eventlog import Delivery, EventLog, connect
from kaiser.eventlog.replay import replay
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Mosquitto, Nats
from kaiser.local.ephemeral_services import Service

ESP = "ESP_9F03D4"
TOPIC = f"kaiser/god/esp/{ESP}"

StartBridge = Callable[..., Service]


@pytest.fixture
def start_bridge(mosquitto: Mosquitto, nats_server: Nats, tmp_path: Path) -> Iterator[StartBridge]:
    """Start a bridge; ``start_bridge("second")`` another one."""
    bridges: list[Service] = []

    def start(name: str = "bridge", *, _wait: bool = True, **options: str) -> Service:
        service = ephemeral_services.bridge(tmp_path / name, mosquitto, nats_server, name=name, **options)
        service.wait = _wait
        bridges.append(service)
        return service.start()

    yield start
    for service in bridges:
        service.kill()


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    """The log, as somebody who may do everything."""
    async with await connect(nats_server.url, name="test") as connection:
        yield connection


@pytest.fixture
def device(mosquitto: Mosquitto) -> Callable[..., aiomqtt.Client]:
    """An MQTT 3.1.1 client with the rights of every device, for one ``async with``."""
    numbers = itertools.count(1)

    def make(client_id: str = "", **options: Any) -> aiomqtt.Client:
        return aiomqtt.Client(
            mosquitto.host,
            mosquitto.port,
            username=mosquitto.username,
            password=mosquitto.password,
            identifier=client_id or f"device-{next(numbers)}",
            max_queued_outgoing_messages=0,
            **options,
        )

    return make


def reading(seq: int, **fields: Any) -> str:
    """A reading as a ``head`` device sends it."""
    body = {
        "esp_id": ESP,
        "seq": seq,
        "zone_id": "",
        "subzone_id": "",
        "gpio": 4,
        "sensor_type": "ds18b20",
        "raw": 352,
        "value": 22.0,
        "unit": "°C",
        "quality": "good",
        "ts": 1777500031,
        "time_valid": True,
        "raw_mode": True,
        "onewire_address": "28FF641E8C160350",
    }
    return json.dumps(body | fields, ensure_ascii=False)


async def stored(log: EventLog, stream: str, subject: str = ">") -> list[Delivery]:
    """Everything in a stream; empty while there is none."""
    with contextlib.suppress(NotFoundError):
        return [delivery async for delivery in replay(log, stream, subjects=(subject,))]
    return []


async def numbers(log: EventLog) -> list[int]:
    """Sequence numbers of all raw readings in the log, sorted."""
    batches = [json.loads(delivery.data) for delivery in await stored(log, "TELEMETRY_RAW", "telemetry.raw.>")]
    return sorted(seq for batch in batches for seq in batch["seq"])


async def until(condition: Callable[[], Any], *, timeout_s: float = 20.0) -> Any:
    """Wait until an awaited condition holds, and return what it gave."""
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):  # noqa: ASYNC110 - what is waited for is in other processes
            await asyncio.sleep(0.05)
    return found
