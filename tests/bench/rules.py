"""How long it takes from a reading at a device to a command at a device, and what a thousand rules cost.

    python -m tests.bench.rules [--devices 20] [--seconds 30] [--readings 1000] [--load 10000] [--rules 1000]
                                [--only latency load]

A suite of its own on free ports, as of ``commands.py``, with logic. 980 rules watch sensors of the load, one each, and
are never true; one more watches each device that is measured, and switches its relay on when its soil is dry. Such a
device says so at a known time, and what counts is when its command comes: bridge, ingest, logic, the actuator service,
safety, and the bridge again are in between.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import uvloop
from tests.bench.commands import PIN, Devices, Suite, cpu_s, introduce, readings, spread, suite

from kaiser.contracts.events.logic import CommandAsked, RunStarted
from kaiser.contracts.logic import DefineRule
from kaiser.eventlog import connect, now_us, replay
from kaiser.local.ephemeral import Nats
from kaiser.mqtt import QoS

SOIL: Final = 34
DRY, WET = 2900, 1100
LOAD_KINDS: Final = (("ds18b20", 4), ("ph", 32), ("ec", 33), ("moisture", 34), ("ds18b20", 5))
LOAD_DEVICES: Final = 200
FIRST_DEVICE: Final = 0x100000


class Soil:
    """Devices that measure what they are told to, and when their relays are told something.

    Args:
        running: The suite.
        devices: The devices.
    """

    def __init__(self, running: Suite, devices: Devices) -> None:
        self._devices = devices
        self._session = running.session("bench-soil")
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        await self._session.wait_connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.__aexit__(None, None, None)

    async def says(self, esp: str, raw: int) -> float:
        """A reading goes out; when it did, monotonic seconds."""
        body = {
            "esp_id": esp, "seq": next(self._numbers), "zone_id": "", "subzone_id": "", "gpio": SOIL,
            "sensor_type": "moisture", "raw": raw, "value": 0.0, "unit": "raw", "quality": "good",
            "ts": int(time.time()), "raw_mode": True,
        }  # fmt: skip
        payload = json.dumps(body, separators=(",", ":")).encode()
        began = time.perf_counter()
        await self._session.publish(f"kaiser/god/esp/{esp}/sensor/{SOIL}/data", payload, qos=QoS.AT_LEAST_ONCE)
        return began

    async def told(self, esp: str, since: float) -> float | None:
        """When the relay was told something after a time; None where it was not within five seconds."""
        while self._devices.told.get(esp, 0.0) < since:  # of another connection
            if time.perf_counter() - since > 5:
                return None
            await asyncio.sleep(0.001)
        return self._devices.told[esp]


def rule(esp: str, gpio: int, kind: str, below: float, *actions: dict[str, Any]) -> dict[str, Any]:
    """A rule that compares one sensor."""
    sensor = {"esp_id": esp, "gpio": gpio, "sensor_type": kind}
    condition = {"kind": "compare", "sensor": sensor, "operator": "<", "value": below}
    return {"name": f"{esp}/{gpio}", "condition": condition, "actions": list(actions)}


async def define(nats: Nats, rules: dict[str, dict[str, Any]]) -> None:
    """Let rules go live, whether what they watch has been heard of or not."""
    async with await connect(nats.url, name="bench") as log:
        for rule_id, values in rules.items():
            asked = msgspec.json.encode(DefineRule(rule_id=rule_id, rule=values, enable=True, by="bench"))
            for _ in range(200):
                answer = msgspec.json.decode((await log.nc.request("command.logic.define", asked, timeout=10)).data)
                if "problem" not in answer:
                    break
                await asyncio.sleep(0.1)  # the sensor was not heard of yet
            else:
                raise SystemExit(f"{rule_id}: {answer['problem']}")


def of_load(number: int) -> dict[str, Any]:
    """A rule on a sensor of the load that never is true."""
    kind, gpio = LOAD_KINDS[number // LOAD_DEVICES]
    esp, pump = f"ESP_{FIRST_DEVICE + number % LOAD_DEVICES:06X}", {"esp_id": "ESP_200000", "gpio": PIN}
    return rule(esp, gpio, kind, -1000.0, {"kind": "command", "actuator": pump, "command": "OFF"})


def watering(esp: str) -> dict[str, Any]:
    """On when it is dry. Nothing switches it off, for to and fro would be damped."""
    pump = {"esp_id": esp, "gpio": PIN}
    return rule(esp, SOIL, "moisture", 50.0, {"kind": "command", "actuator": pump, "command": "ON"})


async def latency(soil: Soil, devices: Devices, seconds: int) -> tuple[list[float], int]:
    """Milliseconds from dry readings to commands, and how many came to none."""
    taken: list[float] = []
    lost = 0

    async def one(esp: str) -> None:
        nonlocal lost
        at = await soil.told(esp, began := await soil.says(esp, DRY))
        if at is None:
            lost += 1
        else:
            taken.append((at - began) * 1e3)

    until, pause_s = time.perf_counter() + seconds, 1.0 / len(devices.ids)
    tasks: list[asyncio.Task[None]] = []
    for esp in itertools.cycle(devices.ids):
        if time.perf_counter() > until:
            break
        tasks.append(asyncio.create_task(one(esp)))
        await asyncio.sleep(pause_s / 2)
        await soil.says(devices.ids[devices.ids.index(esp) - len(devices.ids) // 2], WET)
        await asyncio.sleep(pause_s / 2)
    await asyncio.gather(*tasks)
    return taken, lost


async def stages(nats: Nats, since: int) -> str:
    """Where the time goes, in medians: by the times at which the log stored what led from reading to dispatch."""
    spans: dict[str, list[float]] = {}
    stored: dict[str, dict[str, int]] = {}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    async with await connect(nats.url, name="bench") as log:
        started: dict[str, dict[str, Any]] = {}
        async for delivery in replay(log, "LOGIC", subjects=("logic.run.>",), from_time_us=since):
            body = decode(delivery.data)
            if delivery.type == RunStarted.TYPE:
                started[body["run_id"]] = body
            elif delivery.type == CommandAsked.TYPE and body["run_id"] in started:
                times = {"measured": started[body["run_id"]]["cause"]["at"], "reading": body["at"]}
                stored[f"{body['run_id']}/{body['step']}"] = times | {"decided": delivery.stored_at}
        commands: dict[str, str] = {}
        subjects = tuple(f"actuator.*.*.*.command.{event}" for event in ("requested", "dispatched"))
        async for delivery in replay(log, "ACTUATORS", subjects=subjects, from_time_us=since):
            body = decode(delivery.data)
            key = body.get("idempotency_key") or commands.get(body["command_id"], "")
            commands[body["command_id"]] = key
            if key in stored:
                stored[key][delivery.subject.rpartition(".")[2]] = delivery.stored_at
    for times in stored.values():
        for (_, before), (name, at) in itertools.pairwise(times.items()):
            spans.setdefault(name, []).append((at - before) / 1e3)
    return ", ".join(f"{name} {spread(taken)}" for name, taken in spans.items())


async def main(options: argparse.Namespace) -> None:
    wanted = set(options.only or ("latency", "load"))
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as folder:
        async with suite(Path(folder), "logic") as running:
            await measured(running, options, wanted)


async def measured(running: Suite, options: argparse.Namespace, wanted: set[str]) -> None:
    """All of it."""
    logic, devices = running.services["logic"], Devices(running, options.devices)
    async with devices.living(), Soil(running, devices) as soil:
        await introduce(running, devices)
        for esp in devices.ids:
            await soil.says(esp, WET)
        async with readings(running, 1000, 600):
            rules = {f"soil-{number}": watering(esp) for number, esp in enumerate(devices.ids)}
            rules |= {f"load-{number}": of_load(number) for number in range(options.rules - len(rules))}
            began = time.perf_counter()
            await define(running.nats, rules)
            print(f"{len(rules)} rules defined in {time.perf_counter() - began:.1f} s")
        if "latency" in wanted:
            async with readings(running, options.readings, options.seconds + 30):
                since = now_us()
                taken, lost = await latency(soil, devices, options.seconds)
            print(
                f"reading at device to command at device, {options.readings} readings/s beside: {len(taken)} commands"
            )
            print(f"  {spread(taken)} (target p99 25), without a command: {lost}")
            print(f"  stored after what came before: {await stages(running.nats, since)}")
        if "load" in wanted:
            async with readings(running, options.load, options.seconds + 30):
                before, start = cpu_s(logic.pid), time.perf_counter()
                taken, lost = await latency(soil, devices, options.seconds)
                used, lasted = cpu_s(logic.pid) - before, time.perf_counter() - start
            share = 100 * used / lasted
            print(f"{options.rules} rules, as many sensors, {options.load} readings/s sent: {share:.0f} % of a core")
            print(
                f"  {1e6 * used / lasted / options.load:.1f} µs a reading; {spread(taken)}, without a command: {lost}"
            )


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--readings", type=int, default=1000)
    parser.add_argument("--load", type=int, default=10_000)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=("latency", "load"))
    uvloop.run(main(parser.parse_args()))
