"""Clients that do not read cost a bounded piece of memory, and nobody else anything."""

import asyncio
import contextlib
import json
import re
from pathlib import Path

import httpx

from kaiser.eventlog import EventLog
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import client_of, socket_of, subscribe
from .test_resuming import Reading, batch

SLOW = 40
BATCHES, EACH = 150, 200
MIB = 1024 * 1024


async def _memory(gateway: Service) -> int:
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{gateway.url}/metrics")).text
    found = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    assert found
    return int(float(found[1]))


async def test_many_who_do_not_read_fill_no_memory_and_hold_nobody_up(
    nats_server: Nats, postgres: Postgres, tmp_path: Path, log: EventLog
) -> None:
    service = ephemeral_services.gateway(tmp_path / "gateway", nats_server, postgres, buffers_bytes=str(8 * MIB))
    try:
        service.start()
        async with client_of(service, "viewer") as client, contextlib.AsyncExitStack() as stack:
            for _ in range(SLOW):
                ws = await stack.enter_async_context(socket_of(client, max_queue=1, ping_interval=None))
                stack.callback(ws.transport.abort)  # a farewell would have to wait behind what it does not read
                await subscribe(ws, client, delivery="immediate")
            reading = Reading()
            reader = await stack.enter_async_context(socket_of(client))
            await reading.read_from(reader, client, until=0)
            before = await _memory(service)

            async def publish() -> None:
                for number in range(BATCHES):
                    await log.publish(batch(number * EACH, count=EACH))

            publishing = asyncio.create_task(publish())
            async with asyncio.timeout(100):
                while len(reading.ids) + sum(each["count"] for each in reading.missed) < BATCHES * EACH:
                    reading.take(json.loads(await reader.recv()))
            await publishing
            # 12 MB of events for each of forty, of which eight altogether may wait, and a frame or two on the way
            assert await _memory(service) - before < 100 * MIB
            assert (await client.get("/api/v1/auth/me")).status_code == 200
    finally:
        service.kill()
