"""Health in words: named checks, each with a state and a sentence."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from kaiser.eventlog import EventLog

LOOK_S: Final = 1.0
SILENT_S: Final = 8.0
"""A server that is pinged every five seconds and has not answered for so long hangs."""


class State(StrEnum):
    """How a part of a service is."""

    OK = "ok"
    STARTING = "starting"
    """Not there yet, and that is no fault: it waits for a server, say."""
    FAILING = "failing"
    """It was there, or ought to be."""


class Finding(msgspec.Struct, frozen=True):
    """State of one part.

    Attributes:
        state: How it is.
        words: What is wrong, and what that means.
        since: Since when it is not well, UTC; noted by :class:`Health`, within a second. Empty while it is well.
    """

    state: State
    words: str = ""
    since: str = ""


Check = Callable[[], Finding]


class Report(msgspec.Struct, frozen=True):
    """Whether the service can do its work, and each part."""

    ready: bool
    checks: dict[str, Finding]


class Health:
    """The checks of one service. A check looks at what is known and does no I/O, so a probe never hangs."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._since: dict[str, str] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check; another one of that name is replaced."""
        self._checks[name] = check

    def connected(
        self,
        name: str,
        is_connected: Callable[[], bool],
        *,
        whom: str,
        meanwhile: str = "",
        silent_s: Callable[[], float] | None = None,
        troubles: Callable[[], str] = str,
    ) -> None:
        """Add a check that a connection is there.

        Args:
            name: Of the check.
            is_connected: Whether it is.
            whom: The server, in words.
            meanwhile: What it means that it is not, in words.
            silent_s: For how long the server has not answered, seconds; it hangs once that is more than eight.
            troubles: What is wrong with whom it leads to, in words; empty for nothing.
        """
        seen = False
        but = f"; {meanwhile}" if meanwhile else ""

        def check() -> Finding:
            nonlocal seen
            if not is_connected():
                words = f"lost the connection to {whom}, reconnecting" if seen else f"waiting for {whom}"
                return Finding(State.FAILING if seen else State.STARTING, words + but)
            seen = True
            silence_s = 0.0 if silent_s is None else silent_s()
            if silence_s > SILENT_S:
                return Finding(State.FAILING, f"{whom} hangs: it has not answered for {silence_s:.0f} s{but}")
            return Finding(State.FAILING, wrong + but) if (wrong := troubles()) else Finding(State.OK)

        self.add(name, check)

    def event_log(self, log: "EventLog", *, meanwhile: str, name: str = "event log", whom: str = "NATS") -> None:
        """The same of a connection to the event log, with what is known of it.

        Args:
            log: The connection.
            meanwhile: What it means that it is not there, in words.
            name: Of the check.
            whom: The server, in words.
        """
        self.connected(
            name,
            lambda: log.connected,
            whom=whom,
            meanwhile=meanwhile,
            silent_s=lambda: log.silent_s,
            troubles=log.troubles.words,
        )

    async def watch(self) -> None:
        """Note since when a part is not well although nobody asks, until cancelled."""
        while True:
            self.report()
            await asyncio.sleep(LOOK_S)

    def report(self) -> Report:
        """Ask every check."""
        findings = {name: self._dated(name, check()) for name, check in self._checks.items()}
        return Report(all(finding.state is State.OK for finding in findings.values()), findings)

    def _dated(self, name: str, finding: Finding) -> Finding:
        if finding.state is State.OK:
            self._since.pop(name, None)
            return finding
        since = self._since.setdefault(name, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        return msgspec.structs.replace(finding, since=since)

    def collect(self) -> Iterable[Metric]:
        """The same for metrics: what has been wrong for minutes is an alert."""
        report = self.report()
        yield GaugeMetricFamily("kaiser_ready", "Whether the service can do its work.", float(report.ready))
        checks = GaugeMetricFamily(
            "kaiser_check_ok", "Whether a part of the service is well; `/health/ready` has the words.", labels=["check"]
        )
        for name, finding in report.checks.items():
            checks.add_metric([name], float(finding.state is State.OK))
        yield checks
