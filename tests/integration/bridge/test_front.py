"""Heartbeats are answered at once and without anybody's help, and ``server/status`` does not flap."""

import asyncio
import json
from collections.abc import Callable

import aiomqtt
import pytest
from tests.integration.bridge.conftest import ESP, TOPIC, StartBridge

from kaiser.bridge.server_status import MOST_KAISER_IDS
from kaiser.local.ephemeral import Nats

Device = Callable[..., aiomqtt.Client]
STATUS = "kaiser/god/server/status"


def _heartbeat(epoch: int = 0) -> str:
    return json.dumps(
        {
            "esp_id": ESP,
            "zone_id": "",
            "master_zone_id": "",
            "zone_assigned": False,
            "ts": 1777500001,
            "time_valid": True,
            "boot_sequence_id": f"{ESP}-b17-r1",
            "uptime": 6,
            "heap_free": 161200,
            "wifi_rssi": -55,
            "sensor_count": 2,
            "actuator_count": 1,
            "active_handover_epoch": epoch,
        }
    )


async def _answer(client: aiomqtt.Client, epoch: int = 0) -> dict:
    await client.subscribe(f"{TOPIC}/system/heartbeat/ack", qos=1)
    async with asyncio.timeout(10):
        while True:
            await client.publish(f"{TOPIC}/system/heartbeat", _heartbeat(epoch), qos=0)
            try:
                async with asyncio.timeout(1):
                    message = await anext(client.messages)
            except TimeoutError:
                continue  # as a device does: the next heartbeat
            assert not message.retain
            return json.loads(message.payload)


async def _statuses(client: aiomqtt.Client, seen: list[str]) -> None:
    async for message in client.messages:
        seen.append(json.loads(message.payload)["status"])  # noqa: PERF401 - it never ends


async def test_a_heartbeat_is_answered_with_four_fields_and_the_devices_epoch(
    start_bridge: StartBridge, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        answer = await _answer(client, epoch=3)
    assert answer.keys() == {"status", "handover_epoch", "server_time", "config_available"}
    assert (answer["status"], answer["handover_epoch"]) == ("pending_approval", 3)


async def test_an_announced_epoch_is_used_while_none_is_active(start_bridge: StartBridge, device: Device) -> None:
    start_bridge()
    async with device() as client:
        await _answer(client)
        await client.publish(
            f"{TOPIC}/session/announce",
            json.dumps({"esp_id": ESP, "handover_epoch": 5, "session_epoch": 5, "reason": "reconnect"}),
            qos=1,
        )
        await asyncio.sleep(0.3)
        assert (await _answer(client))["handover_epoch"] == 5


async def test_heartbeats_are_answered_while_the_log_is_away(
    start_bridge: StartBridge, nats_server: Nats, device: Device
) -> None:
    start_bridge()
    nats_server.kill()
    async with device() as client:
        assert (await _answer(client))["handover_epoch"] == 1


async def test_a_bridge_that_starts_without_a_log_answers_heartbeats(
    start_bridge: StartBridge, nats_server: Nats, device: Device
) -> None:
    nats_server.kill()
    bridge = start_bridge("bridge", _wait=False)
    async with device() as client:
        assert (await _answer(client))["status"] == "pending_approval"
    nats_server.start()
    bridge.wait = True
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(bridge._serves):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def test_server_status_is_online_and_retained_and_a_restart_says_no_offline(
    start_bridge: StartBridge, device: Device
) -> None:
    bridge = start_bridge()
    seen: list[str] = []
    async with device() as client:
        watching = asyncio.create_task(_statuses(client, seen))
        await client.subscribe(STATUS, qos=1)
        await asyncio.sleep(0.3)
        assert seen == ["online"]
        bridge.kill()
        await asyncio.to_thread(bridge.start)
        await asyncio.to_thread(bridge.restart)
        await asyncio.sleep(0.5)
        watching.cancel()
    assert "offline" not in seen
    assert len(seen) >= 3


async def test_server_status_is_offline_when_nobody_takes_over(start_bridge: StartBridge, device: Device) -> None:
    bridge = start_bridge("bridge", will_delay_s="1")
    seen: list[str] = []
    async with device() as client:
        watching = asyncio.create_task(_statuses(client, seen))
        await client.subscribe(STATUS, qos=1)
        await asyncio.to_thread(bridge.stop)
        async with asyncio.timeout(10):
            while seen[-1:] != ["offline"]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        watching.cancel()


async def test_a_standby_takes_over_when_the_first_bridge_is_killed(start_bridge: StartBridge, device: Device) -> None:
    first = start_bridge("first")
    start_bridge("second")
    seen: list[str] = []
    async with device() as client, device() as watcher:
        watching = asyncio.create_task(_statuses(watcher, seen))
        await watcher.subscribe(STATUS, qos=1)
        first.kill()
        assert (await _answer(client))["status"] == "pending_approval"
        watching.cancel()
    assert "offline" not in seen


async def test_kaiser_ids_that_anybody_may_invent_open_so_many_sessions_and_no_more(
    device: Device, start_bridge: StartBridge
) -> None:
    await asyncio.to_thread(start_bridge)
    online: set[str] = set()
    async with device("witness") as witness, device("crowd") as crowd:
        await witness.subscribe("kaiser/+/server/status", qos=1)
        for number in range(MOST_KAISER_IDS + 50):
            esp_id = f"ESP_{0xC00000 + number:06X}"
            beat = json.loads(_heartbeat()) | {"esp_id": esp_id}
            await crowd.publish(f"kaiser/k{number}/esp/{esp_id}/system/heartbeat", json.dumps(beat), qos=1)
        async with asyncio.timeout(60):
            async for message in witness.messages:
                online.add(str(message.topic))
                if len(online) == MOST_KAISER_IDS:
                    break
        assert (await _answer(crowd))["handover_epoch"] == 1, "everybody else is served as before"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):  # it looks once a second
                await anext(witness.messages)
