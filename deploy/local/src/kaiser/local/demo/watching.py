"""Looks at the running suite from outside, every second."""

import asyncio
import os
import time
from collections import deque
from typing import Final

import msgspec

from kaiser.local.demo.fleet import FleetProcess
from kaiser.local.demo.matching import LATELY_LOOKS, Stage
from kaiser.local.demo.processes import ProcessWatch, Usage
from kaiser.local.demo.screen import Look, Rates
from kaiser.local.demo.verdict import ReadingContent
from kaiser.local.observing import Observed, now_us
from kaiser.local.supervision import Supervisor

FLEET: Final = "fleet"
DEMO: Final = "this demo"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Readings so far."""

    at: float
    sent: int
    stored: int
    pushed: int


class Watch:
    """What becomes of the fleet's readings.

    Args:
        fleet: Who sends them.
        observed: Who sees them arrive.
        supervisor: Knows the suite's processes.
        keep: Whether to keep every reading for the comparison at the end.

    Attributes:
        sent: Readings that the broker took, if they are kept.
        stored: Rows.
        pushed: To the WebSocket client.
        processes: CPU and memory.
    """

    def __init__(self, fleet: FleetProcess, observed: Observed, supervisor: Supervisor, *, keep: bool) -> None:
        self.sent: list[ReadingContent] = []
        self.stored, self.pushed = Stage(), Stage()
        self.processes = ProcessWatch()
        self._fleet, self._observed, self._supervisor = fleet, observed, supervisor
        self._keep = keep
        self._sent = 0
        self._began = time.monotonic()
        self._lately = deque([Totals(at=self._began, sent=0, stored=0, pushed=0)], maxlen=LATELY_LOOKS + 1)

    async def look(self) -> Look:
        """Look at everything. What may take long happens in a thread, for readings keep coming and are timed here."""
        usages = await asyncio.to_thread(self._look_at_processes)
        self.match()
        before = self._lately[0]
        now = Totals(at=time.monotonic(), sent=self._sent, stored=self.stored.reached, pushed=self.pushed.reached)
        self._lately.append(now)
        elapsed_s = max(now.at - before.at, 1e-3)
        return Look(
            elapsed_s=now.at - self._began,
            sent=Rates(total=now.sent, per_s=(now.sent - before.sent) / elapsed_s),
            stored=Rates(total=now.stored, per_s=(now.stored - before.stored) / elapsed_s),
            pushed=Rates(total=now.pushed, per_s=(now.pushed - before.pushed) / elapsed_s),
            backlog=self.stored.waiting,
            unacknowledged=self._fleet.unacknowledged,
            to_row=self.stored.lately,
            to_socket=self.pushed.lately,
            usages=usages,
        )

    def match(self) -> None:
        """Bring together what was sent, stored and pushed since the last time."""
        sent, now = self._fleet.read(), now_us()
        self._sent += len(sent)
        if self._keep:
            self.sent += (ReadingContent(*key) for key, _ in sent)
        arrived, self._observed.rows = self._observed.rows, []
        self.stored.match(sent, arrived, now_us=now)
        arrived, self._observed.pushes = self._observed.pushes, []
        self.pushed.match(sent, arrived, now_us=now)

    @property
    def waiting(self) -> int:
        """Readings that were sent and are either not stored or not pushed."""
        return max(self.stored.waiting, self.pushed.waiting)

    def _look_at_processes(self) -> list[Usage]:
        pids = {name: int(info["pid"]) for name, info in self._supervisor.states().items()}
        return self.processes.look(pids | {FLEET: self._fleet.pid, DEMO: os.getpid()})
