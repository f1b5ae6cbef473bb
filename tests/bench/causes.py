"""How long one call takes that says why an output changed, over every change of a day with fifty rules (D9).

    python -m tests.bench.causes [--devices 50] [--hours 24] [--readings 120]

A suite of its own on free ports lives the day of ``tests/e2e/day.py``, and then every state change is asked for, one
call after the other. The bound is 100 ms for 95 of a hundred.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import httpx
import uvloop
from tests.bench.commands import suite
from tests.e2e.day import Day


def percentile(values: list[float], of_a_hundred: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * of_a_hundred // 100)]


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as folder:
        async with suite(Path(folder), "logic") as running:
            headers = {"Authorization": f"Bearer {running.token}"}
            base = f"http://127.0.0.1:{running.gateway_port}/api/v1"
            async with (
                httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as api,
                Day(running.mosquitto, api, devices=options.devices).lived() as day,
            ):
                began = time.perf_counter()
                await day.hours(options.hours, readings=options.readings)
                lasted = time.perf_counter() - began
                await asyncio.sleep(2)
                changes = await day.changes()
    took = [1e3 * change.took_s for change in changes]
    whole = sum(change.chain["complete"] for change in changes)
    links = sum(len(change.chain["causes"]) for change in changes) / len(changes)
    print(
        f"{options.hours} hours of {options.devices} devices and rules in {lasted:.0f} s: {len(changes)} state changes"
    )
    print(f"  {whole} with all of their causes, {links:.1f} each")
    print("  one call: " + ", ".join(f"p{each} {percentile(took, each):.1f} ms" for each in (50, 95, 99, 100)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--readings", type=int, default=120)
    uvloop.run(main(parser.parse_args()))
