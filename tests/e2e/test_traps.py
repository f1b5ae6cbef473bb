"""The ten traps of the wire contract, section 22: each with firmware of both generations, on one suite.

Whatever crosses the broker meanwhile is checked against the contract.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import aiomqtt
import httpx
import pytest

from kaiser.contracts.downlink import check_downlink
from kaiser.contracts.topics import DownlinkKind, UplinkKind
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.spec import ActuatorSpec, DeviceSpec
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres, copy_cluster
from kaiser.local.ephemeral_services import Service
from kaiser.local.ports import free_port

from .living import Tap, by_kind, living, now, tapped, until

PH: Final = SensorSpec(gpio=32, sensor_type="ph")
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank pH"}],
    "actuators": [{"gpio": 25, "actuator_type": "pump", "name": "Main pump"}],
}
BOTH: Final = pytest.mark.parametrize("generation", ["dec", "head"])


class Suite(NamedTuple):
    """Servers and services of this file."""

    mosquitto: Mosquitto
    bridge: Service
    gateway: Service
    processing_port: int


@pytest.fixture(scope="module")
def suite(infra_tree, postgres_template, servers_folder, tmp_path_factory) -> Iterator[Suite]:
    """One suite for all traps; every test has devices of its own."""
    folder = tmp_path_factory.mktemp("traps")
    mosquitto, nats = Mosquitto(infra_tree, folder / "mosquitto"), Nats(folder / "nats")
    postgres = Postgres(infra_tree, copy_cluster(postgres_template, folder / "postgres"), fsync=False)
    bridge = ephemeral_services.bridge(folder / "bridge", mosquitto, nats)
    gateway = ephemeral_services.gateway(folder / "gateway", nats, postgres)
    port = free_port()
    ingest = ephemeral_services.ingest(folder / "ingest", nats, postgres, processing_port=port)
    started = [mosquitto, nats, postgres, bridge, ingest, gateway]
    try:
        for server in started:
            server.start()
        yield Suite(mosquitto, bridge, gateway, port)
    finally:
        for server in reversed(started):
            server.kill()


@pytest.fixture
async def api(suite) -> AsyncIterator[httpx.AsyncClient]:
    base = f"http://127.0.0.1:{suite.gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        yield client


@pytest.fixture
async def tap(suite) -> AsyncIterator[Tap]:
    async with tapped(suite.mosquitto) as tap:
        yield tap


def esp(trap: int, generation: str) -> str:
    return f"ESP_{trap:02X}{'DEC0' if generation == 'dec' else 'EAD0'}"


def of(trap: int, generation: str, **more: Any) -> DeviceSpec:
    return DeviceSpec(esp_id=esp(trap, generation), generation=generation, **({"sensors": (PH,)} | more))


@BOTH
async def test_trap_1_a_retained_copy_is_never_news(suite, api, tap, generation) -> None:
    """``dec`` retains what it says, so the broker says it again to whoever subscribes."""
    async with living(suite.mosquitto, api, of(1, generation)) as (device, seen):
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        await until(seen.config, lambda found: found["state"] == "confirmed")
        await until(lambda: seen.readings(32, "ph"), lambda found: len(found) > 3)
        retained = {line.topic for line in tap.lines if line.retain and "/server/" not in line.topic}
        assert any("/sensor/" in topic for topic in retained) is (generation == "dec")
    await asyncio.sleep(1)
    before, settled = await seen.readings(32, "ph"), await seen.config()
    suite.bridge.restart()
    await asyncio.sleep(2)
    assert await seen.readings(32, "ph") == before
    assert await seen.config() == settled
    assert tap.faults({device.spec.esp_id: generation}) == []


@BOTH
async def test_trap_2_a_device_with_any_kaiser_id_is_heard_where_it_is_and_answered_there(
    suite, api, tap, generation
) -> None:
    spec = of(2, generation, kaiser_id="" if generation == "dec" else "house_7")
    async with living(suite.mosquitto, api, spec) as (device, seen):
        found = await seen.device()
        assert (found["kaiser_id"], len(found["esp_id"])) == (spec.kaiser_id, len("ESP_") + 6)
        (await seen.put("zone", {"zone_id": "north"})).raise_for_status()
        await until(seen.device, lambda found: found["zone_state"] == "confirmed")
        (assignment,) = tap.to(spec.esp_id, DownlinkKind.ZONE_ASSIGN)
        assert {name: type(assignment[name]) for name in ("zone_id", "master_zone_id", "zone_name", "kaiser_id")} == (
            dict.fromkeys(("zone_id", "master_zone_id", "zone_name", "kaiser_id"), str)
        )
        assert device.firmware.kaiser_id == (spec.kaiser_id or "god")
        await until(seen.device, lambda found: found["kaiser_id"] == device.firmware.kaiser_id)
        if generation == "dec":
            device.power_cycle()  # its subscriptions are still below the empty kaiser id
            await asyncio.sleep(2)
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        found = await until(seen.config, lambda found: found["state"] not in ("none", "ordered"))
        assert found["state"] == "confirmed"
        assert tap.faults({spec.esp_id: generation}) == []


@BOTH
async def test_trap_3_a_device_without_the_http_endpoint_is_heard_as_far_as_it_speaks(suite, api, generation) -> None:
    """Without it, ``dec`` is silent for five readings and then sends counts; the server converts these itself."""
    spec = of(3, generation, processing="fails")
    async with living(suite.mosquitto, api, spec) as (_, seen):
        reading = await until(lambda: seen.latest(32, "ph"), lambda found: found is not None)
        assert (reading["unit"], reading["value"] is not None) == ("pH", True)


async def test_trap_3_a_dec_device_gets_its_values_in_the_one_form_that_its_parser_reads(suite, api, tap) -> None:
    spec = DeviceSpec(
        esp_id="ESP_03DEC1", generation="dec", sensors=(PH,), processing_at=("127.0.0.1", suite.processing_port)
    )
    async with living(suite.mosquitto, api, spec) as (_, seen):
        reading = await until(lambda: seen.latest(32, "ph"), lambda found: found is not None)
        said = [json.loads(line.payload) for line in by_kind(tap)[UplinkKind.SENSOR_DATA]][-1]
    assert (said["unit"], said["quality"]) == ("pH", "fair")
    assert said["value"] == pytest.approx(reading["value"], abs=0.1)


@BOTH
async def test_trap_4_a_clock_that_was_never_set_dates_nothing(suite, api, generation) -> None:
    """``head`` takes the time from the acknowledgement of its heartbeat; ``dec`` goes on without any."""
    async with living(suite.mosquitto, api, of(4, generation, clock_off_s=None, interval_s=12.0)) as (_, seen):
        found = await until(lambda: seen.readings(32, "ph"), lambda found: len(found) > 5)
    if generation == "dec":
        assert {(reading["time_source"], reading["device_at"]) for reading in found} == {("server", None)}
    age_s = [time.time() - datetime.fromisoformat(reading["measured_at"]).timestamp() for reading in found]
    assert all(-5 < seconds < 60 for seconds in age_s)
    assert (await seen.device())["last_seen_at"].startswith("20")


@BOTH
async def test_trap_5_a_head_device_is_let_in_at_once_and_never_told_that_the_server_is_gone(
    suite, api, tap, generation
) -> None:
    spec = of(5, generation, actuators=(ActuatorSpec(gpio=25),))
    async with living(suite.mosquitto, api, spec) as (device, seen):
        await until(lambda: seen.latest(32, "ph"), lambda found: found is not None)
        acks = tap.to(spec.esp_id, DownlinkKind.HEARTBEAT_ACK)
        assert bool(acks) is (generation == "head")
        for line in by_kind(tap)[DownlinkKind.HEARTBEAT_ACK]:
            assert set(json.loads(line.payload)) <= {"status", "handover_epoch", "server_time", "config_available"}
            assert (len(line.payload) <= 124, line.retain) == (True, False)
        suite.bridge.kill()
        suite.bridge.start()
        await until(lambda: now(device.connected), bool)
        seen_before = len(await seen.readings(32, "ph"))
        await until(lambda: seen.readings(32, "ph"), lambda found: len(found) > seen_before)
        assert tap.faults({spec.esp_id: generation}) == []


@BOTH
async def test_trap_6_a_dec_device_that_lost_the_broker_is_found_deaf_and_left_alone(
    suite, api, tap, generation
) -> None:
    async with living(suite.mosquitto, api, of(6, generation)) as (device, seen):
        device.drop()
        await asyncio.sleep(1)  # it is back within milliseconds
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        if generation == "head":  # which subscribes at every connect
            found = await until(seen.config, lambda found: found["state"] == "confirmed")
            assert (await seen.device())["deaf_since"] is None
            return
        found = await until(seen.device, lambda found: found["deaf_since"] is not None)
        assert found["online"]
        told = len(tap.to(device.spec.esp_id, DownlinkKind.CONFIG))
        await asyncio.sleep(3)
        assert len(tap.to(device.spec.esp_id, DownlinkKind.CONFIG)) == told
        device.power_cycle()
        await until(seen.device, lambda found: found["deaf_since"] is None)
        await until(seen.config, lambda found: found["state"] == "confirmed")


@BOTH
async def test_trap_7_a_configuration_is_told_in_the_one_way_that_a_device_takes(suite, api, tap, generation) -> None:
    spec = of(7, generation, sensors=())
    pins = (5, 14, 15, 16, 17, 18)
    many = {
        "sensors": [{"gpio": pin, "sensor_type": "flow", "name": f"Flow {pin} {'x' * 40}"} for pin in (19, 23, 27, 32)],
        "actuators": [{"gpio": pin, "actuator_type": "relay", "name": f"R {pin} {'x' * 50}"} for pin in pins],
    }
    async with living(suite.mosquitto, api, spec) as (device, seen):
        (await seen.put("config", many)).raise_for_status()
        found = await until(seen.config, lambda found: found["state"] not in ("none", "ordered"))
        assert (found["state"], found["faults"]) == ("confirmed", [])  # NVS_WRITE_FAILED is none
        assert set(device.firmware.actuators) == set(pins)
        fewer = many | {"actuators": many["actuators"][:1]}
        (await seen.put("config", fewer)).raise_for_status()
        await until(seen.config, lambda found: found["state"] not in ("none", "ordered"))
        assert set(device.firmware.actuators) == {5}  # what is left out is taken off in so many words
        messages = tap.to(spec.esp_id, DownlinkKind.CONFIG)
        assert len({message["correlation_id"] for message in messages}) == len(messages)
        assert [item["active"] for item in messages[-1]["actuators"]] == [False] * 5
        assert {item["actuator_type"] for message in messages for item in message["actuators"]} == {"relay"}
        assert tap.faults({spec.esp_id: generation}) == []
    if generation == "dec":
        assert len(messages) > 2, "more than one packet of 2,048 bytes"


BROADCAST: Final = "kaiser/broadcast/emergency"


@BOTH
def test_trap_8_an_emergency_stop_has_the_one_form_that_both_take_and_is_never_retained(generation) -> None:
    portable = b'{"command":"stop_all","reason":"operator"}'
    assert check_downlink(BROADCAST, portable, 2, False, "both") is None
    assert check_downlink(BROADCAST, portable, 2, True, "both") is not None
    rich = {"command": "stop_all", "reason": "operator", "issued_by": "eva", "timestamp": "2026-11-23T12:00:00Z"}
    rich |= {"correlation_id": "0b0e9c9e-5d0e-4c0a-9f0c-000000000000", "scope": "all", "source": "rest"}
    assert check_downlink(BROADCAST, json.dumps(rich).encode(), 2, False, generation) is not None
    scoped = f"kaiser/god/esp/{esp(8, generation)}/actuator/emergency"
    refused = check_downlink(scoped, b'{"command":"emergency_stop"}', 1, False, generation)
    assert (refused is not None) is (generation == "dec"), "dec has no stop of its own: OFF to each actuator"
    assert check_downlink(BROADCAST, b'{"command":"clear"}', 2, False, generation) is not None


@BOTH
def test_trap_9_a_command_says_what_the_device_does_with_it(generation) -> None:
    topic = f"kaiser/god/esp/{esp(9, generation)}/actuator/25/command"

    def check(**command: Any) -> str | None:
        body = {"command": "ON", "value": 1.0, "duration": 0} | command
        if generation == "head":
            body |= {"correlation_id": "c"}
        return check_downlink(topic, json.dumps(body).encode(), 2, False, generation)

    assert check() is None
    assert check(command="PWM", value=0.75) is None
    assert check(command="PWM", value=75) is not None  # would be full power
    assert check(command="TOGGLE") is not None  # a second one toggles again
    assert check(ttl_ms=1000) is not None  # is compared with the uptime


@BOTH
async def test_trap_10_counts_wrap_values_are_nan_and_one_topic_carries_two_sensors(
    suite, api, tap, generation
) -> None:
    frost = SensorSpec(gpio=4, sensor_type="ds18b20", middle=-40, swing=10)
    air = [SensorSpec(gpio=18, sensor_type=kind, middle=26_000) for kind in ("sht31_temp", "sht31_humidity")]
    pressure = SensorSpec(gpio=19, sensor_type="bmp280_pressure", middle=415_148)
    spec = of(10, generation, sensors=(frost, *air, pressure), value_is_nan=generation == "dec")
    async with living(suite.mosquitto, api, spec) as (_, seen):
        cold = await until(lambda: seen.latest(4, "ds18b20"), lambda found: found is not None)
        assert (cold["raw"] < 0, -4 < cold["value"] < 0, cold["unit"]) == (True, True, "°C")
        warm = await until(lambda: seen.latest(18, "sht31_temp"), lambda found: found is not None)
        damp = await until(lambda: seen.latest(18, "sht31_humidity"), lambda found: found is not None)
        assert (warm["unit"], damp["unit"]) == ("°C", "%RH")
        weather = await until(lambda: seen.latest(19, "bmp280_pressure"), lambda found: found is not None)
        assert (weather["raw"], weather["value"], weather["quality"]) == (
            pytest.approx(415_148, abs=2000),
            None,
            "error",
        )
        assert "not_convertible" in weather["flags"]
        if generation == "dec":
            assert any(b"nan" in line.payload for line in by_kind(tap)[UplinkKind.SENSOR_DATA])


async def test_a_device_may_not_speak_for_another(suite, api, tap) -> None:
    """What a payload says of its sender counts for nothing against the topic, which the broker has checked."""
    async with aiomqtt.Client(
        suite.mosquitto.host, suite.mosquitto.port, username=suite.mosquitto.username, password=PASSWORD
    ) as client:
        forged = {"esp_id": "ESP_FFFFFF", "gpio": 32, "sensor_type": "ph", "raw": 1, "ts": 0, "raw_mode": True}
        await client.publish("kaiser/god/esp/ESP_0F0F0F/sensor/32/data", json.dumps(forged), qos=1)
    await asyncio.sleep(1)
    assert (await api.get("/devices/ESP_FFFFFF")).status_code == 404
    assert tap.faults({}) != []
