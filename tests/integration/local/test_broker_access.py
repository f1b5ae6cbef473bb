"""Who may use which topics on the broker of ``make up``."""

import asyncio
import contextlib

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kaiser.local.ephemeral import Mosquitto


def _client(mosquitto: Mosquitto, user: str, client_id: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        mosquitto.host, mosquitto.port, username=user, password=mosquitto.password, identifier=client_id
    )


async def _heard(client: aiomqtt.Client, for_s: float) -> list[aiomqtt.Message]:
    heard: list[aiomqtt.Message] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            async for message in client.messages:
                heard.append(message)
                if message.payload == b"last":
                    break
    return heard


def _topics(messages: list[aiomqtt.Message]) -> list[str]:
    return [str(message.topic) for message in messages]


@pytest.mark.parametrize("kaiser", ["god", "", "greenhouse_7"])
async def test_a_device_speaks_on_its_own_topics_only(mosquitto: Mosquitto, kaiser: str) -> None:
    own, other = f"kaiser/{kaiser}/esp/ESP_0A1B2C", f"kaiser/{kaiser}/esp/ESP_FFFFFF"
    async with _client(mosquitto, "bridge", "b") as bridge, _client(mosquitto, "device", "ESP_0A1B2C") as device:
        await bridge.subscribe("kaiser/+/esp/#", qos=1)
        await device.publish(f"{other}/system/heartbeat", b"forged", qos=1)
        await device.publish(f"{own}/system/heartbeat", b"last", qos=1)

        assert _topics(await _heard(bridge, 5)) == [f"{own}/system/heartbeat"]


async def test_a_device_hears_its_own_commands_broadcasts_and_the_server_s_status(mosquitto: Mosquitto) -> None:
    async with _client(mosquitto, "bridge", "b") as bridge, _client(mosquitto, "device", "ESP_0A1B2C") as device:
        await device.subscribe([("kaiser/#", 1)])
        for topic, payload in (
            ("kaiser/god/esp/ESP_FFFFFF/actuator/5/command", b"not yours"),
            ("kaiser/broadcast/emergency", b"stop"),
            ("kaiser/god/server/status", b"online"),
            ("kaiser/god/esp/ESP_0A1B2C/actuator/5/command", b"last"),
        ):
            await bridge.publish(topic, payload, qos=1)

        assert _topics(await _heard(device, 5)) == [
            "kaiser/broadcast/emergency",
            "kaiser/god/server/status",
            "kaiser/god/esp/ESP_0A1B2C/actuator/5/command",
        ]


async def test_the_load_generator_publishes_readings_and_nothing_else(mosquitto: Mosquitto) -> None:
    async with _client(mosquitto, "bridge", "b") as bridge, _client(mosquitto, "loadgen", "load") as load:
        await bridge.subscribe("kaiser/#", qos=1)
        await load.publish("kaiser/god/esp/ESP_0A1B2C/actuator/5/command", b"on", qos=1)
        await load.publish("kaiser/god/esp/ESP_0A1B2C/sensor/4/data", b"last", qos=1)

        assert _topics(await _heard(bridge, 5)) == ["kaiser/god/esp/ESP_0A1B2C/sensor/4/data"]


async def test_the_bridge_hears_by_shared_subscription_and_reads_the_broker_s_counters(mosquitto: Mosquitto) -> None:
    async with (
        aiomqtt.Client(
            mosquitto.host,
            mosquitto.port,
            username="bridge",
            password=mosquitto.password,
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as bridge,
        _client(mosquitto, "device", "ESP_0A1B2C") as device,
    ):
        await bridge.subscribe("$SYS/broker/version", qos=1)
        await bridge.subscribe("$share/bridge/kaiser/+/esp/+/#", qos=1)
        await device.publish("kaiser/god/esp/ESP_0A1B2C/sensor/4/data", b"last", qos=1)

        assert _topics(await _heard(bridge, 5)) == ["$SYS/broker/version", "kaiser/god/esp/ESP_0A1B2C/sensor/4/data"]


@pytest.mark.parametrize("qos", [0, 1])
async def test_queued_messages_outlive_an_orderly_restart_and_come_in_order(mosquitto: Mosquitto, qos: int) -> None:
    """More of them than Mosquitto's default queue of 1000, and than the bridge takes at once.

    Without ``upgrade_outgoing_qos``, Mosquitto 2.0.21 holds the last one back for ever when the others are QoS 0.
    """
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval, properties.ReceiveMaximum = 3600, 100
    absent = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username="bridge",
        password=mosquitto.password,
        identifier="b",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
    )
    payloads = [*(str(number).encode() for number in range(1500)), b"last"]
    async with absent:
        await absent.subscribe("kaiser/+/esp/#", qos=1)
    async with _client(mosquitto, "device", "ESP_0A1B2C") as device:
        for payload in payloads:
            await device.publish(
                "kaiser/god/esp/ESP_0A1B2C/sensor/4/data", payload, qos=1 if payload == b"last" else qos
            )

    mosquitto.restart()

    async with absent:
        assert [message.payload for message in await _heard(absent, 10)] == payloads
