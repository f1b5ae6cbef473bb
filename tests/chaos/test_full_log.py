"""A JetStream that takes no more: the broker keeps the readings, and nothing is lost."""

import asyncio
import time

import httpx

from kaiser.eventlog import EventLog

from .conftest import Suite, at_once
from .load import fleet, under_load
from .stored import assert_each_row_once, assert_each_stored_once, caught_up, logged, until

SMALL = 1_000_000
"""Bytes; filled within seconds."""
LARGE = 400_000_000


async def _limit(log: EventLog, stream: str, max_bytes: int) -> None:
    config = (await log.js.stream_info(stream)).config
    config.max_bytes = max_bytes
    await log.js.update_stream(config)


async def _bridge_holds_back(suite: Suite) -> bool:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{suite.bridge.url}/health/ready")
    return answer.status_code == 503 and "holds back" in answer.text


async def test_a_full_stream_makes_the_bridge_hold_back_and_go_on_when_there_is_room(suite: Suite) -> None:
    await at_once(suite.ingest.stop)  # it would make room
    await _limit(suite.log, "TELEMETRY_RAW", SMALL)
    async with under_load(suite.mosquitto, fleet()) as load:
        await until(lambda: _bridge_holds_back(suite))
        await asyncio.sleep(2)
        assert (await logged(suite.log, "TELEMETRY_RAW")).total() < len(load.acknowledged)
        began = time.monotonic()
        await _limit(suite.log, "TELEMETRY_RAW", LARGE)
        await at_once(suite.ingest.start)
        await caught_up(suite.postgres, load, since=began, what="full stream")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


async def test_full_streams_empty_themselves_when_the_database_is_back(suite: Suite) -> None:
    """No operator: the recorder catches up, ingest makes room, the converter and then the bridge go on."""
    for stream in ("TELEMETRY_RAW", "TELEMETRY"):
        await _limit(suite.log, stream, SMALL)
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(0.5)
        await at_once(suite.postgres.stop)
        await until(lambda: _bridge_holds_back(suite))
        await asyncio.sleep(1)
    began = time.monotonic()
    await at_once(suite.postgres.start)
    await caught_up(suite.postgres, load, since=began, what="database away until both streams were full")
    await assert_each_row_once(suite.postgres, load.acknowledged)
