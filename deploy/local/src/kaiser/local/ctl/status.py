"""How Kaiser is: streams, how far behind their consumers are, and what each service says of itself."""

import argparse
import asyncio
from typing import Final

import nats.errors

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import EventLog, connect
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.ports import LOOPBACK
from kaiser.local.programs import SERVICES
from kaiser.local.readiness import report_of

WITHIN_S: Final = 20.0


def status(layout: Layout, arguments: argparse.Namespace) -> int:
    """Say how everything is; 1 if a service is not ready."""
    del arguments
    ready = [_service(name, getattr(layout.ports, f"{name}_health")) for name in SERVICES]
    print()
    try:
        asyncio.run(_streams(layout))
    except (OSError, nats.errors.Error, TimeoutError) as error:
        raise LocalError(f"NATS does not answer on port {layout.ports.nats} ({error!r}): see 'make status'.") from error
    return int(not all(ready))


def _service(name: str, port: int) -> bool:
    report = report_of(port)
    if isinstance(report, str):
        print(f"{name:<10} {report} (port {port})")
        return False
    print(f"{name:<10} {'ready' if report.ready else 'NOT READY'}")
    for check, finding in report.checks.items():
        if finding.words:
            print(f"{'':<10} {check}: {finding.words}")
    return report.ready


async def _streams(layout: Layout) -> None:
    url, password = f"nats://{LOOPBACK}:{layout.ports.nats}", layout.secrets.value(f"nats-{OPERATOR}")
    async with asyncio.timeout(WITHIN_S):
        async with await connect(url, name="kaiserctl", user=OPERATOR, password=password) as log:
            await log.wait_connected()
            await print_streams(log)


async def print_streams(log: EventLog) -> None:
    """One line a stream, and below it one a durable consumer."""
    wanted = {spec.name for spec in STREAMS}
    print(f"{'stream':<28} {'messages':>12} {'bytes':>15} {'full':>5}  {'first':>12} {'last':>12}")
    for stream in await log.js.streams_info():
        if stream.config.name not in wanted:
            continue
        state, limit = stream.state, stream.config.max_bytes or 0
        full = f"{state.bytes / limit:.0%}" if limit > 0 else ""
        print(
            f"{stream.config.name:<28} {state.messages:>12,} {state.bytes:>15,} {full:>5}"
            f"  {state.first_seq:>12,} {state.last_seq:>12,}"
        )
        for consumer in await log.js.consumers_info(stream.config.name):
            if consumer.config.durable_name:
                print(
                    f"  {consumer.name:<26} {consumer.num_pending:>12,} to take, {consumer.num_ack_pending:,} in hand"
                )
