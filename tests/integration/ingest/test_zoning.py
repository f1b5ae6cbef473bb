"""Orders to be in a zone, from the registry to messages for the device, and back."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceReturned, DeviceSaid
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.streams import DEADLETTER, DEVICES, DOWNLINK, HEARTBEATS
from kaiser.contracts.wire import ZoneAck
from kaiser.eventlog import (
    BatchConsumer,
    ConsumerSpec,
    Delivery,
    Event,
    EventLog,
    Lease,
    OrderedReader,
    connect,
    ensure_streams,
    now_us,
)
from kaiser.ingest import zones, zoning
from kaiser.ingest.directory import Directory, Registrar
from kaiser.ingest.intents import Meet
from kaiser.ingest.orders import Orders
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.zoning import Zoning

from .ending import end

ESP = "ESP_0A1B2C"


@pytest.fixture
async def log(nats_server) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (DEVICES, DOWNLINK, HEARTBEATS, DEADLETTER))
        yield log


@pytest.fixture
async def orders(log) -> AsyncIterator[Orders]:
    """An approved device, and everything that follows orders about it."""
    directory, orders = Directory(), Orders(log, b"s" * 32)
    following = Zoning(log, directory, orders, Lease(log, "ingest", "zoning", holder="test", ttl_s=5))
    consumer = BatchConsumer(log, zoning.SPEC, following.handle, service="ingest")
    tasks = [asyncio.create_task(work) for work in (directory.follow(log), consumer.run(), following.run())]
    await directory.wait_caught_up(5)
    await Registrar(log, directory).meet([Meet(kaiser_id="god", esp_id=ESP, generation="head", at=now_us())])
    await orders.approve(commands.ApproveDevice(esp_id=ESP, by="eva"), now_us())
    yield orders
    await consumer.stop()
    await end(*tasks)


class Bridge:
    """Takes what is for devices, as the bridge does."""

    def __init__(self, log: EventLog) -> None:
        self.taken: list[DownlinkRequested] = []
        self._news = asyncio.Event()
        self.consumer = BatchConsumer(
            log, ConsumerSpec(stream=DOWNLINK.name, durable="bridge"), self._take, service="test"
        )

    async def _take(self, batch: list[Delivery]) -> None:
        self.taken += [msgspec.json.decode(delivery.data, type=DownlinkRequested) for delivery in batch]
        self._news.set()

    async def sent(self, count: int) -> list[DownlinkRequested]:
        """The messages to devices, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.taken) < count:
                self._news.clear()
                await self._news.wait()
        return self.taken


@pytest.fixture
async def bridge(log) -> AsyncIterator[Bridge]:
    bridge = Bridge(log)
    running = asyncio.create_task(bridge.consumer.run())
    yield bridge
    await bridge.consumer.stop()
    await running


async def outcome(log) -> str:
    """What came of the order, once something did."""
    only = ("device.*.*.registry.zone_settled",)
    async with asyncio.timeout(10), OrderedReader(log, DEVICES.name, subjects=only, start="all") as reader:
        settled = msgspec.json.decode((await reader.take())[0].data)
    return f"{settled['outcome']} {settled['detail']}".strip()


def acked(**fields) -> Event:
    kind = SAID[ZoneAck]
    message = ZoneAck(ts=1_767_100_000, esp_id=ESP, **fields)
    body = DeviceSaid(kaiser_id="god", esp_id=ESP, generation="head", received_at=now_us(), message=message)
    subject = kind.subject.format(kaiser="god", esp=ESP)
    return Event(subject=subject, type=kind.name, data=encode(body), source="kaiser/bridge")


def returned() -> Event:
    event = DeviceReturned(kaiser_id="god", esp_id=ESP, generation="head", received_at=now_us(), lost_at=1)
    return Event(subject=subjects.device("god", ESP, "returned"), type=event.TYPE, data=encode(event), source="x")


def north() -> commands.AssignZone:
    return commands.AssignZone(esp_id=ESP, by="eva", zone_id="north_tent", correlation_id="c1")


async def test_an_order_becomes_a_message_and_the_answer_settles_it(log, orders, bridge):
    await orders.assign_zone(north(), now_us())
    (message,) = await bridge.sent(1)
    assert (message.topic, message.qos) == (f"kaiser/god/esp/{ESP}/zone/assign", 1)
    assert msgspec.json.decode(message.payload)["kaiser_id"] == "god"
    await log.publish(acked(status="zone_assigned", zone_id="south_tent"))  # an earlier one's
    await log.publish(acked(status="zone_assigned", zone_id="north_tent"))
    assert await outcome(log) == "confirmed"


async def test_a_device_that_refuses_says_why(log, orders):
    await orders.assign_zone(north(), now_us())
    await log.publish(acked(status="error", message="NVS save failed"))
    assert await outcome(log) == "refused NVS save failed"


async def test_a_device_that_does_not_answer_is_told_again_and_at_last_given_up(log, orders, bridge, monkeypatch):
    monkeypatch.setattr(zones, "PAUSES_S", (0.1, 0.1))
    await orders.assign_zone(north(), now_us())
    assert await outcome(log) == "unanswered no answer to 3 messages"
    assert len(await bridge.sent(3)) == 3


async def test_a_device_that_comes_back_is_told_at_once(log, orders, bridge):
    await orders.assign_zone(north(), now_us())
    await bridge.sent(1)
    await log.publish(returned())
    assert len(await bridge.sent(2)) == 2


async def test_an_order_about_a_device_that_was_changed_meanwhile_is_refused(log, orders):
    first = await orders.rename(commands.RenameDevice(esp_id=ESP, by="eva", name="north"), now_us())
    asked = commands.RenameDevice(esp_id=ESP, by="adam", name="south", known_seq=first.seq - 1)
    with pytest.raises(RegistryError) as refused:
        await orders.rename(asked, now_us())
    assert refused.value.code == Code.STATE_CHANGED
    again = await orders.rename(msgspec.structs.replace(asked, known_seq=first.seq), now_us())
    assert again.changed
