"""What is requested reaches the device as the contract says, once, in time, or is reported as not."""

import asyncio
import json
from collections.abc import Callable

import aiomqtt
import msgspec
from tests.integration.bridge.conftest import ESP, TOPIC, StartBridge, stored, until

from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.eventlog import Event, EventLog, now_us
from kaiser.local.ephemeral import Mosquitto

Device = Callable[..., aiomqtt.Client]
MEASURE = '{"command":"measure","request_id":"m-77","timeout_ms":5000}'


async def _request(
    log: EventLog, *, payload: str = MEASURE, topic: str = f"{TOPIC}/sensor/4/command", **fields
) -> None:
    defaults: dict = {
        "kaiser_id": "god",
        "esp_id": ESP,
        "topic": topic,
        "payload": payload,
        "qos": 2,
        "generation": "head",
        "correlation_id": "m-77",
    }
    request = DownlinkRequested(**(defaults | fields))
    await log.publish(
        Event(
            subject=f"downlink.god.{ESP}.sensor_command",
            type=DownlinkRequested.TYPE,
            data=msgspec.json.encode(request),
            source="test",
        )
    )


async def _report(log: EventLog, outcome: str) -> dict:
    (event,) = await until(lambda: stored(log, "DEVICES", f"device.god.{ESP}.downlink_{outcome}"))
    return json.loads(event.data)


async def test_a_request_reaches_the_device_and_is_reported(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.subscribe(f"{TOPIC}/#", qos=2)
        await _request(log)
        async with asyncio.timeout(10):
            message = await anext(client.messages)
        assert (str(message.topic), message.payload.decode(), message.qos) == (f"{TOPIC}/sensor/4/command", MEASURE, 2)
    assert (await _report(log, "delivered"))["correlation_id"] == "m-77"
    assert (await log.js.stream_info("DOWNLINK")).state.messages == 0


async def test_an_expired_request_is_dropped_and_reported(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.subscribe(f"{TOPIC}/#", qos=2)
        await _request(log, expires_at=now_us() - 1)
        assert (await _report(log, "expired"))["code"] == "DOWNLINK_EXPIRED"
        await _request(log)
        async with asyncio.timeout(10):
            assert "measure" in (await anext(client.messages)).payload.decode()


async def test_what_the_contract_forbids_is_never_sent(
    start_bridge: StartBridge, log: EventLog, device: Device
) -> None:
    start_bridge()
    async with device() as client:
        await client.subscribe(f"{TOPIC}/#", qos=2)
        percent = '{"command":"PWM","value":35,"duration":0}'
        await _request(log, topic=f"{TOPIC}/actuator/26/command", payload=percent)
        assert (await _report(log, "refused"))["code"] == "DOWNLINK_FORBIDDEN"
        await _request(log)
        async with asyncio.timeout(10):
            assert str((await anext(client.messages)).topic) == f"{TOPIC}/sensor/4/command"


async def test_a_request_waits_for_the_broker(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Device
) -> None:
    start_bridge()
    await asyncio.to_thread(mosquitto.stop)
    await _request(log)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(mosquitto.start)
    assert (await _report(log, "delivered"))["outcome"] == "delivered"


async def test_a_request_that_is_none_is_a_dead_letter_and_blocks_nobody(
    start_bridge: StartBridge, log: EventLog
) -> None:
    start_bridge()
    await log.publish(Event(subject=f"downlink.god.{ESP}.x", type=DownlinkRequested.TYPE, data=b"{}", source="test"))
    await _request(log)
    assert (await _report(log, "delivered"))["outcome"] == "delivered"
    assert await until(lambda: stored(log, "DEADLETTER"))
