"""What the bridge alone can take, and how many bytes of the log a reading is.

    python tests/bench/bridge.py [--readings 100000] [--rounds 3]

The bridge is stopped (SIGSTOP), the broker takes readings for it, and then the bridge goes on: nobody else is at work
but it, Mosquitto and NATS. CPU is the bridge's own. ``PYTHONPATH`` with the sources of another release before this
one's (``services/bridge/src:libs/contracts/src``) measures that one.
"""

import argparse
import asyncio
import re
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

import psutil
import uvloop

from kaiser.contracts.streams import TELEMETRY_RAW
from kaiser.eventlog import connect
from kaiser.fleet.load import Load
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import ensure_tree

ACKNOWLEDGED: Final = re.compile(r"^kaiser_bridge_acknowledged_messages_total (\S+)", re.MULTILINE)


def acknowledged(bridge: Service) -> int:
    with urllib.request.urlopen(f"{bridge.url}/metrics") as answer:
        found = ACKNOWLEDGED.search(answer.read().decode())
    return int(float(found[1])) if found else 0


def cpu_s(bridge: Service) -> float:
    family = [psutil.Process(bridge.pid), *psutil.Process(bridge.pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


async def until_taken(bridge: Service, load: Load) -> None:
    async with asyncio.timeout(120):
        while acknowledged(bridge) < load.sent:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def measure(mosquitto: Mosquitto, nats: Nats, bridge: Service, *, readings: int, rounds: int) -> None:
    async with (
        Load(host=mosquitto.host, port=mosquitto.port, username="loadgen", password=PASSWORD, rate=0) as load,
        await connect(nats.url, name="bench") as log,
    ):
        await load.send(1000)
        for _ in range(rounds):
            await until_taken(bridge, load)
            size = int((await log.js.stream_info(TELEMETRY_RAW.name)).state.bytes)
            bridge.pause()
            await load.send(readings)
            used, began = cpu_s(bridge), time.monotonic()
            bridge.resume()
            await until_taken(bridge, load)
            took, used = time.monotonic() - began, cpu_s(bridge) - used
            size = int((await log.js.stream_info(TELEMETRY_RAW.name)).state.bytes) - size
            words = f"{readings / took:.0f} readings/s, {1e6 * used / readings:.2f} µs of CPU a reading"
            print(f"{words}, {size / readings:.0f} bytes a reading in {TELEMETRY_RAW.name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        folder = Path(home)
        mosquitto, nats = Mosquitto(ensure_tree(), folder / "mosquitto"), Nats(folder / "nats")
        bridge = ephemeral_services.bridge(folder / "bridge", mosquitto, nats, safety_lease_s="3600")
        try:
            for server in (mosquitto, nats, bridge):
                server.start()
            uvloop.run(measure(mosquitto, nats, bridge, readings=options.readings, rounds=options.rounds))
        finally:
            for server in (bridge, nats, mosquitto):
                server.kill()


if __name__ == "__main__":
    main()
