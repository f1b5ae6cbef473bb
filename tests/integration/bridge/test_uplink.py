"""What devices say is in the log, each once, before the broker is told."""

import asyncio
import base64
import json
from collections.abc import Callable

import aiomqtt
from tests.integration.bridge.conftest import ESP, TOPIC, StartBridge, numbers, reading, stored, until

from kaiser.eventlog import EventLog
from kaiser.local.ephemeral import Mosquitto, Nats

Device = Callable[..., aiomqtt.Client]


async def test_a_reading_is_in_the_log_with_all_that_the_device_said(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.publish(f"{TOPIC}/sensor/4/data", reading(417), qos=1)
    (delivery,) = await until(lambda: stored(log, "TELEMETRY_RAW", "telemetry.raw.>"))
    batch = json.loads(delivery.data)
    assert delivery.subject.startswith("telemetry.raw.god.")
    assert delivery.type == "io.kaiser.telemetry.raw.v1"
    assert (batch["esp_id"], batch["raw"], batch["seq"]) == ([ESP], [352.0], [417])
    assert batch["address"] == ["28FF641E8C160350"]


async def test_a_device_is_discovered_once_and_its_words_become_events(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        for seq in (1, 2):
            await client.publish(f"{TOPIC}/actuator/25/status", _status(seq), qos=1)
    events = await until(lambda: _at_least(2, log, "ACTUATORS", "actuator.>"))
    assert [event.subject for event in events] == [f"actuator.god.{ESP}.25.status"] * 2
    assert [event.subject for event in await stored(log, "DEVICES")] == [f"device.god.{ESP}.discovered"]


async def test_a_retained_copy_is_never_news(start_bridge: StartBridge, log: EventLog, device: Device) -> None:
    async with device() as client:
        await client.publish(f"{TOPIC}/actuator/25/alert", _alert(), qos=0, retain=True)
        start_bridge()
        await client.publish(f"{TOPIC}/sensor/4/data", reading(1), qos=1)
        await until(lambda: numbers(log))
        assert await stored(log, "ACTUATORS", "actuator.>") == []
        await client.publish(f"{TOPIC}/actuator/25/alert", _alert(), qos=0, retain=True)
    assert await until(lambda: stored(log, "ACTUATORS", "actuator.>")), "published with retain just now, it is news"


async def test_what_nobody_can_use_is_a_dead_letter_with_its_bytes(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.publish(f"{TOPIC}/sensor/4/data", b"\xff\xfe\xfd", qos=1)
        await client.publish(f"{TOPIC}/nobody/knows/this", "{}", qos=1)
        await client.publish(f"{TOPIC}/sensor/4/data", reading(1, esp_id="ESP_0A1B2C"), qos=1)
    letters = await until(lambda: _letters(log, 3))
    assert [letter["topic"].removeprefix(TOPIC) for letter in letters] == [
        "/sensor/4/data",
        "/nobody/knows/this",
        "/sensor/4/data",
    ]
    assert base64.b64decode(letters[0]["payload"]) == b"\xff\xfe\xfd"
    assert [letter["code"] for letter in letters][:2] == ["INVALID_PAYLOAD_FORMAT", "INVALID_TOPIC"]
    assert await numbers(log) == []


async def test_own_downlink_does_not_come_back(start_bridge: StartBridge, log: EventLog, device: Device) -> None:
    start_bridge()
    async with device() as client:
        await client.publish(f"{TOPIC}/config", '{"sensors":[],"actuators":[]}', qos=2)
        await client.publish(f"{TOPIC}/sensor/4/data", reading(1), qos=1)
    await until(lambda: numbers(log))
    assert await stored(log, "DEADLETTER") == []


async def test_every_acknowledged_reading_survives_kill_9_of_the_bridge_once(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    bridge = start_bridge()
    total = 4000

    async def publish() -> None:
        async with device() as client:
            for first in range(0, total, 20):
                await asyncio.gather(
                    *(client.publish(f"{TOPIC}/sensor/4/data", reading(seq), qos=1) for seq in range(first, first + 20))
                )

    publishing = asyncio.create_task(publish())
    for _ in range(3):
        await asyncio.sleep(0.3)
        bridge.kill()
        await asyncio.to_thread(bridge.start)
    await publishing
    await until(lambda: _all_there(log, total), timeout_s=30)
    assert await numbers(log) == list(range(total))


async def test_a_full_log_holds_the_bridge_back_and_loses_nothing(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    bridge = start_bridge()
    config = (await log.js.stream_info("TELEMETRY_RAW")).config
    config.max_bytes = 20_000
    await log.js.update_stream(config)
    total = 300
    async with device() as client:
        for seq in range(total):
            await client.publish(f"{TOPIC}/sensor/4/data", reading(seq), qos=1)
    await until(lambda: _not_ready(bridge.url))
    assert len(await numbers(log)) < total
    config.max_bytes = 20_000_000
    await log.js.update_stream(config)
    await until(lambda: _all_there(log, total))
    assert await numbers(log) == list(range(total))


async def test_the_log_away_for_a_while_delays_and_loses_nothing(
    start_bridge: StartBridge, nats_server: Nats, device: Device, log: EventLog
) -> None:
    start_bridge()
    async with device() as client:
        await client.publish(f"{TOPIC}/sensor/4/data", reading(0), qos=1)
        await until(lambda: numbers(log))
        nats_server.kill()
        for seq in range(1, 200):
            await client.publish(f"{TOPIC}/sensor/4/data", reading(seq), qos=1)
        nats_server.start()
        await until(lambda: _all_there(log, 200), timeout_s=30)
    assert await numbers(log) == list(range(200))


async def test_the_broker_restarted_cleanly_loses_nothing(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        for seq in range(100):
            await client.publish(f"{TOPIC}/sensor/4/data", reading(seq), qos=1)
    await asyncio.to_thread(mosquitto.restart)
    async with device() as client:
        for seq in range(100, 200):
            await client.publish(f"{TOPIC}/sensor/4/data", reading(seq), qos=1)
    await until(lambda: _all_there(log, 200), timeout_s=30)
    assert await numbers(log) == list(range(200))


async def test_a_last_will_is_an_event_and_so_is_the_return_which_clears_it(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.publish(f"{TOPIC}/system/will", _will(), qos=1, retain=True)
        await until(lambda: stored(log, "DEVICES", "device.*.*.lost"))
        await client.publish(f"{TOPIC}/sensor/4/data", reading(1), qos=1)
        await until(lambda: stored(log, "DEVICES", "device.*.*.returned"))
        await asyncio.sleep(0.3)
    async with device() as late:
        await late.subscribe(f"{TOPIC}/system/will", qos=1)
        assert await _retained(late) == []


def _status(seq: int) -> str:
    return json.dumps(
        {
            "esp_id": ESP,
            "seq": seq,
            "zone_id": "",
            "subzone_id": "",
            "ts": 1777500060,
            "gpio": 25,
            "type": "relay",
            "state": True,
            "pwm": 255,
            "runtime_ms": 0,
            "emergency": "normal",
        }
    )


def _alert() -> str:
    return json.dumps(
        {
            "esp_id": ESP,
            "zone_id": "",
            "ts": 1777500060,
            "gpio": 25,
            "alert_type": "emergency_stop",
            "message": "Actuator stopped",
        }
    )


def _will() -> str:
    return json.dumps({"status": "offline", "reason": "unexpected_disconnect", "timestamp": 1777500000, "esp_id": ESP})


async def _at_least(count: int, log: EventLog, stream: str, subject: str) -> list:
    found = await stored(log, stream, subject)
    return found if len(found) >= count else []


async def _all_there(log: EventLog, total: int) -> bool:
    return len(await numbers(log)) >= total


async def _letters(log: EventLog, count: int) -> list[dict]:
    letters = [letter for event in await stored(log, "DEADLETTER") for letter in json.loads(event.data)["letters"]]
    return letters if len(letters) >= count else []


async def _not_ready(url: str) -> bool:
    import httpx

    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/health/ready")
    return answer.status_code == 503 and "holds back" in answer.text


async def _retained(client: aiomqtt.Client) -> list[aiomqtt.Message]:
    found = []
    try:
        async with asyncio.timeout(1.0):
            async for message in client.messages:
                found.append(message)  # noqa: PERF401 - until the time is over
    except TimeoutError:
        pass
    return found
