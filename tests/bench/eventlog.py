"""What the event log costs: CPU and wall time a message for publishing and consuming, on a server of its own.

Run: ``python tests/bench/eventlog.py``. CPU is that of this process (the client's side), on uvloop as services run.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import nats
import uvloop

from kaiser.contracts.streams import DEADLETTER, StreamSpec
from kaiser.eventlog import BatchConsumer, ConsumerSpec, Delivery, Event, connect, ensure_streams
from kaiser.local.ephemeral import Nats

FACTS = StreamSpec(name="FACTS", subjects=("fact.>",))
SIZES = ((200, 20_000), (20_000, 4_000))
BATCH = 200


def events(count: int, size: int) -> list[Event]:
    body = b'"' + b"x" * (size - 2) + b'"'
    return [Event(subject="fact.a", type="io.kaiser.bench.v1", data=body, source="kaiser/bench") for _ in range(count)]


class Clock:
    """CPU and wall time between two moments, in µs a message."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def line(self, what: str, size: int, count: int) -> str:
        cpu = (time.process_time() - self.cpu) / count * 1e6
        wall = (time.perf_counter() - self.wall) / count * 1e6
        return f"{what:<34} {size:>6} B  {cpu:7.1f} us CPU  {wall:7.1f} us wall  {1e6 / wall:>9,.0f}/s"


async def measure(url: str) -> None:
    for size, count in SIZES:
        async with await connect(url, name="bench") as log:
            await ensure_streams(log, (FACTS, DEADLETTER))
            await log.js.purge_stream("FACTS")
            todo = events(count, size)
            await log.publish_all(todo[:BATCH])
            clock = Clock()
            for start in range(BATCH, count, BATCH):
                await log.publish_all(todo[start : start + BATCH])
            print(clock.line(f"publish_all, {BATCH} a call", size, count - BATCH))
            clock = Clock()
            for event in events(500, size):
                await log.publish(event)
            print(clock.line("publish, one at a time", size, 500))
            await log.js.purge_stream("FACTS")
            await log.publish_all(events(count, size))
            await consume(log, size, count)
            await nats_py_fetch(url, size, count)
            if size == SIZES[0][0]:
                await latency(log)
            await log.js.delete_stream("FACTS")


async def consume(log, size: int, count: int) -> None:
    seen, batches, done = 0, 0, asyncio.Event()

    async def handler(batch: list[Delivery]) -> None:
        nonlocal seen, batches
        seen += len(batch)
        batches += 1
        if seen >= count:
            done.set()

    consumer = BatchConsumer(log, ConsumerSpec(stream="FACTS", durable="bench"), handler, service="bench")
    clock = Clock()
    running = asyncio.create_task(consumer.run())
    await done.wait()
    print(clock.line("BatchConsumer", size, count), f" {count / batches:.0f} a batch")
    await consumer.stop()
    await running


async def latency(log, count: int = 300) -> None:
    """From the call of publish to the handler, 100 a second."""
    delays: list[float] = []

    async def handler(batch: list[Delivery]) -> None:
        delays.extend(time.perf_counter() - float(delivery.data) for delivery in batch)

    consumer = BatchConsumer(log, ConsumerSpec(stream="FACTS", durable="quick", start="new"), handler, service="bench")
    running = asyncio.create_task(consumer.run())
    await asyncio.sleep(0.2)
    for _ in range(count):
        body = str(time.perf_counter()).encode()
        await log.publish(Event(subject="fact.a", type="io.kaiser.bench.v1", data=body, source="kaiser/bench"))
        await asyncio.sleep(0.01)
    await consumer.stop()
    await running
    delays.sort()
    p50, p99 = (delays[int(len(delays) * share)] * 1e3 for share in (0.5, 0.99))
    print(f"{'publish to handler, 100/s':<34} p50 {p50:.2f} ms  p99 {p99:.2f} ms")


async def nats_py_fetch(url: str, size: int, count: int) -> None:
    """The same with nats-py's own fetch and an acknowledgement a message, for comparison."""
    nc = await nats.connect(url)
    subscription = await nc.jetstream().pull_subscribe("fact.>", durable="plain", stream="FACTS")
    clock, seen = Clock(), 0
    while seen < count:
        messages = await subscription.fetch(256, timeout=5)
        for message in messages:
            await message.ack()
        seen += len(messages)
    print(clock.line("nats-py fetch and ack", size, count))
    await nc.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Nats(Path(folder) / "nats").start()
        try:
            uvloop.run(measure(server.url))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
