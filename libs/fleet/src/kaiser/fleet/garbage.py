"""A device that sends garbage at full speed: no text, foreign ids, huge messages, topics that nobody knows."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Final

import aiomqtt

from kaiser.fleet.device import Broker
from kaiser.fleet.message import Outgoing

HUGE: Final = 20_000
DEEP: Final = 200
FOREIGN: Final = "ESP_BADBAD"
PAUSE_S: Final = 1.0
"""Before it connects again."""


async def send_garbage(broker: Broker, esp_id: str, stop: asyncio.Event, *, seed: int = 0) -> None:
    """Send garbage until stopped, as fast as the broker acknowledges it, and connect again when it is thrown out.

    Args:
        broker: Where to.
        esp_id: Who sends it.
        stop: Ends it; a flag, because Python 3.11 swallows cancellations.
        seed: Makes the bytes.
    """
    while not stop.is_set():
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(
                broker.host, broker.port, username=broker.username, password=broker.password, identifier=esp_id
            ) as client:
                for message in garbage(esp_id, seed=seed):
                    await client.publish(message.topic, message.payload, qos=message.qos)
                    if stop.is_set():
                        return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_S):
                await stop.wait()


def garbage(esp_id: str, *, kaiser_id: str = "god", seed: int = 0) -> Iterator[Outgoing]:
    """Messages without end, none of which may become an event. All are below the device's own topics, as its ACL wants.

    Args:
        esp_id: Who sends them.
        kaiser_id: Below which kaiser id.
        seed: Makes the bytes.
    """
    chance = random.Random(seed)  # noqa: S311 - noise
    base = f"kaiser/{kaiser_id}/esp/{esp_id}"
    reading = f"{base}/sensor/33/data"
    good = '"gpio":33,"sensor_type":"ph","raw":2141,"value":6.30,"unit":"pH","quality":"good","ts":0,"raw_mode":true'
    while True:
        yield Outgoing(reading, b"\xff\xfe" + chance.randbytes(chance.randrange(200)))
        yield Outgoing(reading, f'{{"esp_id":"{FOREIGN}",{good}}}'.encode(), qos=1)
        yield Outgoing(reading, b'{"esp_id":"' + b"x" * HUGE + b'"}')
        yield Outgoing(reading, b'{"a":' * DEEP + b"1" + b"}" * DEEP)
        yield Outgoing(reading, f'{{"esp_id":"{esp_id}","gpio":33,"sensor_type":"ph"}}'.encode(), qos=1)
        yield Outgoing(f"{base}/sensor/999/data", f'{{"esp_id":"{esp_id}",{good}}}'.encode())
        yield Outgoing(f"{base}/library/{chance.randrange(1000)}", b"{}")
        yield Outgoing(f"{base}/system/heartbeat", b"[" + str(chance.random()).encode() + b"]")
