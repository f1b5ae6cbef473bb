"""What ten thousand devices cost, how long their list takes, and how soon an approved one is let in.

    python tests/bench/devices.py [--devices 10000] [--minutes 1] [--approvals 50]

Servers and services of its own, as tests have them. Heartbeats are those of real firmware, both generations half and
half, but come over one connection with an account that may speak for every device: ten thousand sockets would measure
the load generator. CPU is of the processes themselves, in per cent of one core.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import httpx
import psutil

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import ensure_tree

PAGE = 100
TRY_AGAIN_S = 0.005


class Suite(NamedTuple):
    """What runs."""

    mosquitto: Mosquitto
    nats: Nats
    postgres: Postgres
    services: dict[str, Service]
    api: httpx.AsyncClient


def esp_id(number: int) -> str:
    return f"ESP_{number:06X}"


def heartbeat(number: int, uptime_s: int) -> tuple[str, str]:
    """Topic and payload; even numbers are ``dec``, odd ones ``head``."""
    body: dict[str, Any] = {
        "esp_id": esp_id(number), "zone_id": f"zone_{number % 20}", "master_zone_id": "house", "zone_assigned": True,
        "ts": int(time.time()), "uptime": uptime_s, "heap_free": 198_344 - number % 1000, "wifi_rssi": -61,
        "sensor_count": 3, "actuator_count": 1,
    }  # fmt: skip
    if number % 2:
        body |= {
            "time_valid": True, "boot_sequence_id": f"{esp_id(number)}-b1-r1", "reset_reason": "POWERON",
            "active_handover_epoch": 1, "wifi_ip": "192.168.4.20",
        }  # fmt: skip
    return f"kaiser/god/esp/{esp_id(number)}/system/heartbeat", json.dumps(body, separators=(",", ":"))


@asynccontextmanager
async def suite(folder: Path) -> AsyncIterator[Suite]:
    """Three servers and all services, on free ports."""
    tree = ensure_tree()
    mosquitto, nats = Mosquitto(tree, folder / "mosquitto", shared_account=False), Nats(folder / "nats")
    postgres = Postgres(tree, folder / "postgres")
    started: list[Any] = [mosquitto, nats, postgres]
    try:
        for server in started:
            server.start()
        postgres.prepare()
        services = {
            "bridge": ephemeral_services.bridge(folder / "bridge", mosquitto, nats),
            "ingest": ephemeral_services.ingest(folder / "ingest", nats, postgres),
            "actuator": ephemeral_services.actuator(folder / "actuator", nats, postgres),
            "safety": ephemeral_services.safety(folder / "safety", nats, postgres),
            "gateway": ephemeral_services.gateway(folder / "gateway", nats, postgres),
        }
        started += [service.start() for service in services.values()]
        base = f"http://127.0.0.1:{services['gateway'].environment['KAISER_GATEWAY_PORT']}/api/v1"
        async with httpx.AsyncClient(base_url=base, timeout=30) as api:
            answer = await api.post("/auth/login", json={"username": "admin", "password": PASSWORD})
            api.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
            yield Suite(mosquitto, nats, postgres, services, api)
    finally:
        for server in reversed(started):
            server.kill()


def speaker(suite: Suite) -> aiomqtt.Client:
    """A connection that may speak for every device."""
    broker = suite.mosquitto
    return aiomqtt.Client(
        broker.host, broker.port, username=broker.username, password=broker.password, max_inflight_messages=500
    )


async def register(suite: Suite, devices: int) -> None:
    """Let every device be heard once, and wait until all are in the list."""
    began = time.perf_counter()
    async with speaker(suite) as client:
        for number in range(devices):
            topic, payload = heartbeat(number, 60)
            await client.publish(topic, payload, qos=0)
            if number % 100 == 99:
                await asyncio.sleep(0.02)
    while await count(suite) < devices:  # noqa: ASYNC110 - other processes write them
        await asyncio.sleep(0.5)
    print(f"{devices:,} devices registered in {time.perf_counter() - began:.1f} s")


async def count(suite: Suite) -> int:
    found, cursor = 0, None
    while True:
        page = (await suite.api.get("/devices", params={"limit": 1000} | ({"cursor": cursor} if cursor else {}))).json()
        found += len(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def cost(suite: Suite, devices: int, minutes: float) -> None:
    """CPU of each process while every device says a heartbeat a minute."""
    pids = {name: service.pid for name, service in suite.services.items()}
    pids |= {"mosquitto": suite.mosquitto.pid, "nats": suite.nats.pid}
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.perf_counter()
    async with speaker(suite) as client:
        for minute in range(max(1, round(minutes))):
            start = time.perf_counter()
            for number in range(devices):
                topic, payload = heartbeat(number, 120 + 60 * minute)
                await client.publish(topic, payload, qos=0)
                ahead = start + (number + 1) * 60 / devices - time.perf_counter()
                if ahead > 0.01:
                    await asyncio.sleep(ahead)
    elapsed = time.perf_counter() - began
    print(f"a heartbeat a minute of {devices:,} devices, for {elapsed:.0f} s:")
    for name, pid in pids.items():
        share = 100 * (cpu_s(pid) - before[name]) / elapsed
        target = " (target 5 %)" if name in suite.services else ""
        print(f"  {name:<10} {share:5.1f} % of one core{target}")


def cpu_s(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


async def listing(suite: Suite) -> None:
    """All pages, and the first pages of filtered lists."""
    times: dict[str, list[float]] = {"all pages": [], "by state": [], "by zone": [], "by kaiser id": []}
    for _ in range(3):
        cursor: str | None = ""
        while cursor is not None:
            params: dict[str, Any] = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            cursor = (await timed(suite, params, times["all pages"]))["next_cursor"]
    for number in range(100):
        await timed(suite, {"limit": PAGE, "state": "pending"}, times["by state"])
        await timed(suite, {"limit": PAGE, "zone_id": f"zone_{number % 20}"}, times["by zone"])
        await timed(suite, {"limit": PAGE, "kaiser_id": "god"}, times["by kaiser id"])
    print(f"a page of {PAGE} devices over REST:")
    for name, taken in times.items():
        print(f"  {name:<14} {spread(taken)} (target p99 50 ms)")


async def timed(suite: Suite, params: dict[str, Any], taken: list[float]) -> dict[str, Any]:
    began = time.perf_counter()
    answer = await suite.api.get("/devices", params=params)
    taken.append((time.perf_counter() - began) * 1000)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def approving(suite: Suite, approvals: int) -> None:
    """From the request to approve to a connection that may subscribe and publish."""
    taken = []
    for number in range(approvals):
        esp = esp_id(number)
        began = time.perf_counter()
        answer = (await suite.api.post(f"/devices/{esp}/approve", json={})).raise_for_status().json()
        await until_let_in(suite, esp, answer["key"])
        taken.append((time.perf_counter() - began) * 1000)
    print(f"approval to working credentials, {approvals} devices: {spread(taken)} (target p99 500 ms)")


async def until_let_in(suite: Suite, esp: str, key: str) -> None:
    while True:
        client = aiomqtt.Client(suite.mosquitto.host, suite.mosquitto.port, username=esp, password=key, identifier=esp)
        try:
            async with client:
                granted = await client.subscribe(f"kaiser/god/esp/{esp}/config", qos=1)
                if granted and granted[0] in (0, 1):
                    await client.publish(f"kaiser/god/esp/{esp}/system/diagnostics", b"{}", qos=1)
                    return
        except aiomqtt.MqttError:
            pass
        await asyncio.sleep(TRY_AGAIN_S)


def spread(taken: list[float]) -> str:
    """Median and p99, ms; the worst where there are too few for a p99."""
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms"


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as folder:
        async with suite(Path(folder)) as running:
            await register(running, arguments.devices)
            await approving(running, arguments.approvals)
            await asyncio.sleep(5)
            await cost(running, arguments.devices, arguments.minutes)
            await listing(running)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--approvals", type=int, default=50)
    asyncio.run(main(parser.parse_args()))
