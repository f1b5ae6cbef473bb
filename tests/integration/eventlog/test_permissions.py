"""What this library asks of the server is within what the contract grants to the services."""

import asyncio

from kaiser.contracts.streams import PERMISSIONS, STREAMS
from kaiser.eventlog import (
    BatchConsumer,
    ConsumerSpec,
    Event,
    EventLog,
    Lease,
    OrderedReader,
    Unprocessable,
    connect,
    ensure_consumer,
    ensure_streams,
    replay,
)
from kaiser.local.ephemeral import Nats

from .conftest import eventually


def owned(service: str) -> list:
    return [spec for spec in STREAMS if spec.name in PERMISSIONS[service].owns]


async def as_service(nats_server: Nats, service: str) -> EventLog:
    return await connect(nats_server.address, name=service, user=service, password=nats_server.password)


async def test_every_service_defines_its_own_streams_and_together_they_are_all(nats_server: Nats):
    async with asyncio.timeout(20):
        for service in PERMISSIONS:
            async with await as_service(nats_server, service) as log:
                await ensure_streams(log, owned(service))
                await ensure_streams(log, owned(service))
    defined = {spec.name for service in PERMISSIONS for spec in owned(service)}
    assert defined == {spec.name for spec in STREAMS}


async def test_ingest_may_consume_bury_and_replay(nats_server: Nats):
    raw = Event(subject="telemetry.raw.k.0", type="t", data=b"{}", source="s")

    async def refuse(batch: list) -> None:
        raise Unprocessable("INVALID_PAYLOAD_FORMAT", "no")

    async with await as_service(nats_server, "bridge") as bridge, await as_service(nats_server, "ingest") as ingest:
        await ensure_streams(bridge, owned("bridge"))
        await ensure_streams(ingest, owned("ingest"))
        await bridge.publish(raw, timeout_s=5)
        consumer = BatchConsumer(ingest, ConsumerSpec(stream="TELEMETRY_RAW", durable="c"), refuse, service="ingest")
        running = asyncio.create_task(consumer.run())
        await eventually(lambda: consumer.stats.dead_lettered)
        await consumer.stop()
        await running
        async with asyncio.timeout(5):
            assert [d.subject async for d in replay(ingest, "TELEMETRY_RAW")] == ["telemetry.raw.k.0"]


async def test_the_bridge_may_hold_a_lease_and_the_gateway_may_read_along(nats_server: Nats):
    async with await as_service(nats_server, "bridge") as bridge, await as_service(nats_server, "ingest") as ingest:
        lease = Lease(bridge, "bridge", "slot-1", holder="one", ttl_s=5)
        assert await lease.acquire()
        assert await lease.renew()
        await lease.release()
        await ensure_streams(ingest, owned("ingest"))
        async with (
            await as_service(nats_server, "gateway") as gateway,
            OrderedReader(gateway, "TELEMETRY", start="last_per_subject", subjects=("telemetry.reading.>",)) as reader,
            asyncio.timeout(5),
        ):
            await ingest.publish(Event(subject="telemetry.reading.k.0", type="t", data=b"{}", source="s"))
            assert [d.subject for d in await reader.take()] == ["telemetry.reading.k.0"]


async def test_a_service_may_take_back_what_it_held_when_it_died(nats_server: Nats):
    spec = ConsumerSpec(stream="TELEMETRY", durable="recorder", ack_wait_s=60)
    got: list[int] = []

    async def take(batch: list) -> None:
        got.extend(delivery.seq for delivery in batch)

    async with await as_service(nats_server, "ingest") as ingest:
        await ensure_streams(ingest, owned("ingest"))
        await ensure_consumer(ingest, spec)
        await ingest.publish(Event(subject="telemetry.reading.k.0", type="t", data=b"{}", source="s"))
        inbox = ingest.nc.new_inbox()
        waiting = await ingest.nc.subscribe(inbox)
        await ingest.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TELEMETRY.recorder", b'{"batch":1}', reply=inbox)
        await waiting.next_msg(timeout=2)  # delivered, and never acknowledged
        consumer = BatchConsumer(ingest, spec, take, service="ingest")
        running = asyncio.create_task(consumer.run())
        await eventually(lambda: got, within_s=3)
        await consumer.stop()
        await running
    assert got == [1]
