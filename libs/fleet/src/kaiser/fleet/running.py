"""``python -m kaiser.fleet run``: simulated devices as a program."""

import argparse
import asyncio
import contextlib
import json
import signal
import time
from pathlib import Path
from typing import IO, Any, Final

import structlog

from kaiser.fleet.broker import add_broker_options, broker_of
from kaiser.fleet.device import Broker
from kaiser.fleet.fleet import Fleet, make_devices
from kaiser.fleet.garbage import send_garbage
from kaiser.fleet.sent import Sent

FIRST_HOSTILE: Final = 0xBAD000
"""Number of the first device that sends garbage."""


def register(commands: Any) -> None:  # argparse keeps the type of its subparsers to itself
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser("run", help="devices that behave as the firmware does")
    add_broker_options(parser)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--sensors", type=int, default=5, help="of each device, at most 5")
    parser.add_argument("--personality", choices=("head", "dec", "mixed"), default="mixed")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two readings of a sensor")
    parser.add_argument("--clock-error", type=int, default=0, help="seconds that every device's clock is fast, or slow")
    parser.add_argument("--garbage", type=int, default=0, help="devices more, which send garbage as fast as it goes")
    parser.add_argument("--time-scale", type=float, default=1.0, help="how much faster than real uptimes run")
    parser.add_argument("--duration", type=float, help="seconds; without it until it is interrupted")
    parser.add_argument("--sent-log", type=Path, help="file for every reading that the broker took, one a line")
    parser.add_argument("--report-file", type=Path, help="file for counters, one JSON object a second")
    parser.set_defaults(run=lambda options: asyncio.run(_run(options)))


async def _run(options: argparse.Namespace) -> int:
    """The exit code, 0; a device that died of a bug raises here when all have stopped, for an exit code of 1."""
    _configure_log()
    sent = Sent(options.sent_log)
    devices = make_devices(
        options.devices,
        personality=options.personality,
        sensors=options.sensors,
        interval_s=options.interval,
        clock_off_s=options.clock_error,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as files:
        files.callback(sent.close)
        report = files.enter_context(options.report_file.open("w")) if options.report_file else None
        async with Fleet(**broker_of(options), devices=devices, time_scale=options.time_scale, sent=sent) as fleet:
            broker = Broker(**broker_of(options))
            hostile = [
                send_garbage(broker, f"ESP_{FIRST_HOSTILE + n:06X}", stop, seed=n) for n in range(options.garbage)
            ]
            littering = asyncio.gather(*hostile)
            reporting = asyncio.create_task(_report(fleet, sent, report))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((reporting, stopping), timeout=options.duration, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            await littering
            if not reporting.cancel():
                reporting.result()  # nobody reads the logs any more: whoever wanted this fleet is gone
        _note(fleet, sent, report, per_s=0)
    print(f"{options.devices} devices sent {sent.count} readings")
    return 0


def _configure_log() -> None:
    """Plain tracebacks: those of structlog's default show local variables, and with them the broker's password."""
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    stamp = structlog.processors.TimeStamper(fmt="iso")
    structlog.configure(processors=[structlog.processors.add_log_level, stamp, console])


async def _report(fleet: Fleet, sent: Sent, file: IO[str] | None) -> None:
    before = 0
    while True:
        await asyncio.sleep(1.0)
        sent.flush()
        _note(fleet, sent, file, per_s=sent.count - before)
        before = sent.count


def _note(fleet: Fleet, sent: Sent, file: IO[str] | None, *, per_s: int) -> None:
    if file is None:
        return
    line = {
        "t": time.time(),
        "sent": sent.attempted,
        "acked": sent.count,
        "connected": fleet.connected,
        "per_s": per_s,
    }
    file.write(json.dumps(line) + "\n")
    file.flush()
