import asyncio
import time

import pytest

from kaiser.contracts import subjects
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned, DeviceSaid
from kaiser.contracts.streams import DEADLETTER, DEVICES, HEARTBEATS
from kaiser.contracts.wire import Heartbeat, LastWill
from kaiser.eventlog import BatchConsumer, Event, Lease, connect, ensure_streams, now_us, replay
from kaiser.ingest.consumers import DEVICE_EVENTS, HEARTBEAT_EVENTS, REGISTRY, RegisterDevices, WriteDevices
from kaiser.ingest.directory import SILENT_AFTER_US, Directory, Registrar
from kaiser.ingest.presence import Presence
from kaiser.ingest.restarting import Restarts
from kaiser.ingest.silence import note_silence
from kaiser.timescale import Pool

from .ending import end

US = 1_000_000
NOW = 1_767_100_140 * US
E = "ESP_0A1B2C"


@pytest.fixture
async def log(nats_server):
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (DEVICES, HEARTBEATS, DEADLETTER))
        yield log


@pytest.fixture
async def registering(log):
    """A registry that works, with its directory."""
    directory = Directory()
    consumer = BatchConsumer(log, REGISTRY, RegisterDevices(Registrar(log, directory)).handle, service="ingest")
    tasks = [asyncio.create_task(directory.follow(log)), asyncio.create_task(consumer.run())]
    await directory.wait_caught_up(5)
    yield directory
    await consumer.stop()
    await end(*tasks)


@pytest.fixture
async def writing(log, database):
    """Both consumers that write the table of devices."""
    pool = Pool(database)
    await pool.open()
    consumers = [
        BatchConsumer(log, spec, WriteDevices(Presence(pool), name).handle, service="ingest")
        for name, spec in (("devices", DEVICE_EVENTS), ("presence", HEARTBEAT_EVENTS))
    ]
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    yield
    for consumer, task in zip(consumers, tasks, strict=True):
        await consumer.stop()
        await task
    await pool.close()


def discovered(esp_id=E, at=NOW) -> Event:
    event = DeviceDiscovered(kaiser_id="god", esp_id=esp_id, generation="head", received_at=at)
    return Event(
        subject=subjects.device("god", esp_id, "discovered"),
        type=event.TYPE,
        data=encode(event),
        source="kaiser/bridge",
    )


def said(message, at, esp_id=E) -> Event:
    kind = SAID[type(message)]
    body = DeviceSaid(kaiser_id="god", esp_id=esp_id, generation="head", received_at=at, message=message)
    subject = kind.subject.format(kaiser="god", esp=esp_id)
    return Event(subject=subject, type=kind.name, data=encode(body), source="kaiser/bridge")


def returned(at, lost_at) -> Event:
    event = DeviceReturned(kaiser_id="god", esp_id=E, generation="head", received_at=at, lost_at=lost_at)
    return Event(subject=subjects.device("god", E, "returned"), type=event.TYPE, data=encode(event), source="x")


def beat(at, *, ts=None, boot="b1", uptime=60) -> Event:
    message = Heartbeat(
        ts=at // US if ts is None else ts, uptime=uptime, heap_free=198_344, wifi_rssi=-61, zone_id="north",
        sensor_count=3, actuator_count=1, boot_sequence_id=boot,
    )  # fmt: skip
    return said(message, at)


async def registrations(log) -> list[str]:
    return [
        delivery.subject async for delivery in replay(log, DEVICES.name, subjects=("device.*.*.registry.registered",))
    ]


async def eventually(check, *, within_s=8):
    """The value of an async check once it is true."""
    end = time.monotonic() + within_s
    while not (value := await check()):
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)
    return value


async def test_a_discovered_device_is_registered_once_and_pending(log, registering):
    await log.publish(discovered())
    await eventually(lambda: registrations(log))
    await log.publish_all([discovered(), discovered(at=NOW + US)])
    await log.publish(discovered("ESP_0A1B2D"))

    async def both():
        return len(await registrations(log)) == 2

    await eventually(both)
    assert await registrations(log) == [
        f"device.god.{E}.registry.registered",
        "device.god.ESP_0A1B2D.registry.registered",
    ]
    assert registering.standings[E].pending


async def test_two_instances_that_meet_a_device_at_once_register_it_once(log):
    from kaiser.ingest.intents import Meet

    meeting = [Meet(kaiser_id="god", esp_id=E, generation="head", at=NOW)]
    directories = [Directory() for _ in range(4)]
    await asyncio.gather(*(Registrar(log, directory).meet(meeting) for directory in directories))
    assert len(await registrations(log)) == 1
    assert all(E in directory.standings for directory in directories)


async def test_an_instance_that_starts_knows_who_is_registered_and_whose_clock_is_wrong(log, registering):
    await log.publish_all([discovered(), beat(NOW, ts=NOW // US - 3600)])

    async def wrong():
        return registering.standings.get(E) and registering.standings[E].clock_wrong

    await eventually(wrong)
    later = Directory()
    following = asyncio.create_task(later.follow(log))
    await later.wait_caught_up(5)
    assert later.standings[E].clock_wrong
    following.cancel()


DEVICE = (
    "SELECT state, online, offline_reason, zone_id, boot, uptime_s, wifi_rssi_dbm, sensor_count FROM ingest.devices"
)


async def test_a_device_is_pending_and_online_from_its_discovery_and_tells_its_state_by_heartbeat(log, ask, writing):
    await log.publish(discovered())
    assert await eventually(lambda: ask(DEVICE)) == [("pending", True, None, "", "", None, None, None)]
    await log.publish(beat(NOW + US))

    async def told():
        return (await ask(DEVICE))[0][5]

    await eventually(told)
    assert await ask(DEVICE) == [("pending", True, None, "north", "b1", 60, -61, 3)]
    assert await ask("SELECT esp_id, uptime_s, heap_free_bytes, wifi_rssi_dbm FROM ingest.health") == [
        (E, 60, 198_344, -61)
    ]
    assert await ask("SELECT extract(epoch FROM last_seen_at)::bigint FROM ingest.devices") == [(NOW // US + 1,)]


async def test_a_last_will_takes_a_device_offline_until_it_returns(log, ask, writing):
    async def online_is(value):
        return [(row[1], row[2]) for row in await ask(DEVICE)] == [value]

    await log.publish_all([beat(NOW), said(LastWill(status="offline", reason="unexpected_disconnect"), NOW + US)])
    await eventually(lambda: online_is((False, "unexpected_disconnect")))
    await log.publish(returned(NOW + 2 * US, NOW + US))
    await eventually(lambda: online_is((True, None)))
    assert await ask("SELECT extract(epoch FROM last_seen_at)::bigint FROM ingest.devices") == [(NOW // US + 2,)]


async def test_losses_within_minutes_of_each_other_are_counted(log, ask, writing):
    for minute in range(3):
        at = NOW + minute * 60 * US
        await log.publish_all([said(LastWill(status="offline"), at), returned(at + US, at)])

    async def counted():
        return await ask("SELECT losses FROM ingest.devices") == [(3,)]

    await eventually(counted)
    await log.publish(said(LastWill(status="offline"), NOW + 3600 * US))
    await eventually(lambda: ask("SELECT 1 FROM ingest.devices WHERE losses = 1"))


async def test_a_restart_is_noted_and_counted(log, registering, writing, ask):
    noting = asyncio.create_task(Restarts(log, registering).run())
    await log.publish(beat(NOW, uptime=600))
    await eventually(lambda: ask("SELECT 1 FROM ingest.devices WHERE uptime_s = 600"))
    await log.publish(beat(NOW + 120 * US, uptime=60))

    async def restarts():
        return await ask("SELECT restarts, extract(epoch FROM booted_at)::bigint FROM ingest.devices")

    await eventually(lambda: ask("SELECT 1 FROM ingest.devices WHERE restarts = 1"))
    assert await restarts() == [(1, NOW // US + 60)]
    found = [delivery async for delivery in replay(log, DEVICES.name, subjects=("device.*.*.restarted",))]
    assert len(found) == 1
    noting.cancel()


async def test_a_thousand_devices_that_lose_power_at_once_are_written_in_one_go(log, ask, writing):
    names = [f"ESP_{number:06X}" for number in range(1000)]
    await log.publish_all([discovered(name) for name in names])

    async def count(online):
        return len(await ask(f"SELECT 1 FROM ingest.devices WHERE online = {online}")) == 1000

    await eventually(lambda: count("true"))
    await log.publish_all([said(LastWill(status="offline"), NOW + US, name) for name in names])
    await eventually(lambda: count("false"))


async def test_events_that_come_again_out_of_order_change_nothing(log, ask, writing):
    events = [
        discovered(),
        beat(NOW + US),
        beat(NOW + 60 * US, uptime=120),
        said(LastWill(status="offline", reason="power"), NOW + 90 * US),
    ]
    await log.publish_all(events)

    async def written():
        """Both streams: the last will is of one, the heartbeats of the other."""
        return await ask("SELECT online, uptime_s FROM ingest.devices") == [(False, 120)]

    await eventually(written)
    before = await ask("SELECT * FROM ingest.devices")
    await log.publish_all([discovered(), beat(NOW + US), beat(NOW + 60 * US, uptime=120), discovered("ESP_FFFFFF")])

    async def marker():
        return len(await ask("SELECT 1 FROM ingest.devices")) == 2

    await eventually(marker)
    await asyncio.sleep(0.2)
    assert await ask(f"SELECT * FROM ingest.devices WHERE esp_id = '{E}'") == before


async def test_a_silent_device_is_noted_once_and_offline_until_it_is_heard_again(log, registering, writing, ask):
    long_ago = now_us() - 2 * SILENT_AFTER_US
    await log.publish_all([discovered(at=long_ago), beat(long_ago)])
    await eventually(lambda: presence(ask, online=True))
    lease = Lease(log, "ingest", "silence", holder="test", ttl_s=5)
    noting = asyncio.create_task(note_silence(log, registering, lease, every_s=0.05, since_us=0))
    await eventually(lambda: presence(ask, online=False, reason="silent"))
    await log.publish(beat(now_us()))
    await eventually(lambda: presence(ask, online=True))
    noting.cancel()
    silences = [delivery async for delivery in replay(log, DEVICES.name, subjects=("device.*.*.silent",))]
    assert len(silences) == 1


async def presence(ask, *, online, reason=None):
    """Whether the table says so."""
    return await ask("SELECT online, offline_reason FROM ingest.devices") == [(online, reason)]
