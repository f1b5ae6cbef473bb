"""Simulated devices live with a real bridge."""

import asyncio
import json
from pathlib import Path

import pytest

from kaiser.eventlog import connect
from kaiser.eventlog.replay import replay
from kaiser.fleet.device import Broker
from kaiser.fleet.fleet import Fleet, make_devices
from kaiser.fleet.head import HeadDevice
from kaiser.fleet.sent import Sent
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Mosquitto, Nats


def _broker(mosquitto: Mosquitto) -> Broker:
    return Broker(host=mosquitto.host, port=mosquitto.port, username="device", password=mosquitto.password)


async def test_a_head_device_publishes_readings_only_once_the_bridge_has_acknowledged_it(
    mosquitto: Mosquitto, nats_server: Nats, tmp_path: Path
) -> None:
    sent = Sent()
    devices = make_devices(3, personality="head", sensors=5, interval_s=0.2, broker=_broker(mosquitto), sent=sent)
    async with Fleet(devices):
        await asyncio.sleep(2)
        assert sent.attempted == 0, "nobody answered their heartbeats"
        bridge = ephemeral_services.bridge(tmp_path / "bridge", mosquitto, nats_server)
        try:
            await asyncio.to_thread(bridge.start)
            async with asyncio.timeout(15):
                while sent.count < 60:  # noqa: ASYNC110 - the devices tell nobody
                    await asyncio.sleep(0.1)
        finally:
            bridge.stop()
    assert all(isinstance(device, HeadDevice) and not device.rejected_acks for device in devices)
    async with await connect(nats_server.url, name="test") as log:
        batches = [json.loads(d.data) async for d in replay(log, "TELEMETRY_RAW")]
        heard = {d.subject async for d in replay(log, "HEARTBEATS", subjects=("heartbeat.>",))}
    assert sum(len(batch["seq"]) for batch in batches) >= 60
    assert len(heard) == 3


@pytest.mark.parametrize("personality", ["dec"])
async def test_dec_devices_publish_without_asking(mosquitto: Mosquitto, personality: str) -> None:
    sent = Sent()
    devices = make_devices(2, personality=personality, sensors=5, interval_s=0.2, broker=_broker(mosquitto), sent=sent)
    async with Fleet(devices), asyncio.timeout(10):
        while sent.count < 20:  # noqa: ASYNC110 - the devices tell nobody
            await asyncio.sleep(0.1)
