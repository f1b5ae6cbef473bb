"""Equipment that a device is told again although it holds it."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.equipment import ConfigLapsed, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.streams import DEADLETTER, DEVICES, DOWNLINK, HEARTBEATS
from kaiser.eventlog import (
    BatchConsumer,
    ConsumerSpec,
    Delivery,
    EventLog,
    Lease,
    OrderedReader,
    connect,
    ensure_streams,
    now_us,
)
from kaiser.ingest.api import answerer, commanded
from kaiser.ingest.configs import ConfigResult
from kaiser.ingest.configuring import Configuring
from kaiser.ingest.directory import Directory, Registrar
from kaiser.ingest.intents import Meet
from kaiser.ingest.orders import Orders

from .ending import end

ESP = "ESP_0A1B2C"
AGAIN = subjects.command("ingest", "configure_again")
WANTED = Equipment(
    sensors=[WantedSensor(gpio=4, sensor_type="ds18b20", name="Water")],
    actuators=[WantedActuator(gpio=25, actuator_type="pump", name="Pump")],
)


@pytest.fixture
async def log(nats_server) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (DEVICES, DOWNLINK, HEARTBEATS, DEADLETTER))
        yield log


@pytest.fixture
async def orders(log) -> AsyncIterator[Orders]:
    """An approved device that is told what is to hang on it."""
    directory, orders = Directory(), Orders(log, b"s" * 32)
    telling = Configuring(log, directory, orders, Lease(log, "ingest", "configuring", holder="test", ttl_s=5))
    tasks = [asyncio.create_task(work) for work in (directory.follow(log), telling.run())]
    await directory.wait_caught_up(5)
    await Registrar(log, directory).meet([Meet(kaiser_id="god", esp_id=ESP, generation="dec", at=now_us())])
    await orders.approve(commands.ApproveDevice(esp_id=ESP, by="eva"), now_us())
    yield orders
    await end(*tasks)


class Bridge:
    """Takes what is for devices, as the bridge does."""

    def __init__(self, log: EventLog) -> None:
        self._taken: asyncio.Queue[dict] = asyncio.Queue()
        self.consumer = BatchConsumer(
            log, ConsumerSpec(stream=DOWNLINK.name, durable="bridge"), self._take, service="test"
        )

    async def _take(self, batch: list[Delivery]) -> None:
        for delivery in batch:
            self._taken.put_nowait(msgspec.json.decode(msgspec.json.decode(delivery.data)["payload"]))

    async def told(self) -> dict:
        async with asyncio.timeout(10):
            return await self._taken.get()


@pytest.fixture
async def bridge(log) -> AsyncIterator[Bridge]:
    bridge = Bridge(log)
    running = asyncio.create_task(bridge.consumer.run())
    yield bridge
    await bridge.consumer.stop()
    await running


async def test_a_device_is_told_again_what_it_holds_when_somebody_asks_for_it(log, orders, bridge):
    await orders.configure(commands.ConfigureDevice(esp_id=ESP, by="eva", wanted=WANTED, correlation_id="c1"), now_us())
    first = await bridge.told()
    await orders.settle_config(ESP, "c1", ConfigResult("confirmed", [], []), now_us())
    order = commands.ConfigureAgain(esp_id=ESP, by="safety", reason="released", correlation_id="c2")
    reply = await answerer(commanded(orders)).answer(AGAIN, msgspec.json.encode(order))
    assert reply.ok.changed
    again = await bridge.told()
    assert again["actuators"] == first["actuators"]
    only = (f"device.*.*.registry.{ConfigLapsed.EVENT}",)
    async with OrderedReader(log, DEVICES.name, subjects=only, start="all") as reader:
        lapsed = msgspec.json.decode((await reader.take())[0].data, type=ConfigLapsed)
    assert (lapsed.detail, lapsed.by, lapsed.correlation_id) == ("released", "safety", "c2")


async def test_a_device_that_is_being_told_or_has_nothing_to_hang_on_it_is_left_as_it_is(orders):
    order = commands.ConfigureAgain(esp_id=ESP, by="safety", reason="released")
    assert not (await orders.configure_again(order, now_us())).changed
    await orders.configure(commands.ConfigureDevice(esp_id=ESP, by="eva", wanted=WANTED), now_us())
    assert not (await orders.configure_again(order, now_us())).changed


async def test_nobody_can_have_a_device_configured_again_that_was_never_heard(orders):
    order = commands.ConfigureAgain(esp_id="ESP_FFFFFF", by="safety", reason="released")
    reply = await answerer(commanded(orders)).answer(AGAIN, msgspec.json.encode(order))
    assert reply.problem.code == Code.ESP_DEVICE_NOT_FOUND
