"""CPU of receiving and acknowledging with `kaiser.mqtt`, against a real Mosquitto.

    python tests/bench/mqtt_session.py [--seconds 5] [--rates 100 5000 20000]

One process publishes QoS 1 messages of 180 bytes at a rate, this one receives them through a persistent session and
acknowledges each batch. CPU is the process's own (getrusage, user and system), the network's system calls included.
Before that, without sockets: what the codec alone costs, and what codec and session cost together.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
import timeit
from pathlib import Path

import psutil
import uvloop
from mqtt5 import ConnAckPacket, PublishPacket, read

from kaiser.local.ephemeral import Mosquitto
from kaiser.local.tree import ensure_tree
from kaiser.mqtt import QoS, Session, topic_filter
from kaiser.mqtt.connection import Connection

TOPIC = "kaiser/god/esp/ESP_12AB34CD/sensor/4/data"
PAYLOAD = b'{"esp_id":"ESP_12AB34CD","gpio":4,"sensor_type":"ds18b20","raw":372,"ts":1735818000'.ljust(180, b" ") + b"}"


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def codec_us() -> float:
    """Microseconds to decode one packet, as part of a read of 200."""
    wire = memoryview(PublishPacket(TOPIC, PAYLOAD, qos=QoS.AT_LEAST_ONCE, packet_id=7).write() * 200)

    def decode() -> None:
        position = 0
        while position < len(wire):
            position += read(wire[position:])[1]

    return min(timeit.repeat(decode, number=50, repeat=5)) / 50 / 200 * 1e6


class NoSocket:
    """A transport that takes everything and sends nothing."""

    def write(self, wire: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None:
        return None


async def session_us(per_read: int) -> float:
    """Microseconds of CPU from the bytes of a read to its written acknowledgements, without sockets, a message."""
    session = Session(host="", client_id="bench")
    client = session._client
    connection = Connection(client._packets_received, client._writable, session.stats, max_packet_size=None)
    client._connection = connection
    connection.connection_made(NoSocket())
    connection.data_received(ConnAckPacket().write())
    ids = iter(range(1, 60_001))
    reads = [
        b"".join(
            PublishPacket(TOPIC, PAYLOAD, qos=QoS.AT_LEAST_ONCE, packet_id=next(ids)).write() for _ in range(per_read)
        )
        for _ in range(6_000 // per_read)
    ]

    async def consume() -> None:
        async for batch in session.batches():
            session.acknowledge(batch)

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for read_bytes in reads:
            connection.data_received(read_bytes)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        best = min(best, time.process_time() - began)
    consumer.cancel()
    return best / len(reads) / per_read * 1e6


async def publish(port: int, rate: int, seconds: float) -> None:
    """Publish at a steady rate, in a process of its own."""
    async with Session(
        host="127.0.0.1",
        port=port,
        client_id="bench-publisher",
        username=Mosquitto.username,
        password=Mosquitto.password,
    ) as session:
        await session.wait_connected()
        started, sent = time.perf_counter(), 0
        pending: set[asyncio.Task[bool]] = set()
        while (elapsed := time.perf_counter() - started) < seconds:
            while sent < rate * elapsed:
                task = asyncio.create_task(session.publish(TOPIC, PAYLOAD, qos=QoS.AT_LEAST_ONCE))
                pending.add(task)
                task.add_done_callback(pending.discard)
                sent += 1
            await asyncio.sleep(0.001 if len(pending) < 20_000 else 0.05)
        await asyncio.gather(*pending)
        print(json.dumps({"sent": sent}))


async def receive(server: Mosquitto, rate: int, seconds: float) -> str:
    """Receive everything that a publisher process sends and return a line of figures."""
    async with Session(
        host="127.0.0.1",
        port=server.port,
        client_id="bench-receiver",
        username=server.username,
        password=server.password,
        session_expiry_s=60,
        clean_start=True,
        receive_maximum=5_000,
        subscriptions=[topic_filter("kaiser/#")],
    ) as session:
        await session.wait_connected()
        publisher = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                __file__,
                "--publish-to",
                str(server.port),
                "--rates",
                str(rate),
                "--seconds",
                str(seconds),
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        batches = messages = 0
        sent: int | None = None
        finished = asyncio.ensure_future(publisher.communicate())
        began = broker_began = wall_began = 0.0
        broker = psutil.Process(server.pid)
        async for batch in session.batches():
            if not messages:
                began, broker_began, wall_began = cpu_s(), sum(broker.cpu_times()[:2]), time.perf_counter()
            batches += 1
            messages += len(batch)
            session.acknowledge(batch)
            if sent is None and finished.done():
                sent = json.loads(finished.result()[0])["sent"]
            if sent is not None and messages >= sent:
                break
            if sent is None and messages >= rate * seconds * 0.98:
                break
        cpu, wall = cpu_s() - began, time.perf_counter() - wall_began
        broker_cpu = sum(broker.cpu_times()[:2]) - broker_began
        await finished
        return (
            f"{rate:>8} {messages / wall:>10.0f} {messages / batches:>10.1f} {cpu / messages * 1e6:>10.2f}"
            f" {broker_cpu / messages * 1e6:>10.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 5_000, 20_000])
    parser.add_argument("--publish-to", type=int)
    arguments = parser.parse_args()
    if arguments.publish_to:
        uvloop.run(publish(arguments.publish_to, arguments.rates[0], arguments.seconds))
        return
    print(f"codec alone: {codec_us():.2f} us a message")
    for per_read in (1, 10, 100):
        print(f"session and codec, {per_read:>3} messages a read: {uvloop.run(session_us(per_read)):.2f} us a message")
    print("  rate/s received/s  msg/batch  us CPU/msg  broker us")
    with tempfile.TemporaryDirectory() as folder:
        server = Mosquitto(ensure_tree(), Path(folder) / "mosquitto").start()
        try:
            for rate in arguments.rates:
                print(uvloop.run(receive(server, rate, arguments.seconds)), flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
