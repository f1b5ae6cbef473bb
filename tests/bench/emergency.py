"""How soon a thousand devices have an emergency stop of the site, idle and under load, bridge and servers real.

    python tests/bench/emergency.py [--devices 1000] [--rate 10000] [--rounds 5]

The devices are bare sockets that hear the broadcast and commands with QoS 2 and answer both with their status, so that
what is measured is not the simulation. Times count from the event's publishing to the last device.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from kaiser.contracts import subjects
from kaiser.contracts.events import codec
from kaiser.contracts.events.device import DeviceRegistered
from kaiser.contracts.events.equipment import ConfigOrdered, Equipment, WantedActuator
from kaiser.contracts.events.registry import DeviceApproved
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, now_us
from kaiser.fleet.link import connect_packet, variable_length
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats
from kaiser.local.tree import ensure_tree

PUMP = 25
SITE = Scope(kind="site")
BROADCAST = b"kaiser/broadcast/emergency"


class Device(asyncio.Protocol):
    """The network side of a device: hears, acknowledges, and says that its pump is off."""

    def __init__(self, esp_id: str) -> None:
        self.esp_id = esp_id
        self.subscribed = asyncio.get_running_loop().create_future()
        self.stopped_at = self.off_at = 0.0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write")
        self._write = transport.write
        self._write(connect_packet(self.esp_id, "device", PASSWORD))
        topics = [BROADCAST, f"kaiser/god/esp/{self.esp_id}/actuator/+/command".encode()]
        body = b"\x00\x01" + b"".join(len(topic).to_bytes(2, "big") + topic + b"\x02" for topic in topics)
        self._write(b"\x82" + variable_length(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        data, position = self._rest + data, 0
        while position + 3 <= len(data) or (position + 2 <= len(data) and data[position + 1] < 128):
            start, length = position + 2, data[position + 1]
            if length & 128:
                start, length = position + 3, (length & 127) + 128 * data[position + 2]
            if start + length > len(data):
                break
            self._take(data[position], data[start : start + length])
            position = start + length
        self._rest = data[position:]

    def _take(self, first: int, body: bytes) -> None:
        match first >> 4:
            case 9:
                self.subscribed.set_result(None)
            case 6:
                self._write(b"\x70\x02" + body[:2])
            case 3:
                end = 2 + int.from_bytes(body[:2], "big")
                if (first >> 1) & 3 == 2:
                    self._write(b"\x50\x02" + body[end : end + 2])
                if body[2:end] == BROADCAST:
                    self.stopped_at = self.stopped_at or time.monotonic()
                    self.say_off()
                else:
                    self.off_at = self.off_at or time.monotonic()
                    self.say_off()

    def say_off(self) -> None:
        topic = f"kaiser/god/esp/{self.esp_id}/actuator/{PUMP}/status".encode()
        status = f'{{"esp_id":"{self.esp_id}","seq":1,"zone_id":"","subzone_id":"","ts":0,"gpio":{PUMP},"type":"pump",'
        payload = (status + '"state":false,"pwm":0,"runtime_ms":0,"emergency":"active"}').encode()
        body = len(topic).to_bytes(2, "big") + topic + payload
        self._write(b"\x30" + variable_length(len(body)) + body)


async def store(log: EventLog, *events: tuple[str, object]) -> None:
    await log.publish_all(
        [Event(subject=subject, type=body.TYPE, data=codec.encode(body), source="bench") for subject, body in events]  # type: ignore[attr-defined]
    )


async def register(log: EventLog, esp_ids: list[str]) -> None:
    for esp_id in esp_ids:
        who = {"kaiser_id": "god", "esp_id": esp_id}
        pump = Equipment(actuators=(WantedActuator(gpio=PUMP, actuator_type="pump", name="Pump"),))
        decided = {**who, "by": "bench", "at": now_us()}
        await store(
            log,
            (subjects.registry(**who, event="registered"), DeviceRegistered(**who, generation="head", registered_at=1)),
            (subjects.registry(**who, event="approved"), DeviceApproved(**decided)),
            (subjects.registry(**who, event="config_ordered"), ConfigOrdered(**decided, wanted=pump)),
        )


async def one_round(log: EventLog, devices: list[Device], number: int) -> None:
    for device in devices:
        device.stopped_at = device.off_at = 0.0
    name = f"em-{os.getpid()}-{number}"
    began = time.monotonic()
    request = EmergencyRequested(at=now_us(), by="bench", emergency_id=name, scope=SITE, reason="bench")
    await store(log, (subjects.emergency("requested"), request))
    stored = time.monotonic()
    async with asyncio.timeout(30):
        while not all(device.stopped_at for device in devices):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.005)
    times = sorted(device.stopped_at - began for device in devices)
    await asyncio.sleep(2.0)
    told = sum(device.off_at > 0 for device in devices)
    print(
        f"stored {1000 * (stored - began):6.1f} ms   first {1000 * times[0]:6.1f} ms   "
        f"median {1000 * times[len(times) // 2]:6.1f} ms   last {1000 * times[-1]:6.1f} ms   also told OFF: {told}"
    )
    over = EmergencyReleased(at=now_us(), by="bench", emergency_id=name, scope=SITE, reason="bench")
    await store(log, (subjects.emergency("released"), over))


@contextlib.contextmanager
def load(mosquitto: Mosquitto, folder: Path, rate: int, seconds: int):
    password = folder / "password"
    password.write_text(PASSWORD)
    command = [sys.executable, "-m", "kaiser.fleet", "load", "--host", mosquitto.host, "--port", str(mosquitto.port)]
    command += ["--user", "loadgen", "--password-file", str(password), "--rate", str(rate), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def main(options: argparse.Namespace, folder: Path) -> None:
    mosquitto, nats = Mosquitto(ensure_tree(), folder / "mosquitto"), Nats(folder / "nats")
    bridge = None
    try:
        mosquitto.start(), nats.start()
        async with await connect(nats.url, name="bench") as log:
            await ensure_streams(log, STREAMS)
            esp_ids = [f"ESP_{0xB00000 + n:06X}" for n in range(options.devices)]
            await register(log, esp_ids)
            bridge = ephemeral_services.bridge(folder / "bridge", mosquitto, nats, safety_lease_s="3600").start()
            loop, devices = asyncio.get_running_loop(), []
            for esp_id in esp_ids:
                _, device = await loop.create_connection(
                    lambda esp_id=esp_id: Device(esp_id), mosquitto.host, mosquitto.port
                )
                devices.append(device)
                await device.subscribed
            numbers = itertools.count()
            print(f"{options.devices} devices, nothing else")
            for _ in range(options.rounds):
                await one_round(log, devices, next(numbers))
            print(f"{options.devices} devices, {options.rate} readings/s")
            with load(mosquitto, folder, options.rate, 20 + 5 * options.rounds):
                await asyncio.sleep(5)
                for _ in range(options.rounds):
                    await one_round(log, devices, next(numbers))
    finally:
        for server in (bridge, nats, mosquitto):
            if server is not None:
                server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        uvloop.run(main(parser.parse_args(), Path(home)))
