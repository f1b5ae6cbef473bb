"""How long a command takes from POST to the device and back, how many a second go, and how soon a stop is everywhere.

    python tests/bench/commands.py [--devices 100] [--rate 20] [--seconds 30] [--readings 1000]
                                   [--only latency sustained stop] [--stop-devices 1000] [--stop-readings 10000]

A suite of its own on free ports: three servers and all services as processes, all of them on this machine, with a load
of readings in the background. Devices are simulated by one connection that answers every command at once, as ``dec``
firmware does (status, response, status), so that what is measured is Kaiser and the broker. For the stop every device
has a connection of its own.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import uvloop
import websockets

from kaiser.contracts.topics import BROADCAST_EMERGENCY
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import ensure_tree
from kaiser.mqtt import QoS, RetainHandling, Session, topic_filter

PIN = 25
API = "/api/v1"


class Http:
    """One kept-alive connection to the API; the standard client costs more than what is to be measured."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.token = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {API}{path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(payload)}\r\n"
        head += "Content-Type: application/json\r\n" + (f"Authorization: Bearer {self.token}\r\n" if self.token else "")
        writer.write(head.encode() + b"\r\n" + payload)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
        content = await reader.readexactly(int(lengths[0])) if lengths else b""
        return int(lines[0].split()[1]), json.loads(content) if content else None


class Suite(NamedTuple):
    """What runs, and a client of it."""

    mosquitto: Mosquitto
    nats: Nats
    services: dict[str, Service]
    gateway_port: int
    token: str

    def http(self) -> Http:
        client = Http(self.gateway_port)
        client.token = self.token
        return client

    def session(self, name: str, *filters: str) -> Session:
        """A connection that may use every topic."""
        return Session(
            host=self.mosquitto.host,
            port=self.mosquitto.port,
            client_id=name,
            username=self.mosquitto.username,
            password=self.mosquitto.password,
            subscriptions=[
                topic_filter(one, max_qos=QoS.EXACTLY_ONCE, retain_handling=RetainHandling.SEND_NEVER)
                for one in filters
            ],
        )


@asynccontextmanager
async def suite(folder: Path, *more: str) -> AsyncIterator[Suite]:
    """Servers and services, and more of those by name, on free ports."""
    tree = ensure_tree()
    mosquitto, nats = Mosquitto(tree, folder / "mosquitto"), Nats(folder / "nats")
    postgres = Postgres(tree, folder / "postgres")
    started: list[Any] = [mosquitto, nats, postgres]
    try:
        for server in started:
            server.start()
        postgres.prepare()
        services = {"bridge": ephemeral_services.bridge(folder / "bridge", mosquitto, nats)}
        for name in ("ingest", "actuator", "safety", "gateway", *more):
            services[name] = getattr(ephemeral_services, name)(folder / name, nats, postgres)
        started += [service.start() for service in services.values()]
        port = int(services["gateway"].environment["KAISER_GATEWAY_PORT"])
        _, answer = await Http(port).ask("POST", "/auth/login", {"username": "admin", "password": PASSWORD})
        yield Suite(mosquitto, nats, services, port, answer["tokens"]["access_token"])
    finally:
        for server in reversed(started):
            server.kill()


class Devices:
    """Simulated ``dec`` devices behind one connection.

    Attributes:
        told: When each pin was last told something, and what: monotonic seconds.
    """

    def __init__(self, running: Suite, count: int, first: int = 0x200000) -> None:
        self.ids = [f"ESP_{first + number:06X}" for number in range(count)]
        self.told: dict[str, float] = {}
        filters = ("kaiser/god/esp/+/actuator/+/command", "kaiser/god/esp/+/config")
        self._session = running.session("bench-devices", *filters)
        self._state: dict[str, bool] = {}

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        async with self._session as session:
            tasks = [asyncio.create_task(self._answer()), asyncio.create_task(self._beat())]
            await session.wait_connected()
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat(self) -> None:
        uptime = 60
        while True:
            for esp in self.ids:
                beat = {
                    "esp_id": esp, "zone_id": "", "master_zone_id": "", "zone_assigned": False, "ts": int(time.time()),
                    "uptime": uptime, "heap_free": 198_344, "wifi_rssi": -61, "sensor_count": 0, "actuator_count": 1,
                }  # fmt: skip
                await self._say(esp, "system/heartbeat", beat)
            await asyncio.sleep(30)
            uptime += 30

    async def _answer(self) -> None:
        async for batch in self._session.batches():
            now = time.perf_counter()
            for message in batch:
                _, _, _, esp, *rest = message.topic.split("/")
                if rest[-1] == "command":
                    self.told[esp] = now
            self._session.acknowledge(batch)
            for message in batch:
                _, _, _, esp, *rest = message.topic.split("/")
                body = json.loads(message.payload)
                if rest[-1] == "command":
                    await self._obey(esp, body)
                else:
                    for kind in ("sensor", "actuator"):
                        said = {"status": "success", "type": kind, "count": 1, "message": "Configured"}
                        await self._say(esp, "config_response", said)

    async def _obey(self, esp: str, body: dict[str, Any]) -> None:
        state = self._state[esp] = body["command"] == "ON"
        common = {"esp_id": esp, "zone_id": "", "ts": int(time.time()), "gpio": PIN}
        status = common | {
            "subzone_id": "", "type": "relay", "state": state, "pwm": 255 * state, "runtime_ms": 0,
            "emergency": "normal",
        }  # fmt: skip
        answer = common | {
            "command": body["command"], "value": 1.0, "duration": 0, "success": True, "message": "Command executed"
        }  # fmt: skip
        for suffix, said in (("status", status), ("response", answer), ("status", status)):
            await self._say(esp, f"actuator/{PIN}/{suffix}", said)

    async def _say(self, esp: str, suffix: str, body: dict[str, Any]) -> None:
        payload = json.dumps(body, separators=(",", ":")).encode()
        await self._session.publish(f"kaiser/god/esp/{esp}/{suffix}", payload, qos=QoS.AT_MOST_ONCE)


async def introduce(running: Suite, devices: Devices) -> None:
    """Approve every device, hang a relay on it, and wait until it is off and known."""
    http, wanted = running.http(), {"actuators": [{"gpio": PIN, "actuator_type": "relay", "name": "Relay"}]}
    for esp in devices.ids:
        while (await http.ask("GET", f"/devices/{esp}"))[0] != 200:  # noqa: ASYNC110 - other processes write it
            await asyncio.sleep(0.05)
        for method, path, body in (("POST", "approve", {}), ("PUT", "config", wanted)):
            status, answer = await http.ask(method, f"/devices/{esp}/{path}", body)
            assert status < 300, answer
        limits = {"limits": {"max_on_s": None}, "reason": "bench"}
        status, answer = await http.ask("PUT", f"/actuators/{esp}/{PIN}/limits", limits)
        assert status < 300, answer
    for esp in devices.ids:
        status, answer = await http.ask("POST", f"/actuators/{esp}/{PIN}/command?wait=20", {"command": "OFF"})
        assert (status, answer.get("state")) == (200, "succeeded"), answer


class Ends:
    """When commands came to their ends, as a WebSocket client is told; monotonic seconds."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.outcomes: dict[str, str] = {}

    @asynccontextmanager
    async def watching(self, running: Suite) -> AsyncIterator[None]:
        headers = {"Authorization": f"Bearer {running.token}"}
        url = f"ws://127.0.0.1:{running.gateway_port}/ws"
        async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
            await socket.recv()
            wish = {"action": "subscribe", "filters": {"types": ["command"]}, "delivery": "immediate"}
            await socket.send(json.dumps(wish))
            await socket.recv()
            listening = asyncio.create_task(self._listen(socket))
            try:
                yield
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, socket: Any) -> None:
        async for text in socket:
            now, frame = time.perf_counter(), json.loads(text)
            for event in frame.get("events", [frame]):
                data = event.get("data", {})
                if data.get("state") in ("succeeded", "failed", "rejected", "expired", "superseded", "cancelled"):
                    self.at[data["command_id"]] = now
                    self.outcomes[data["command_id"]] = data["state"]


async def commands(running: Suite, devices: Devices, *, rate: int, seconds: int) -> dict[str, Any]:
    """Send commands at a steady rate, each device in turn, ON and OFF alternately."""
    posted: list[tuple[str, float, float]] = []
    ends, to_device = Ends(), []
    free: asyncio.Queue[Http] = asyncio.Queue()
    for _ in range(16):
        free.put_nowait(running.http())

    async def one(number: int) -> None:
        esp = devices.ids[number % len(devices.ids)]
        word = "ON" if number // len(devices.ids) % 2 == 0 else "OFF"
        http = await free.get()
        began = time.perf_counter()
        status, answer = await http.ask("POST", f"/actuators/{esp}/{PIN}/command", {"command": word})
        answered = time.perf_counter()
        free.put_nowait(http)
        assert status in (200, 202), answer
        posted.append((answer["command_id"], began, answered))
        while devices.told.get(esp, 0.0) < began and time.perf_counter() - began < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        if devices.told.get(esp, 0.0) >= began:
            to_device.append((devices.told[esp] - began) * 1e3)

    before = {name: cpu_s(service.pid) for name, service in running.services.items()}
    async with ends.watching(running):
        start, tasks = time.perf_counter(), []
        for number in range(rate * seconds):
            ahead = start + number / rate - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
        lasted = time.perf_counter() - start
        deadline = time.perf_counter() + 10
        while len(ends.at) < len(posted) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    used = {name: cpu_s(service.pid) - before[name] for name, service in running.services.items()}
    return {
        "sent": len(posted),
        "rate": len(posted) / lasted,
        "answered": [(answered - began) * 1e3 for _, began, answered in posted],
        "to_device": to_device,
        "visible": [(ends.at[name] - began) * 1e3 for name, began, _ in posted if name in ends.at],
        "outcomes": {word: list(ends.outcomes.values()).count(word) for word in set(ends.outcomes.values())},
        "cpu": {name: 1e3 * spent / len(posted) for name, spent in used.items()},
    }


def cpu_s(pid: int) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)))


@asynccontextmanager
async def readings(running: Suite, rate: int, seconds: int) -> AsyncIterator[None]:
    """A load of readings in the background."""
    environment = os.environ | {
        "KAISER_MQTT_HOST": running.mosquitto.host, "KAISER_MQTT_PORT": str(running.mosquitto.port),
        "KAISER_MQTT_USER": "loadgen", "KAISER_MQTT_PASSWORD": PASSWORD,
    }  # fmt: skip
    command = [sys.executable, "-m", "kaiser.fleet", "load", "--rate", str(rate), "--seconds", str(seconds)]
    load = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.sleep(3)
        yield
    finally:
        load.kill()
        await load.wait()


async def stop(running: Suite, count: int) -> float:
    """Milliseconds from the request of a site-wide stop until the last of the devices has it."""
    arrived: list[float] = []

    async def listen(session: Session) -> None:
        async for batch in session.batches():
            arrived.extend(time.perf_counter() for _ in batch)
            session.acknowledge(batch)

    sessions = [running.session(f"stopped-{number}", BROADCAST_EMERGENCY) for number in range(count)]
    for session in sessions:
        await session.__aenter__()
    listening = [asyncio.create_task(listen(session)) for session in sessions]
    await asyncio.gather(*(session.wait_connected() for session in sessions))
    http = running.http()
    began = time.perf_counter()
    status, answer = await http.ask("POST", "/emergency-stops", {"scope": {"kind": "site"}, "reason": "bench"})
    assert status == 202, answer
    while len(arrived) < count and time.perf_counter() - began < 30:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    taken = (max(arrived[:count]) - began) * 1e3 if len(arrived) >= count else float("inf")
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    await asyncio.gather(*(session.__aexit__(None, None, None) for session in sessions))
    path = f"/emergency-stops/{answer['emergency_id']}/release"
    status, answer = await http.ask("POST", path, {"reason": "bench", "unconfirmed": True})
    assert status < 300, answer
    return taken


def spread(taken: list[float]) -> str:
    if len(taken) < 2:
        return "none"
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered):.1f} ms, p99 {p99:.1f}"


def say(found: dict[str, Any], title: str) -> None:
    print(f"{title}: {found['sent']} commands at {found['rate']:.0f}/s, ends: {found['outcomes']}")
    print(f"  POST to answer          {spread(found['answered'])}")
    print(f"  POST to MQTT at device  {spread(found['to_device'])} (target 8 / 20)")
    print(f"  POST to state visible   {spread(found['visible'])} (target 15 / 40)")
    print(f"  CPU a command (ms): {', '.join(f'{name} {spent:.2f}' for name, spent in found['cpu'].items())}")


async def main(options: argparse.Namespace) -> None:
    wanted = set(options.only or ("latency", "sustained", "stop"))
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as folder:
        async with suite(Path(folder)) as running:
            if wanted & {"latency", "sustained"}:
                devices = Devices(running, options.devices)
                async with devices.living():
                    await introduce(running, devices)
                    if "latency" in wanted:
                        async with readings(running, options.readings, options.seconds + 30):
                            found = await commands(running, devices, rate=options.rate, seconds=options.seconds)
                        say(found, f"{options.devices} devices, {options.readings} readings/s beside")
                    if "sustained" in wanted:
                        say(await commands(running, devices, rate=200, seconds=15), "sustained")
            if "stop" in wanted:
                for rate in (0, options.stop_readings):
                    async with readings(running, rate or 1, 60):
                        taken = [await stop(running, options.stop_devices) for _ in range(3)]
                    words = ", ".join(f"{each:.0f}" for each in taken)
                    print(f"stop at all of {options.stop_devices} devices, {rate} readings/s beside (target 500):")
                    print(f"  {words} ms")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--readings", type=int, default=1000)
    parser.add_argument("--stop-devices", type=int, default=1000)
    parser.add_argument("--stop-readings", type=int, default=10_000)
    parser.add_argument("--only", nargs="+", choices=("latency", "sustained", "stop"))
    uvloop.run(main(parser.parse_args()))
