"""``make demo``: everything with a fleet, watched live, checked at the end."""

import asyncio
import contextlib
import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from kaiser.local.demo import rows
from kaiser.local.demo.fleet import FleetProcess
from kaiser.local.demo.latency import Latencies
from kaiser.local.demo.processes import ProcessWatch
from kaiser.local.demo.screen import Look, Rates, as_line, as_table
from kaiser.local.demo.verdict import ReadingContent, Verdict, compare
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout
from kaiser.local.ledger import in_words, take_broker_hop, take_hops
from kaiser.local.observing import Key, Observed, now_us, observing
from kaiser.local.programs import EVERYTHING
from kaiser.local.suite import Suite
from kaiser.local.supervision import ENDINGS

LINE_EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 1.0
DRAIN_LIMIT_S: Final = 30.0


class _Window(msgspec.Struct):
    """Latencies of the last look and of the whole run."""

    lately: Latencies
    overall: Latencies


class Demo:
    """One run of the demo.

    Args:
        layout: Where it runs.
        duration_s: Seconds until it stops by itself; None for never.
        where_to_look: What to tell at the start.
    """

    def __init__(self, layout: Layout, *, duration_s: float | None, where_to_look: str) -> None:
        self._suite = Suite(layout, say=_say)
        self._layout = layout
        self._duration_s = duration_s
        self._where = where_to_look
        self._console = Console()
        self._fleet = FleetProcess(layout)
        self._sent: list[ReadingContent] = []
        self._waiting: dict[Key, int] = {}
        self._waiting_push: dict[Key, int] = {}
        self._to_row = _Window(Latencies(), Latencies())
        self._to_socket = _Window(Latencies(), Latencies())
        self._pushed = 0

    def run(self) -> int:
        """Run it, and leave nothing running however it ends.

        Returns:
            0 if every reading was stored once, or if nobody wanted to know; 1 if not.

        Raises:
            LocalError: One sentence that says what to do.
            KeyboardInterrupt: It was interrupted before there was anything to watch.
        """
        for number in ENDINGS:
            signal.signal(number, signal.default_int_handler)
        with _alone(self._layout.run / "demo.lock"):
            try:
                started = time.monotonic()
                self._suite.up()
                _say(f"kaiser: up and ready ({time.monotonic() - started:.1f} s)\n{self._where}")
                return asyncio.run(self._watch())
            finally:
                for number in ENDINGS:
                    signal.signal(number, signal.SIG_IGN)  # half stopped would be the worst of all
                with contextlib.suppress(OSError):  # the terminal may be gone
                    _say("stopping …")
                self._fleet.stop()
                self._suite.down()

    async def _watch(self) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in ENDINGS:
            loop.add_signal_handler(number, stop.set)
        with rows.connect(self._layout) as database:
            already, began_us = rows.stored(database), now_us()
            async with observing(self._layout) as observed:
                self._fleet.start()
                look = self._looker(observed, lambda: rows.stored(database) - already)
                await self._show(look, stop)
                self._fleet.stop()
                await self._drain(look)
            if self._duration_s is None:
                return 0
            verdict = compare(self._sent, rows.contents(database, since_us=began_us))
            self._console.print(self._summary(verdict, observed))
        hops = await take_hops(self._layout, since_us=began_us, until_us=now_us())
        self._console.print(in_words(await take_broker_hop(self._layout), hops), highlight=False)
        self._fleet.close()
        for name, readings in (("lost", verdict.lost), ("stored twice", verdict.doubled)):
            for reading in readings[:5]:
                self._console.print(f"{name}: {reading}")
        return 0 if verdict.clean and verdict.sent else 1

    async def _show(self, look: Callable[[], Look], stop: asyncio.Event) -> None:
        """Look every second, until stopped or done."""
        until = time.monotonic() + (self._duration_s or float("inf"))
        ends = f"ends in {self._duration_s:.0f} s" if self._duration_s else "Ctrl-C stops everything"
        next_line = time.monotonic() + LINE_EVERY_S
        live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        with live or contextlib.nullcontext():
            while time.monotonic() < until and not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await stop.wait()
                if not self._fleet.running:
                    raise LocalError(f"the fleet ended by itself: see {self._fleet.log}")
                found = look()
                if live is not None:
                    live.update(as_table(found, footer=f"{self._where}\n{ends}"), refresh=True)
                elif time.monotonic() >= next_line:
                    next_line += LINE_EVERY_S
                    print(as_line(found), flush=True)

    async def _drain(self, look: Callable[[], Look]) -> None:
        """Wait until what the fleet sent has arrived, or has had time enough."""
        deadline = time.monotonic() + DRAIN_LIMIT_S
        while time.monotonic() < deadline:
            look()
            if not self._waiting and not self._waiting_push:
                return
            await asyncio.sleep(0.1)

    def _looker(self, observed: Observed, count_stored: Callable[[], int]) -> Callable[[], Look]:
        began = last = time.monotonic()
        pids = {name: self._suite.supervisor.pid(name) for name in EVERYTHING} | {"fleet": self._fleet.pid}
        watch = ProcessWatch(pids)
        before = (0, 0, 0)

        def look() -> Look:
            nonlocal last, before
            self._match(observed)
            now, totals = time.monotonic(), (self._fleet.sent, count_stored(), self._pushed)
            sent, stored, pushed = (
                Rates(total=total, per_s=(total - was) / max(now - last, 1e-3))
                for total, was in zip(totals, before, strict=True)
            )
            last, before = now, totals
            return Look(
                elapsed_s=now - began,
                sent=sent,
                stored=stored,
                pushed=pushed,
                to_row=self._to_row.lately,
                to_socket=self._to_socket.lately,
                usages=watch.look(),
            )

        return look

    def _match(self, observed: Observed) -> None:
        """Bring together what was sent, stored and pushed since the last look."""
        for key, sent_at in self._fleet.read():
            if self._duration_s is not None:
                self._sent.append(ReadingContent(*key))
            self._waiting[key] = self._waiting_push[key] = sent_at
        rows_seen, observed.rows = observed.rows, []
        pushes, observed.pushes = observed.pushes, []
        self._pushed += len(pushes)
        observed.rows = _settle(rows_seen, self._waiting, self._to_row)
        observed.pushes = _settle(pushes, self._waiting_push, self._to_socket)
        self._pushed -= len(observed.pushes)

    def _summary(self, verdict: Verdict, observed: Observed) -> Table:
        table = Table("", "readings", "p50", "p99", title="Summary")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, count, window in (
            ("sent and taken by the broker", verdict.sent, None),
            ("rows", verdict.stored, self._to_row),
            ("lost", len(verdict.lost), None),
            ("stored twice", len(verdict.doubled), None),
            ("pushed to a WebSocket", self._pushed, self._to_socket),
            ("missed by it, and said so", observed.missed, None),
        ):
            shown = [_ms(window.overall.percentile(p)) for p in (50, 99)] if window else ["", ""]
            table.add_row(name, f"{count:,}", *shown)
        return table


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a second demo away from the same home, which it would stop under the first one's feet.

    Raises:
        LocalError: There is one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError("a demo runs here already: stop it, or give this one a KAISER_HOME and ports.") from None
        yield


def _say(line: str) -> None:
    """Print at once, whoever reads."""
    print(line, flush=True)


def _settle(seen: list[tuple[Key, int]], waiting: dict[Key, int], window: _Window) -> list[tuple[Key, int]]:
    """Latencies of what arrived; what arrived before the fleet's log told that it was sent is given back for later."""
    window.lately, early = Latencies(), []
    oldest = now_us() - 10_000_000
    for key, at in seen:
        sent_at = waiting.pop(key, None)
        if sent_at is not None:
            window.lately.add((at - sent_at) / 1e6)
            window.overall.add((at - sent_at) / 1e6)
        elif at > oldest:
            early.append((key, at))
    return early


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
