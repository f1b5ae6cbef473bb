"""``make demo``: everything with a fleet, watched live, checked at the end."""

import asyncio
import contextlib
import fcntl
import gc
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from kaiser.local.demo.fleet import DEVICES, SENSORS, FleetProcess
from kaiser.local.demo.rows import contents
from kaiser.local.demo.screen import LINE_TITLES, as_line, as_summary, as_table, fitting
from kaiser.local.demo.verdict import Verdict, compare
from kaiser.local.demo.watching import Watch
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout
from kaiser.local.ledger import hops_at_home, in_words, take_broker_hop
from kaiser.local.observing import now_us, observing
from kaiser.local.ports import LOOPBACK
from kaiser.local.suite import Suite
from kaiser.local.supervision import ENDINGS

LINE_EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 1.0
DRAIN_LIMIT_S: Final = 30.0
TITLES_EVERY: Final = 12
"""Lines, which are a minute."""
SWITCH_S: Final = 0.0005
"""How long a thread that counts or draws may keep the one that takes times waiting; Python's own 5 ms would be seen."""
EXAMPLES: Final = 5


class Demo:
    """One run of the demo.

    Args:
        layout: Where it runs.
        duration_s: Seconds until it stops by itself; None for never.
        where_to_look: What to tell at the start.
    """

    def __init__(self, layout: Layout, *, duration_s: float | None, where_to_look: str) -> None:
        self._layout = layout
        self._duration_s = duration_s
        self._where = where_to_look
        self._suite = Suite(layout, say=_say)
        self._console = Console()
        self._fleet = FleetProcess(layout)
        # Whoever started it with nohup wants it to outlive the terminal
        self._endings = [n for n in ENDINGS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]

    def run(self) -> int:
        """Run it, and leave nothing running however it ends.

        Returns:
            0 if every reading was stored once, or if nobody wanted to know; 1 if not.

        Raises:
            LocalError: One sentence that says what to do.
            KeyboardInterrupt: It was interrupted before there was anything to watch.
        """
        for number in self._endings:
            signal.signal(number, signal.default_int_handler)
        with _alone(self._layout.run / "demo.lock"):
            try:
                started = time.monotonic()
                self._suite.up()
                _say(f"kaiser: up and ready ({time.monotonic() - started:.1f} s)\n{self._where}")
                sys.setswitchinterval(SWITCH_S)
                gc.freeze()  # what the imports left need not be looked through while times are taken
                return asyncio.run(self._watch())
            finally:
                for number in self._endings:
                    signal.signal(number, signal.SIG_IGN)  # half stopped would be the worst of all
                with contextlib.suppress(OSError):  # the terminal may be gone
                    _say("stopping …")
                self._fleet.stop()
                self._fleet.close()
                self._suite.down()

    async def _watch(self) -> int:
        stop = asyncio.Event()
        for number in self._endings:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        began_us = now_us()
        async with observing(self._layout) as observed:
            keep = self._duration_s is not None
            watch = Watch(self._fleet, observed, self._suite.supervisor, keep=keep)
            self._fleet.start()
            _say(f"{DEVICES} devices with {SENSORS} sensors each, {self._ends()}")
            await self._show(watch, stop)
            if not keep:
                return 0
            await asyncio.to_thread(self._fleet.stop)
            await self._drain(watch)
        self._fleet.require_healthy(ended=True)
        verdict = compare(watch.sent, contents(self._layout, since_us=began_us))
        self._console.print(
            as_summary(
                verdict,
                unacknowledged=self._fleet.unacknowledged,
                to_row=watch.stored.overall,
                to_socket=watch.pushed.overall,
                pushed=watch.pushed.reached,
                missed=observed.missed,
                usages=watch.processes.overall(),
            )
        )
        hops = await hops_at_home(self._layout, since_us=began_us, until_us=now_us())
        bridge = f"http://{LOOPBACK}:{self._layout.ports.bridge_health}"
        _say(fitting(in_words(await take_broker_hop(bridge), hops)))
        return _judge(verdict)

    def _ends(self) -> str:
        return f"for {self._duration_s:.0f} s" if self._duration_s else "until Ctrl-C, which stops everything"

    async def _show(self, watch: Watch, stop: asyncio.Event) -> None:
        """Look every second, until stopped or done."""
        began = time.monotonic()
        until = began + (self._duration_s or float("inf"))
        next_look, next_line = began + LOOK_EVERY_S, began + LINE_EVERY_S
        lines = itertools.count()
        api = f"http://{LOOPBACK}:{self._layout.ports.gateway}/schema"
        live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        with live or contextlib.nullcontext():
            while not await _happens(stop, before=min(next_look, until)) and time.monotonic() < until:
                next_look = max(next_look + LOOK_EVERY_S, time.monotonic())
                self._fleet.require_healthy()
                found = await watch.look()
                if live is not None:
                    await asyncio.to_thread(live.update, as_table(found, footer=f"{self._ends()}; {api}"), refresh=True)
                elif time.monotonic() >= next_line:
                    next_line += LINE_EVERY_S
                    if next(lines) % TITLES_EVERY == 0:
                        _say(LINE_TITLES)
                    _say(as_line(found))

    async def _drain(self, watch: Watch) -> None:
        """Wait until what the fleet sent has arrived, or has had time enough."""
        deadline = time.monotonic() + DRAIN_LIMIT_S
        while True:
            watch.match()
            if not watch.waiting or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.1)


async def _happens(event: asyncio.Event, *, before: float) -> bool:
    """Wait for an event, but not longer than until then on the monotonic clock."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(before - time.monotonic()):
            await event.wait()
    return event.is_set()


def _judge(verdict: Verdict) -> int:
    for name, readings in (("lost", verdict.lost), ("stored twice", verdict.doubled)):
        for reading in readings[:EXAMPLES]:
            _say(f"{name}: {reading}")
    if not verdict.sent:
        _say("the fleet sent nothing")
    return 0 if verdict.clean and verdict.sent else 1


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
