"""A device that sends garbage as fast as the broker takes it."""

import asyncio
import base64
import itertools
import json
import random
import time

from kaiser.eventlog import EventLog, replay
from kaiser.local.ephemeral import Mosquitto
from kaiser.mqtt import QoS, Session

from .conftest import Suite, at_once
from .load import fleet, under_load
from .stored import assert_each_stored_once, caught_up, until

TOPIC = "kaiser/god/esp/ESP_BAD0BA/sensor/4/data"
AT_ONCE = 200


class Garbage:
    """Messages that are none, each with a number that makes it unlike every other.

    Attributes:
        acknowledged: Payloads that the broker acknowledged.
    """

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.acknowledged: list[bytes] = []
        self._numbers = itertools.count()
        self._chance = random.Random(1)
        self._session = Session(
            host=mosquitto.host,
            port=mosquitto.port,
            client_id="garbage",
            username=mosquitto.username,
            password=mosquitto.password,
        )

    def _payload(self) -> bytes:
        number = next(self._numbers)
        kinds = (
            self._chance.randbytes(40),
            b'{"esp_id":"ESP_BAD0BA","gpio":4,"raw":',
            b'{"esp_id":"ESP_100000","seq":1,"gpio":4,"sensor_type":"ds18b20","raw":1,"ts":1}',
            b"[" * 500,
            b"",
        )
        return b"%d " % number + kinds[number % len(kinds)]

    async def send(self) -> None:
        """Send at full speed until cancelled; what is under way then is finished."""
        async with self._session as session:
            stopping = asyncio.Event()
            senders = [asyncio.create_task(self._send_one_by_one(session, stopping)) for _ in range(AT_ONCE)]
            try:
                await asyncio.sleep(3600)
            finally:
                stopping.set()
                await asyncio.gather(*senders)

    async def _send_one_by_one(self, session: Session, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            payload = self._payload()
            await session.publish(TOPIC, payload, qos=QoS.AT_LEAST_ONCE)
            self.acknowledged.append(payload)


async def _letters(log: EventLog) -> list[bytes]:
    return [
        base64.b64decode(letter["payload"])
        async for delivery in replay(log, "DEADLETTER", subjects=("deadletter.bridge",))
        for letter in json.loads(delivery.data)["letters"]
    ]


async def test_garbage_at_full_speed_is_dead_letters_and_the_others_are_read_normally(suite: Suite) -> None:
    await at_once(suite.gateway.start)
    garbage = Garbage(suite.mosquitto)
    began = time.monotonic()
    sending = asyncio.create_task(garbage.send())
    try:
        async with under_load(suite.mosquitto, fleet(), rate=1000) as load:
            await asyncio.sleep(4)
            assert not sending.done()
            await caught_up(suite.postgres, load, since=time.monotonic(), what="garbage, while it goes on")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    print(f"garbage: {len(garbage.acknowledged) / (time.monotonic() - began):.0f} messages/s beside 1,000 readings/s")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)

    async def all_buried() -> bool:
        return len(await _letters(suite.log)) >= len(garbage.acknowledged)

    await until(all_buried)
    assert sorted(await _letters(suite.log)) == sorted(garbage.acknowledged)
