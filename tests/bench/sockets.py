"""How soon a reading that is in the log is with WebSocket clients, when there are many of them or one wants everything.

    python tests/bench/sockets.py [--clients 1000] [--rate 5000] [--seconds 20] [--everything 10000]
                                  [--delivery frames immediate]

A log and a gateway of its own on free ports; readings are published as ingest does (record batches of one partition),
twenty times a second. Each of the many clients wants one of fifty devices. Clients are in a process of their own and
read no more of a message than its times, so that what is measured is the gateway.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from kaiser.client import Login
from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, now_us
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Nats
from kaiser.local.ephemeral_services import Service

DEVICES = [f"ESP_{number:06X}" for number in range(50)]
TICK_S = 0.05
RECEIVED = re.compile(rb'"received_at":(\d+)')
OUTSTANDING_S = 60


class Watcher(asyncio.Protocol):
    """A WebSocket client that counts events and how old they are."""

    def __init__(self, watch: "Watch", esp_id: str, delivery: str) -> None:
        self._watch = watch
        self._filters = {"types": ["sensor_data"]} | ({"esp_ids": [esp_id]} if esp_id else {})
        self._delivery = delivery
        self._buffer = bytearray()
        self._open = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        head = "GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Key: a2Fpc2VyLWthaXNlci1rYQ==\r\nSec-WebSocket-Version: 13\r\n"
        transport.write(f"{head}Authorization: Bearer {self._watch.token}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            del self._buffer[: end + 4]
            self._open = True
            self._say({"action": "subscribe", "filters": self._filters, "delivery": self._delivery})
        while (payload := self._frame()) is not None:
            self._message(payload)

    def connection_lost(self, error: Exception | None) -> None:
        self._watch.lost += 1

    def _frame(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        if opcode == 9:
            self._transport.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
            return b""
        return payload

    def _message(self, payload: bytes) -> None:
        now, watch = now_us(), self._watch
        if payload.startswith(b'{"type":"frame"'):
            watch.frames += 1
            times = RECEIVED.findall(payload)
            watch.events += len(times)
            for received in dict.fromkeys(times):
                watch.ages[(now - int(received)) // 1000] += times.count(received)
        elif payload.startswith(b'{"type":"subscribed"'):
            watch.subscribed += 1
        elif payload.startswith(b'{"type":"missed"'):
            watch.missed += json.loads(payload)["count"]

    def _say(self, message: Any) -> None:
        payload = json.dumps(message).encode()
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self._transport.write(b"\x81" + size + bytes(4) + payload)


class Watch:
    """All clients of one run."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.subscribed = self.events = self.frames = self.missed = self.lost = 0
        self.ages: Counter[int] = Counter()

    async def run(self, port: int, clients: int, delivery: str, *, everything: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in range(clients):
            esp_id = "" if everything else DEVICES[number % len(DEVICES)]
            await loop.create_connection(lambda one=esp_id: Watcher(self, one, delivery), "127.0.0.1", port)
        while self.subscribed < clients:  # noqa: ASYNC110 - a thousand callbacks count
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        cpu = time.process_time()
        expected = int((await loop.run_in_executor(None, sys.stdin.readline)).split()[1])
        until = time.monotonic() + OUTSTANDING_S
        while self.events + self.missed < expected and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        told = {name: getattr(self, name) for name in ("events", "frames", "missed", "lost")}
        print(
            json.dumps(
                told | {"cpu_s": time.process_time() - cpu, "expected": expected, "ages": sorted(self.ages.items())}
            ),
            flush=True,
        )


def batch(rows: list[str], first: int) -> Event:
    at, count = now_us(), len(rows)
    body = Readings(
        kaiser_id="god",
        reading_id=list(range(first, first + count)),
        sensor_id=[4711 + row for row in range(count)],
        esp_id=rows,
        gpio=[4] * count,
        sensor_type=["ds18b20"] * count,
        address=["28FF641E8D3C0C79"] * count,
        raw=[352.0] * count,
        value=[22.0] * count,
        unit=["°C"] * count,
        quality=["good"] * count,
        measured_at=[at] * count,
        time_source=["device"] * count,
        device_ts=[at // 1_000_000] * count,
        received_at=[at] * count,
        zone_id=["tent"] * count,
        subzone_id=[""] * count,
        pending=[False] * count,
        flags=[""] * count,
    )
    subject = subjects.telemetry_reading("god", subjects.partition(rows[0]))
    return Event(subject=subject, type=Readings.TYPE, data=msgspec.json.encode(body), source="bench")


async def publish(log: EventLog, rate: int, seconds: int) -> int:
    """Readings of all devices in turn; returns how many."""
    parts: dict[int, list[str]] = {}
    for esp_id in DEVICES:
        parts.setdefault(subjects.partition(esp_id), []).extend([esp_id] * int(rate * TICK_S / len(DEVICES)))
    sent, due = 0, time.monotonic()
    for _ in range(int(seconds / TICK_S)):
        events = []
        for rows in parts.values():
            events.append(batch(rows, sent))
            sent += len(rows)
        await log.publish_all(events)
        due += TICK_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return sent


def quantile(ages: list[list[int]], share: float) -> int:
    left = share * sum(count for _, count in ages)
    for age, count in ages:
        left -= count
        if left <= 0:
            return age
    return 0


class Bench:
    def __init__(self, log: EventLog, gateway: Service, options: argparse.Namespace) -> None:
        self._log = log
        self._gateway = gateway
        self._options = options
        self._process = max(
            (process for process in psutil.process_iter(["cmdline"]) if self._is_gateway(process)),
            key=lambda process: process.create_time(),
        )

    @staticmethod
    def _is_gateway(process: psutil.Process) -> bool:
        words = process.info["cmdline"] or []
        return "kaiser.gateway" in words and process.ppid() == os.getpid()

    async def run(self, title: str, clients: int, rate: int, delivery: str, *, everything: bool) -> None:
        port = self._gateway.environment["KAISER_GATEWAY_PORT"]
        token = await Login(f"http://127.0.0.1:{port}", "admin", PASSWORD)()
        command = [sys.executable, __file__, "--watch", port, str(clients), delivery, str(int(everything)), token]
        watching = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
        )
        assert watching.stdin is not None
        assert watching.stdout is not None
        assert (await watching.stdout.readline()).strip() == b"ready"
        before = self._process.cpu_times()
        began = time.monotonic()
        measuring = asyncio.create_task(self._peak_memory())
        sent = await publish(self._log, rate, self._options.seconds)
        took = time.monotonic() - began
        expected = sent if everything else sent * clients // len(DEVICES)
        watching.stdin.write(f"expect {expected}\n".encode())
        await watching.stdin.drain()
        told = json.loads(await watching.stdout.readline())
        await watching.wait()
        measuring.cancel()
        after = self._process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / took
        ages = told["ages"]
        lacking = told["expected"] - told["events"] - told["missed"]
        print(f"{title}, {delivery}: {sent / took:,.0f} readings/s published, {told['events'] / took:,.0f} events/s")
        print(f"  publish to client p50 {quantile(ages, 0.5)} ms, p99 {quantile(ages, 0.99)} ms (target 100 ms)")
        print(f"  missed {told['missed']}, lacking {lacking}, connections lost {told['lost']}, frames {told['frames']}")
        print(f"  gateway {self._peak / 2**20:.0f} MiB (target 400 MiB), {cpu:.0%} of a core", end="; ")
        print(f"clients {told['cpu_s'] / took:.0%} of one", flush=True)

    async def _peak_memory(self) -> None:
        self._peak = 0
        while True:
            with contextlib.suppress(psutil.Error):
                self._peak = max(self._peak, self._process.memory_info().rss)
            await asyncio.sleep(0.2)


class NoDatabase:
    """The gateway reads its address and needs none."""

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:1/kaiser"


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        nats = Nats(Path(home) / "nats")
        gateway = ephemeral_services.gateway(
            Path(home) / "gateway", nats, NoDatabase(), clients=str(options.clients + 10)
        )
        try:
            async with await connect(nats.start().url, name="bench") as log:
                await ensure_streams(log, STREAMS)
                gateway.start()
                bench = Bench(log, gateway, options)
                for delivery in options.delivery:
                    title = (
                        f"{options.clients} clients with {options.rate // len(DEVICES)} of {options.rate} readings/s"
                    )
                    await bench.run(title, options.clients, options.rate, delivery, everything=False)
                title = f"one client with all of {options.everything} readings/s"
                await bench.run(title, 1, options.everything, "immediate", everything=True)
        finally:
            gateway.kill()
            nats.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--everything", type=int, default=10_000)
    parser.add_argument("--delivery", nargs="+", default=["frames", "immediate"])
    parser.add_argument("--watch", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        at_port, how_many, how, of_all, with_token = given.watch
        uvloop.run(Watch(with_token).run(int(at_port), int(how_many), how, everything=of_all == "1"))
    else:
        uvloop.run(main(given))
