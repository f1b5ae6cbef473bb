"""Simulated devices live with a real bridge."""

import asyncio
import json
from pathlib import Path

import pytest

from kaiser.eventlog import connect
from kaiser.eventlog.replay import replay
from kaiser.fleet.fleet import Fleet, Personality, make_devices
from kaiser.fleet.head import HeadFirmware
from kaiser.fleet.sent import Key
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Mosquitto, Nats

ENOUGH = 60


async def _readings(nats_server: Nats) -> list[Key]:
    """Readings in the log by content, as the fleet notes what it sent."""
    found: list[Key] = []
    async with await connect(nats_server.url, name="test") as log:
        async for delivery in replay(log, "TELEMETRY_RAW"):
            batch = json.loads(delivery.data)
            columns = (batch[name] for name in ("esp_id", "gpio", "sensor_type", "address", "device_ts", "raw"))
            found += zip(*columns, strict=True)
    return found


@pytest.mark.parametrize("personality", ["head", "dec"])
async def test_readings_reach_the_log_and_those_of_head_only_through_the_gate_that_the_bridge_opens(
    mosquitto: Mosquitto, nats_server: Nats, tmp_path: Path, personality: Personality
) -> None:
    specs = make_devices(3, personality=personality, sensors=5, interval_s=1.0)
    bridge = ephemeral_services.bridge(tmp_path / "bridge", mosquitto, nats_server)
    fleet = Fleet(mosquitto.host, mosquitto.port, "device", mosquitto.password, devices=specs)
    try:
        async with fleet:
            if personality == "head":
                await asyncio.sleep(2)
                assert not fleet.sent.attempted, "nobody answered their heartbeats"
            await asyncio.to_thread(bridge.start)
            before = fleet.sent.count
            async with asyncio.timeout(25):
                while fleet.sent.count < before + ENOUGH:  # noqa: ASYNC110 - the devices tell nobody
                    await asyncio.sleep(0.1)
        sent = [key for key, _ in fleet.sent][before:]
        await asyncio.sleep(1)
    finally:
        bridge.stop()
    stored = await _readings(nats_server)
    # What was under way when the bridge subscribed may be missing of dec, which sends without being asked
    missing = set(sent[15:] if personality == "dec" else sent) - set(stored)
    assert not missing
    assert len(set(stored)) == len(stored)
    for device in fleet.devices:
        if isinstance(device.firmware, HeadFirmware):
            assert not device.firmware.handover.rejects
