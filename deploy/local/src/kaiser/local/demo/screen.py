"""How a look at the running suite reads: as a table on a terminal, as a line without one."""

from collections.abc import Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table

from kaiser.local.demo.latency import Latencies
from kaiser.local.demo.processes import Usage


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Readings at one stage: all of them, and how many a second lately."""

    total: int
    per_s: float


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything.

    Attributes:
        elapsed_s: Seconds since the fleet was started.
        sent: By the devices.
        stored: Rows in the database.
        pushed: To this demo's WebSocket client.
        to_row: From device to committed row, lately.
        to_socket: From device to WebSocket client, lately.
        usages: CPU and memory of each process.
    """

    elapsed_s: float
    sent: Rates
    stored: Rates
    pushed: Rates
    to_row: Latencies
    to_socket: Latencies
    usages: Sequence[Usage]

    @property
    def backlog(self) -> int:
        """Readings on their way to the database."""
        return max(0, self.sent.total - self.stored.total)


def as_line(look: Look) -> str:
    """Everything in one line, for a log."""
    cpu = sum(usage.cpu_percent for usage in look.usages)
    memory = sum(usage.memory_mib for usage in look.usages)
    return (
        f"{look.elapsed_s:5.0f} s  sent {look.sent.per_s:.0f}/s  stored {look.stored.per_s:.0f}/s"
        f"  pushed {look.pushed.per_s:.0f}/s  backlog {look.backlog}"
        f"  to row {_pair(look.to_row)}  to WebSocket {_pair(look.to_socket)}"
        f"  CPU {cpu:.0f} %  memory {memory:.0f} MiB"
    )


def as_table(look: Look, *, footer: str) -> RenderableType:
    """Everything as two tables."""
    readings = Table("readings", "total", "per second", "p50", "p99", title=f"Kaiser, {look.elapsed_s:.0f} s")
    for name, rates, latencies in (
        ("sent by devices", look.sent, None),
        ("stored", look.stored, look.to_row),
        ("pushed to a WebSocket", look.pushed, look.to_socket),
    ):
        p50, p99 = (_ms(latencies.percentile(50)), _ms(latencies.percentile(99))) if latencies else ("", "")
        readings.add_row(name, f"{rates.total:,}", f"{rates.per_s:,.0f}", p50, p99)
    readings.add_row("backlog", f"{look.backlog:,}", "", "", "")
    processes = Table("process", "CPU", "memory")
    for usage in look.usages:
        processes.add_row(usage.name, f"{usage.cpu_percent:.1f} %", f"{usage.memory_mib:.0f} MiB")
    for table in (readings, processes):
        for column in table.columns[1:]:
            column.justify = "right"
    return Group(readings, processes, footer)


def _pair(latencies: Latencies) -> str:
    return f"{_ms(latencies.percentile(50))}/{_ms(latencies.percentile(99))}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
