"""How many GETs of a read model one gateway answers, and how soon; beside a route that does nothing, in the same run.

    python tests/bench/reads.py [--seconds 4] [--rounds 3] [--connections 8] [--rate 2000]

A log, a gateway, an owner that answers from memory, and a bare application with the same server, each in a process of
its own on free ports. Rounds go through all routes in turn, so that whatever else the machine does concerns all;
what is printed are medians. First as fast as ``--connections`` go, then at ``--rate`` requests a second.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from litestar import Litestar, get

from kaiser.client import Login
from kaiser.contracts import queries, subjects
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import connect, ensure_streams
from kaiser.gateway.main import WebServer
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Nats
from kaiser.service import listen
from kaiser.service.answering import Answerer

DEVICE = queries.Device(
    esp_id="ESP_9F03D4",
    kaiser_id="god",
    state="approved",
    generation="head",
    zone_id="north_tent",
    online=True,
    offline_reason=None,
    first_seen_at=1_777_500_031_250_000,
    last_seen_at=1_777_500_031_250_000,
    boot="1",
    uptime_s=86_400,
    heap_free_bytes=182_432,
    wifi_rssi_dbm=-61,
    sensor_count=4,
    actuator_count=2,
    name="north bench",
    board="esp32_wroom",
    state_since=1_777_500_031_250_000,
    state_by="ada",
    state_reason="",
    key_issued_at=1_777_500_031_250_000,
    seq=4711,
)
FIFTY = queries.Page(items=[DEVICE] * 50, next_cursor=None)
ROUTES = {
    "a route that does nothing": ("bare", "/", False),
    "/auth/me, of the gateway's memory": ("gateway", "/api/v1/auth/me", False),
    "/users, of the gateway's memory": ("gateway", "/api/v1/users", False),
    "/users, known already (304)": ("gateway", "/api/v1/users", True),
    "/devices/{id}, asked of its owner": ("gateway", "/api/v1/devices/ESP_9F03D4", False),
    "/devices, 50 of them": ("gateway", "/api/v1/devices", False),
}


class Load(asyncio.Protocol):
    """One connection that asks again when it has its answer, or when the next request is due."""

    def __init__(self, request: bytes, until: float, every_s: float, took: list[float]) -> None:
        self._request = request
        self._until = until
        self._every_s = every_s
        self._took = took
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self.done = self._loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._due = time.perf_counter()
        self._ask()

    def _ask(self) -> None:
        self._began = self._due if self._every_s else time.perf_counter()  # who waits for us waits, too
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or len(body) < _length(head):
            return
        assert head[9:12] in (b"200", b"304"), head
        self._buffer = b""
        now = time.perf_counter()
        self._took.append(now - self._began)
        if now >= self._until:
            self._transport.close()
            self.done.set_result(None)
        elif self._every_s:
            self._due += self._every_s
            self._loop.call_later(max(0.0, self._due - now), self._ask)
        else:
            self._ask()


def _length(head: bytes) -> int:
    if head[9:12] == b"304":
        return 0
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")


async def load(port: int, request: bytes, connections: int, seconds: float, rate: int) -> None:
    """Ask for so long; prints what came of it."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    every_s = connections / rate if rate else 0.0
    loop = asyncio.get_running_loop()
    loads = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(lambda: Load(request, until, every_s, took), "127.0.0.1", port)
        loads.append(protocol.done)
        await asyncio.sleep(every_s / connections)
    await asyncio.gather(*loads)
    took.sort()
    print(json.dumps({"rate": len(took) / seconds, "p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}))


async def bare(port: int) -> None:
    """A server as the gateway's, with a route that does nothing."""

    @get("/")
    async def nothing() -> dict[str, str]:
        return {}

    app = Litestar([nothing], openapi_config=None, logging_config=None)
    config = uvicorn.Config(app, http="httptools", log_config=None, access_log=False, lifespan="on", loop="none")  # type: ignore[arg-type]
    await WebServer(config).serve_on(listen("127.0.0.1", port, purpose="the bench", variable="PORT"))


async def owner(url: str) -> None:
    """Answers for ingest, from memory."""

    async def device(_: queries.DeviceQuery, __: int) -> queries.Device:
        return DEVICE

    async def devices(_: queries.DevicesQuery, __: int) -> queries.Page[queries.Device]:
        return FIFTY

    async with await connect(url, name="owner") as log:
        answerer = Answerer(
            "ingest",
            {
                subjects.query("ingest", "device"): (queries.DeviceQuery, device),
                subjects.query("ingest", "devices"): (queries.DevicesQuery, devices),
            },
        )
        await answerer.serve(log.nc)
        await log.nc.flush()
        print("ready", flush=True)
        await asyncio.Future()


class NoDatabase:
    """The gateway reads its address and needs none."""

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:1/kaiser"


async def _beside(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, __file__, *words, stdout=subprocess.PIPE)


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[dict[str, int]]:
    """Everything that is asked, by name with its port."""
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        nats = Nats(Path(home) / "nats")
        gateway = ephemeral_services.gateway(Path(home) / "gateway", nats, NoDatabase())
        beside: list[asyncio.subprocess.Process] = []
        try:
            async with await connect(nats.start().url, name="bench") as log:
                await ensure_streams(log, STREAMS)
            with listen("127.0.0.1", 0, purpose="the bench", variable="PORT") as free:
                port = free.getsockname()[1]
            beside = [await _beside("--owner", nats.url), await _beside("--bare", str(port))]
            assert beside[0].stdout is not None
            while (await beside[0].stdout.readline()).strip() != b"ready":
                assert beside[0].returncode is None
            gateway.start()
            yield {"gateway": int(gateway.environment["KAISER_GATEWAY_PORT"]), "bare": port}
        finally:
            for process in beside:
                process.kill()
                await process.wait()
            gateway.kill()
            nats.kill()


async def measured(port: int, path: str, token: str, options: argparse.Namespace, *, rate: int, tag: str) -> Any:
    """One round of one route."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}"]
    request = "\r\n".join([*lines, *([f"If-None-Match: {tag}"] if tag else []), "", ""])
    words = ("--load", str(port), request, str(options.connections), str(options.seconds), str(rate))
    process = await _beside(*words)
    out, _ = await process.communicate()
    return json.loads(out)


async def tag_of(port: int, path: str, token: str) -> str:
    """The ETag that a route has now."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    return next((line[6:] for line in head.split("\r\n") if line.lower().startswith("etag: ")), "")


async def main(options: argparse.Namespace) -> None:
    async with servers() as ports:
        token = await Login(f"http://127.0.0.1:{ports['gateway']}", "admin", PASSWORD)()
        for rate in (0, options.rate):
            found: dict[str, list[Any]] = {title: [] for title in ROUTES}
            for _ in range(options.rounds):
                for title, (server, path, known) in ROUTES.items():
                    tag = await tag_of(ports[server], path, token) if known else ""
                    found[title].append(await measured(ports[server], path, token, options, rate=rate, tag=tag))
            _print(found, rate, options.connections)


def _print(found: dict[str, list[Any]], rate: int, connections: int) -> None:
    how = f"at {rate} requests/s (target p99 10 ms)" if rate else f"as fast as {connections} connections go"
    print(f"{how}; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
    least = statistics.median(each["rate"] for each in next(iter(found.values())))
    for title, rounds in found.items():
        median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        print(f"  {title:36} {median['rate']:6,.0f}/s ({median['rate'] / least:4.0%}), ", end="")
        print(f"p50 {median['p50'] * 1000:.1f} ms, p99 {median['p99'] * 1000:.1f} ms", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--load", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--owner", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        at_port, asked, of, for_s, a_second = given.load
        uvloop.run(load(int(at_port), asked.encode(), int(of), float(for_s), int(a_second)))
    elif given.owner:
        uvloop.run(owner(given.owner))
    elif given.bare:
        uvloop.run(bare(given.bare))
    else:
        uvloop.run(main(given))
