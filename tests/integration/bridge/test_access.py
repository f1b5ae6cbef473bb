"""Keys of devices, from the registry's events to the broker, and what a hostile device can do with one."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from kaiser.contracts import devicekeys, subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.registry import DeviceKeyIssued, DeviceRetired
from kaiser.eventlog import Event, EventLog
from kaiser.local.ephemeral import Mosquitto
from kaiser.local.ephemeral_services import DEVICE_KEY_SECRET
from kaiser.local.tree import Tree

from .conftest import StartBridge, stored, until

ESP, OTHER = "ESP_0A1B2C", "ESP_FFFFFF"
OWN = f"kaiser/god/esp/{ESP}"
SECRET = DEVICE_KEY_SECRET.encode()


def issued(esp_id: str, key_id: str) -> Event:
    key = devicekeys.derive(SECRET, esp_id, key_id)
    event = DeviceKeyIssued(
        kaiser_id="god", esp_id=esp_id, at=1, by="admin", key_id=key_id, digest=devicekeys.digest(key)
    )
    return _event(event)


def retired(esp_id: str) -> Event:
    return _event(DeviceRetired(kaiser_id="god", esp_id=esp_id, at=2, by="admin", reason="broken"))


def _event(event: DeviceKeyIssued | DeviceRetired) -> Event:
    subject = subjects.registry(event.kaiser_id, event.esp_id, event.EVENT)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/ingest")


@pytest.fixture
def mosquitto(infra_tree: Tree, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker on which every device needs a key."""
    server = Mosquitto(infra_tree, tmp_path / "mosquitto", shared_account=False)
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def keyed(mosquitto: Mosquitto) -> Callable[..., aiomqtt.Client]:
    """A device that logs in with a key."""

    def make(esp_id: str = ESP, key_id: str = "k1", **options: Any) -> aiomqtt.Client:
        arguments = {
            "username": esp_id,
            "password": devicekeys.derive(SECRET, esp_id, key_id),
            "identifier": esp_id,
            "timeout": 3,
        }
        return aiomqtt.Client(mosquitto.host, mosquitto.port, **(arguments | options))

    return make


async def gets_in(client: aiomqtt.Client) -> bool:
    try:
        async with client:
            return True
    except aiomqtt.MqttError:
        return False


async def test_a_key_lets_a_device_in_until_it_is_rotated_or_the_device_retired(
    log: EventLog, start_bridge: StartBridge, keyed: Callable[..., aiomqtt.Client]
) -> None:
    await asyncio.to_thread(start_bridge)
    assert not await gets_in(keyed())
    await log.publish(issued(ESP, "k1"))
    await until(lambda: gets_in(keyed()))
    await log.publish(issued(ESP, "k2"))
    await until(lambda: gets_in(keyed(key_id="k2")))
    assert not await gets_in(keyed())
    await log.publish(retired(ESP))

    async def gone() -> bool:
        return not await gets_in(keyed(key_id="k2"))

    await until(gone)


async def test_rotating_a_key_ends_the_connection_that_the_old_one_made(
    log: EventLog, start_bridge: StartBridge, keyed: Callable[..., aiomqtt.Client]
) -> None:
    await asyncio.to_thread(start_bridge)
    await log.publish(issued(ESP, "k1"))
    await until(lambda: gets_in(keyed()))
    async with asyncio.timeout(10), keyed() as device:
        await log.publish(issued(ESP, "k2"))
        with pytest.raises(aiomqtt.MqttError):
            await anext(device.messages)


async def test_keys_converge_after_the_broker_lost_its_file_and_after_changes_while_no_bridge_ran(
    log: EventLog, start_bridge: StartBridge, mosquitto: Mosquitto, keyed: Callable[..., aiomqtt.Client]
) -> None:
    bridge = await asyncio.to_thread(start_bridge)
    await log.publish_all([issued(ESP, "k1"), issued(OTHER, "o1")])
    await until(lambda: gets_in(keyed(OTHER, "o1")))
    await asyncio.to_thread(bridge.kill)
    await asyncio.to_thread(mosquitto.stop)
    mosquitto.forget_clients()
    await log.publish_all([issued(ESP, "k2"), retired(OTHER)])
    await asyncio.to_thread(mosquitto.start)
    assert not await gets_in(keyed())
    await asyncio.to_thread(bridge.start)
    await until(lambda: gets_in(keyed(key_id="k2")))
    assert not await gets_in(keyed())
    assert not await gets_in(keyed(OTHER, "o1"))


async def test_a_hostile_device_with_a_key_reaches_nothing_but_its_own(
    log: EventLog,
    start_bridge: StartBridge,
    mosquitto: Mosquitto,
    keyed: Callable[..., aiomqtt.Client],
    device: Callable[..., aiomqtt.Client],
) -> None:
    await asyncio.to_thread(start_bridge)
    await log.publish_all([issued(ESP, "k1"), issued(OTHER, "o1")])
    await until(lambda: gets_in(keyed(OTHER, "o1")))
    for identifier in (OTHER, "kaiser-uplink-0", "kaiser-access", "x" * 5000, "", "ESP_0a1b2c", "ESP_0A1B2C/#"):
        assert not await gets_in(keyed(identifier=identifier)), identifier
    async with device("witness") as witness, keyed() as hostile:
        await witness.subscribe("kaiser/+/esp/#", qos=1)
        everything = ("#", "$SYS/#", "$CONTROL/#", f"kaiser/+/esp/{OTHER}/#", "$share/kaiser/kaiser/+/esp/+/#")
        await hostile.subscribe([(pattern, 1) for pattern in everything])
        for topic in (
            f"kaiser/god/esp/{OTHER}/system/heartbeat",
            "kaiser/broadcast/emergency",
            "kaiser/god/server/status",
            "$CONTROL/dynamic-security/v1",
            "$SYS/broker/version",
            f"kaiser/god/esp/{OTHER}/config",
        ):
            await hostile.publish(topic, b"forged", qos=1)
        await witness.publish(f"kaiser/god/esp/{OTHER}/actuator/5/command", b"not yours", qos=1)
        await witness.publish(f"{OWN}/actuator/5/command", b"yours", qos=1)
        await hostile.publish(f"{OWN}/system/diagnostics", b"{}", qos=1)
        assert await _topics_until(witness, f"{OWN}/system/diagnostics") == [
            f"kaiser/god/esp/{OTHER}/actuator/5/command",
            f"{OWN}/actuator/5/command",
            f"{OWN}/system/diagnostics",
        ]
        assert await _topics_until(hostile, f"{OWN}/actuator/5/command") == [
            "kaiser/god/server/status",
            f"{OWN}/actuator/5/command",
        ]


async def test_a_hostile_device_cannot_leave_a_last_will_for_others(
    log: EventLog,
    start_bridge: StartBridge,
    keyed: Callable[..., aiomqtt.Client],
    device: Callable[..., aiomqtt.Client],
) -> None:
    """An ``offline`` of the server would switch the outputs of every ``head`` device at once."""
    await asyncio.to_thread(start_bridge)
    await log.publish(issued(ESP, "k1"))
    await until(lambda: gets_in(keyed()))
    topics = ("kaiser/god/server/status", f"kaiser/god/esp/{OTHER}/system/will", "kaiser/broadcast/emergency")
    async with device("witness") as witness:
        await witness.subscribe([("kaiser/+/esp/#", 1), ("kaiser/broadcast/#", 1), ("kaiser/+/server/status", 1)])
        for topic in (*topics, f"{OWN}/system/will"):
            with contextlib.suppress(aiomqtt.MqttError):
                async with keyed(will=aiomqtt.Will(topic, b'{"status":"offline"}', qos=1, retain=True)) as hostile:
                    await hostile.publish(f"{OWN}/system/diagnostics", b"x" * 100_000, qos=1)  # ends the connection
        heard = await _topics_until(witness, f"{OWN}/system/will")
        assert [topic for topic in heard if "diagnostics" not in topic] == [topics[0], f"{OWN}/system/will"]
        async with device("another") as another:
            await another.subscribe("kaiser/+/server/status", qos=1)
            status = await anext(another.messages)
            assert json.loads(str(status.payload, "ascii"))["status"] == "online"


async def test_what_a_hostile_device_says_below_its_own_id_is_a_dead_letter_and_no_other_device(
    log: EventLog, start_bridge: StartBridge, keyed: Callable[..., aiomqtt.Client]
) -> None:
    await asyncio.to_thread(start_bridge)
    await log.publish(issued(ESP, "k1"))
    await until(lambda: gets_in(keyed()))
    beat = {"ts": 0, "uptime": 1, "heap_free": 1, "wifi_rssi": -60}
    forged: dict[tuple[str, bytes], str] = {
        (f"kaiser/{'k' * 64}/esp/{ESP}/system/heartbeat", json.dumps(beat).encode()): "INVALID_KAISER_ID",
        (f"kaiser/{'k' * 900}/esp/{ESP}/system/heartbeat", json.dumps(beat).encode()): "INVALID_TOPIC",
        (f"kaiser/god.*.>/esp/{ESP}/system/heartbeat", json.dumps(beat).encode()): "INVALID_KAISER_ID",
        (f"{OWN}/system/heartbeat", json.dumps(beat | {"esp_id": OTHER}).encode()): "DEVICE_ID_MISMATCH",
        (f"{OWN}/sensor/4/data", b'{"esp_id":"' + b"E" * 3000 + b'"}'): "VALUE_OUT_OF_RANGE",
        (f"{OWN}/sensor/255/data", b"{}"): "INVALID_GPIO_PIN",
        (f"{OWN}/sensor/0004/data", b"{}"): "INVALID_GPIO_PIN",
        (f"{OWN}/system/diagnostics", b'{"a":"' + b"x" * 20_000 + b'"}'): "PAYLOAD_TOO_LARGE",
        (f"{OWN}/system/error", b"[" * 15_000): "INVALID_PAYLOAD_FORMAT",
        (f"{OWN}/system/will", b"\xff\xfe\x00"): "INVALID_PAYLOAD_FORMAT",
    }
    async with keyed() as hostile:
        for topic, payload in forged:
            await hostile.publish(topic, payload, qos=1)
        await hostile.publish(f"{OWN}/system/heartbeat", json.dumps(beat), qos=1)

    async def letters() -> list[dict[str, Any]]:
        batches = [json.loads(delivery.data) for delivery in await stored(log, "DEADLETTER")]
        return [letter for batch in batches for letter in batch["letters"]]

    async def all_there() -> bool:
        return len(await letters()) == len(forged)

    await until(all_there)
    expected = [(topic, code) for (topic, _), code in forged.items()]
    assert [(letter["topic"], letter["code"]) for letter in await letters()] == expected
    await until(lambda: stored(log, "HEARTBEATS"))
    known = {delivery.subject.split(".")[2] for delivery in await stored(log, "DEVICES")}
    assert known == {ESP}, "nobody else came into being"


async def test_a_packet_that_is_too_large_ends_its_own_connection_only(
    log: EventLog, start_bridge: StartBridge, keyed: Callable[..., aiomqtt.Client]
) -> None:
    await asyncio.to_thread(start_bridge)
    await log.publish_all([issued(ESP, "k1"), issued(OTHER, "o1")])
    await until(lambda: gets_in(keyed(OTHER, "o1")))
    async with keyed(OTHER, "o1") as neighbour:
        with pytest.raises(aiomqtt.MqttError):
            async with asyncio.timeout(10), keyed() as hostile:
                await hostile.publish(f"{OWN}/system/diagnostics", b"x" * 100_000, qos=1)
        await neighbour.publish(f"kaiser/god/esp/{OTHER}/system/diagnostics", b"{}", qos=1)


async def test_a_new_device_may_introduce_itself_with_the_commissioning_account_and_nothing_else(
    mosquitto: Mosquitto, device: Callable[..., aiomqtt.Client]
) -> None:
    new = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username="commissioning",
        password=mosquitto.password,
        identifier=ESP,
    )
    async with device("witness") as witness, new:
        await witness.subscribe("kaiser/#", qos=1)
        for topic in (f"{OWN}/sensor/4/data", f"{OWN}/config", f"kaiser/god/esp/{OTHER}/system/heartbeat"):
            await new.publish(topic, b"no", qos=1)
        await new.publish(f"{OWN}/system/heartbeat", b"hello", qos=1)
        assert await _topics_until(witness, f"{OWN}/system/heartbeat") == [f"{OWN}/system/heartbeat"]


@pytest.mark.parametrize(
    "identifier", ["ESP_+", "ESP_#", "#", "+", "ESP_0a1b2c", "ESP_0A1B2C/../ESP_FFFFFF", "ESP_" + "F" * 300, "ESP_1"]
)
async def test_nobody_introduces_itself_under_an_id_that_is_none(
    log: EventLog, start_bridge: StartBridge, mosquitto: Mosquitto, identifier: str
) -> None:
    await asyncio.to_thread(start_bridge)
    beat = b'{"ts":0,"uptime":1,"heap_free":1,"wifi_rssi":-60}'
    said = {"username": "commissioning", "password": mosquitto.password, "timeout": 3}
    with contextlib.suppress(aiomqtt.MqttError, ValueError):  # the broker or the client may refuse it already
        async with aiomqtt.Client(mosquitto.host, mosquitto.port, identifier=identifier, **said) as new:
            for esp_id in (identifier, OTHER):
                with contextlib.suppress(ValueError):
                    await new.publish(f"kaiser/god/esp/{esp_id}/system/heartbeat", beat, qos=1)
    async with aiomqtt.Client(mosquitto.host, mosquitto.port, identifier=ESP, **said) as honest:
        await honest.publish(f"{OWN}/system/heartbeat", beat, qos=1)
    await until(lambda: stored(log, "HEARTBEATS"))
    assert {delivery.subject.split(".")[2] for delivery in await stored(log, "DEVICES")} == {ESP}


async def _topics_until(client: aiomqtt.Client, last: str) -> list[str]:
    heard: list[str] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            heard.append(str(message.topic))
            if heard[-1] == last:
                break
    return heard
