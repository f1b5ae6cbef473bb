"""Simulated devices on a real broker."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.fleet.fleet import Fleet, make_devices
from kaiser.fleet.garbage import garbage
from kaiser.fleet.sensors import five_sensors
from kaiser.fleet.spec import ActuatorSpec, DeviceSpec

ESP = "ESP_A0B1C2"


class Server:
    """Somebody who listens to everything that is not retained, and acknowledges heartbeats."""

    def __init__(self, client: aiomqtt.Client, *, acknowledges: bool = True) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.acknowledges = acknowledges
        self._client = client

    async def serve(self) -> None:
        async for message in self._client.messages:
            topic, payload = str(message.topic), message.payload
            if message.retain:
                continue
            self.heard.append((topic, payload))
            if topic.endswith("system/heartbeat") and self.acknowledges:
                epoch = json.loads(payload).get("active_handover_epoch")
                ack = {"status": "online", "handover_epoch": epoch or 1, "server_time": 1_777_500_000}
                await self._client.publish(f"{topic}/ack", json.dumps(ack), qos=1)

    async def waits_for(self, suffix: str, count: int = 1) -> list[dict]:
        async with asyncio.timeout(15):
            while len(found := self.of(suffix)) < count:  # noqa: ASYNC110 - appended to by another task
                await asyncio.sleep(0.01)
        return [json.loads(payload) for payload in found]

    def of(self, suffix: str) -> list[bytes]:
        return [payload for topic, payload in self.heard if topic.endswith(suffix)]

    async def says(self, topic: str, **body) -> None:
        await self._client.publish(topic, json.dumps(body), qos=1)


@asynccontextmanager
async def server_on(mosquitto, **options):
    async with aiomqtt.Client(
        mosquitto.host, mosquitto.port, username=mosquitto.username, password=mosquitto.password
    ) as client:
        await client.subscribe("kaiser/+/esp/+/#", qos=1)
        server = Server(client, **options)
        serving = asyncio.create_task(server.serve())
        try:
            yield server
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def fleet_on(mosquitto, *specs, time_scale=1.0) -> Fleet:
    return Fleet(mosquitto.host, mosquitto.port, "device", mosquitto.password, devices=specs, time_scale=time_scale)


def a_device(generation="head", **options) -> DeviceSpec:
    given = {"sensors": five_sensors(1, dec=generation == "dec"), "actuators": (ActuatorSpec(gpio=25),)}
    return DeviceSpec(esp_id=ESP, generation=generation, **{**given, **options})


async def test_a_head_device_publishes_readings_only_once_it_is_acknowledged(mosquitto):
    async with server_on(mosquitto, acknowledges=False) as server, fleet_on(mosquitto, a_device(), time_scale=5) as f:
        await server.waits_for("session/announce")
        await server.waits_for("system/heartbeat", 3)
        assert not server.of("/data")
        server.acknowledges = True
        await server.waits_for("/data", 10)
        assert f.sent.count >= 5


async def test_every_reading_in_the_log_was_heard_and_decodes(mosquitto):
    specs = make_devices(10, personality="mixed", sensors=5, interval_s=0.5)
    async with server_on(mosquitto) as server:
        async with fleet_on(mosquitto, *specs) as fleet:
            await asyncio.sleep(4)
        await asyncio.sleep(0.5)
        heard = []
        for topic, payload in server.heard:
            outcome = decode_uplink(topic, payload)
            if "/ack" in topic and "heartbeat" in topic:
                continue
            assert isinstance(outcome, Accepted), (topic, payload, outcome)
            if topic.endswith("/data"):
                m = outcome.message
                heard.append((m.esp_id, m.gpio, m.sensor_type, m.address, m.ts, int(m.raw)))
    sent = [key for key, _ in fleet.sent]
    assert len({esp for esp, *_ in sent}) == 10
    assert not set(sent) - set(heard)
    assert len(set(sent)) == len(sent)


async def test_a_fleet_does_not_publish_in_bursts(mosquitto):
    specs = make_devices(20, personality="dec", sensors=1, interval_s=1.0)
    async with fleet_on(mosquitto, *specs) as fleet:
        await asyncio.sleep(5)
    by_fifth = Counter(at // 200_000 for _, at in fleet.sent)
    assert fleet.sent.count >= 60
    assert max(by_fifth.values()) <= 8, "a fifth of a second has a fifth of the devices, or not much more"


async def test_a_fleet_stops_at_once_with_the_broker_or_without_it(mosquitto):
    specs = make_devices(40, personality="dec", sensors=5, interval_s=0.2)
    for broker_dies in (False, True):
        async with fleet_on(mosquitto, *specs) as fleet:
            await asyncio.sleep(2)
            assert fleet.connected == 40
            if broker_dies:
                mosquitto.kill()
                await asyncio.sleep(0.3)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 5


async def test_what_is_on_its_way_when_a_fleet_stops_is_acknowledged_and_noted(mosquitto):
    specs = make_devices(5, personality="head", sensors=5, interval_s=0.2)
    async with server_on(mosquitto) as server:
        async with fleet_on(mosquitto, *specs) as fleet:
            await server.waits_for("/data", 50)
            mosquitto.pause()
            await asyncio.sleep(0.5)
            assert fleet.sent.attempted > fleet.sent.count
            asyncio.get_running_loop().call_later(0.5, mosquitto.resume)
        assert fleet.sent.attempted == fleet.sent.count > 0


async def test_a_device_that_died_of_a_bug_is_reported(mosquitto, monkeypatch):
    specs = make_devices(2, personality="dec", sensors=1, interval_s=0.1)
    fleet = await fleet_on(mosquitto, *specs).__aenter__()
    monkeypatch.setattr(fleet.devices[0].firmware, "pass_time", lambda: 1 / 0)
    await asyncio.sleep(1)
    assert fleet.connected == 1, "the other one lives on"
    with pytest.raises(ExceptionGroup, match="died of bugs") as caught:
        await fleet.__aexit__(None, None, None)
    assert caught.group_contains(ZeroDivisionError)


async def test_a_device_that_dies_leaves_its_last_will_and_comes_back_announcing_it(mosquitto):
    async with server_on(mosquitto) as server, fleet_on(mosquitto, a_device(), time_scale=5) as fleet:
        await server.waits_for("/data")
        fleet[ESP].drop()
        assert (await server.waits_for("system/will"))[0]["esp_id"] == ESP
        announced = await server.waits_for("session/announce", 2)
        assert [a["reason"] for a in announced] == ["boot", "reconnect"]
        before = len(server.of("/data"))
        await server.waits_for("/data", before + 1)


async def test_a_dec_device_is_deaf_after_its_reconnect_until_it_is_power_cycled(mosquitto):
    topic = f"kaiser/god/esp/{ESP}/actuator/25/command"
    async with server_on(mosquitto) as server, fleet_on(mosquitto, a_device("dec"), time_scale=5) as fleet:
        await server.waits_for("/data")
        await server.says(topic, command="ON", value=1.0)
        assert (await server.waits_for("25/response"))[0]["success"]
        fleet[ESP].drop()
        await server.waits_for("system/will")
        before = len(server.of("/data"))
        await server.waits_for("/data", before + 5)
        await server.says(topic, command="OFF")
        await server.waits_for("/data", before + 15)
        assert len(server.of("25/response")) == 1
        fleet[ESP].power_cycle()
        await server.waits_for("system/will", 2)
        await asyncio.sleep(0.5)
        await server.says(topic, command="OFF")
        assert not (await server.waits_for("25/response", 2))[1]["success"]  # its actuators are gone with the power


async def test_a_head_device_follows_its_new_kaiser_id(mosquitto):
    async with server_on(mosquitto) as server, fleet_on(mosquitto, a_device()):
        await server.waits_for("/data")
        zone = {"zone_id": "north", "master_zone_id": "house", "zone_name": "North", "kaiser_id": "k2"}
        await server.says(f"kaiser/god/esp/{ESP}/zone/assign", **zone)
        await server.waits_for("zone/ack")
        assert server.of(f"kaiser/k2/esp/{ESP}/zone/ack"[-8:])
        assert any(topic.startswith("kaiser/k2/") for topic, _ in server.heard)
        await server.says(f"kaiser/k2/esp/{ESP}/actuator/25/command", command="ON", correlation_id="c-1")
        assert (await server.waits_for("25/response"))[0]["correlation_id"] == "c-1"


async def test_nothing_that_a_garbage_device_sends_becomes_an_event():
    stream = garbage(ESP)
    for message in (next(stream) for _ in range(400)):
        assert not isinstance(decode_uplink(message.topic, message.payload), Accepted), message
