"""How a look at the running suite reads: a table on a terminal, a line without one; and the summary at the end."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from kaiser.local.demo.latency import Latencies
from kaiser.local.demo.processes import Usage
from kaiser.local.demo.verdict import Verdict


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Readings at one stage: all of them, and how many a second lately."""

    total: int
    per_s: float


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything.

    Attributes:
        elapsed_s: Seconds since the fleet was started.
        sent: By the devices, and taken by the broker.
        stored: Rows in the database.
        pushed: To this demo's WebSocket client.
        backlog: Readings on their way to the database.
        unacknowledged: Readings that the broker has not acknowledged to its devices.
        to_row: From device to committed row, lately.
        to_socket: From device to WebSocket client, lately.
        usages: CPU and memory of each process.
    """

    elapsed_s: float
    sent: Rates
    stored: Rates
    pushed: Rates
    backlog: int
    unacknowledged: int
    to_row: Latencies
    to_socket: Latencies
    usages: Sequence[Usage]


VALUE_COLUMN: Final = 38
"""Where the ledger's values stand."""

LINE_TITLES: Final = "  time sent/s stored/s pushed/s backlog row p50    p99 WS p50    p99 CPU %  MiB"
"""What stands above the lines; times are milliseconds."""


def as_line(look: Look) -> str:
    """Everything in one line of less than 80 characters, for a log."""
    cpu = sum(usage.cpu_percent for usage in look.usages)
    memory = sum(usage.memory_mib for usage in look.usages)
    rates = f"{look.sent.per_s:7.0f}{look.stored.per_s:9.0f}{look.pushed.per_s:9.0f}{look.backlog:8}"
    times = f"{_pair(look.to_row, 8)}{_pair(look.to_socket, 7)}"
    return f"{look.elapsed_s:4.0f} s{rates}{times}{cpu:6.0f}{memory:5.0f}"


def as_table(look: Look, *, footer: str) -> RenderableType:
    """Everything as two tables, which fit a terminal of 80 by 24."""
    readings = _table("readings", "total", "per second", "p50", "p99")
    for name, rates, latencies in (
        ("sent by devices", look.sent, None),
        ("stored", look.stored, look.to_row),
        ("pushed to a WebSocket", look.pushed, look.to_socket),
    ):
        readings.add_row(name, f"{rates.total:,}", f"{rates.per_s:,.0f}", *_percentiles(latencies))
    readings.add_row("backlog", f"{look.backlog:,}")
    readings.add_row("sent, not yet acknowledged", f"{look.unacknowledged:,}")
    return Group(readings, _processes(look.usages, "CPU", "memory"), f" {look.elapsed_s:.0f} s; {footer}")


def fitting(text: str) -> str:
    """Lines of a name and a value, broken where they would not fit into 80 columns."""
    indent = " " * VALUE_COLUMN
    lines = (textwrap.fill(line, 79, subsequent_indent=indent) for line in text.splitlines())
    return "\n".join(lines)


def as_summary(
    verdict: Verdict,
    *,
    unacknowledged: int,
    to_row: Latencies,
    to_socket: Latencies,
    pushed: int,
    missed: int,
    usages: Iterable[Usage],
) -> RenderableType:
    """The end of a run that checked its readings.

    Args:
        verdict: What was sent against what is stored.
        unacknowledged: Readings that the devices sent and of which they never heard again.
        to_row: From device to committed row.
        to_socket: From device to WebSocket client.
        pushed: Readings that the client got.
        missed: Readings of which it was told that it did not.
        usages: Mean CPU and highest memory of each process.
    """
    readings = _table("Summary", "readings", "p50", "p99")
    for name, count, latencies in (
        ("sent and taken by the broker", verdict.sent, None),
        ("sent, never acknowledged", unacknowledged, None),
        ("stored", verdict.stored, to_row),
        ("lost", len(verdict.lost), None),
        ("stored twice", len(verdict.doubled), None),
        ("pushed to a WebSocket", pushed, to_socket),
        ("missed by it, and said so", missed, None),
    ):
        readings.add_row(name, f"{count:,}", *_percentiles(latencies))
    return Group(readings, _processes(usages, "mean CPU", "most memory"))


def _processes(usages: Iterable[Usage], cpu: str, memory: str) -> Table:
    processes = _table("process", cpu, memory)
    for usage in usages:
        processes.add_row(usage.name, f"{usage.cpu_percent:.1f} %", f"{usage.memory_mib:.0f} MiB")
    return processes


def _table(first: str, *others: str) -> Table:
    table = Table(first, box=box.SIMPLE)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _pair(latencies: Latencies, width: int) -> str:
    """The middle and the slow end in milliseconds."""
    p50, p99 = (text.removesuffix(" ms") for text in _percentiles(latencies))
    return f"{p50:>{width}}{p99:>7}"


def _percentiles(latencies: Latencies | None) -> list[str]:
    """The middle and the slow end; nothing of what takes no time."""
    if latencies is None:
        return []
    found = [latencies.percentile(percent) for percent in (50, 99)]
    return ["-" if seconds is None else f"{seconds * 1000:.1f} ms" for seconds in found]
