"""``python -m kaiser.fleet load``: the load generator as a program."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from kaiser.fleet.broker import add_broker_options, broker_of
from kaiser.fleet.load import Load


def register(commands: Any) -> None:  # argparse keeps the type of its subparsers to itself
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser("load", help="publish readings fast, for little CPU")
    add_broker_options(parser)
    parser.add_argument("--rate", type=int, default=1000, help="readings a second; 0 for as fast as it goes")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--sensors", type=int, default=5, help="of each device, at most 5")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1)
    parser.add_argument("--inflight", type=int, default=5000)
    parser.add_argument("--sent-log", type=Path, help="file for every reading, one JSON object a line")
    parser.add_argument("--report-file", type=Path, help="file for counters, one JSON object a second")
    parser.set_defaults(run=lambda options: uvloop.run(_run(options)))


async def _run(options: argparse.Namespace) -> int:
    load = Load(
        **broker_of(options),
        devices=options.devices,
        sensors=options.sensors,
        rate=options.rate,
        connections=options.connections,
        qos=options.qos,
        inflight=options.inflight,
    )
    loop = asyncio.get_running_loop()
    async with load:
        cpu_before_s = time.process_time()
        running = asyncio.create_task(load.run(options.seconds))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, running.cancel)
        reporting = asyncio.create_task(_report(load, options.report_file)) if options.report_file else None
        started = time.monotonic()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        took = time.monotonic() - started
        if reporting is not None:
            reporting.cancel()
        cpu_us = (time.process_time() - cpu_before_s) * 1e6 / max(1, load.sent)
        if options.sent_log:
            _write_log(load, options.sent_log)
        print(
            f"sent {load.sent} in {took:.1f} s ({load.sent / took:.0f}/s), acknowledged {load.acked}, "
            f"{cpu_us:.1f} µs CPU a reading"
        )
    if load.acked < load.sent:
        print(f"the broker did not acknowledge {load.sent - load.acked} readings", file=sys.stderr)
    return 0 if load.acked == load.sent else 1


async def _report(load: Load, path: Path) -> None:
    before = 0
    with path.open("w") as file:
        while True:
            sent = load.sent
            line = {"t": time.time(), "sent": sent, "acked": load.acked, "per_s": sent - before}
            file.write(json.dumps(line) + "\n")
            file.flush()
            before = sent
            await asyncio.sleep(1.0)


def _write_log(load: Load, path: Path) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.writelines(encode(reading) + b"\n" for reading in load.readings())
