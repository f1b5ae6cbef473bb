"""Health in words: named checks, each with a state and a sentence."""

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily


class State(StrEnum):
    """How a part of a service is."""

    OK = "ok"
    STARTING = "starting"
    """Not there yet, and that is no fault: it waits for a server, say."""
    FAILING = "failing"
    """It was there, or ought to be."""


class Finding(msgspec.Struct, frozen=True):
    """State of one part and a sentence that says why."""

    state: State
    words: str = ""


Check = Callable[[], Finding]


class Report(msgspec.Struct, frozen=True):
    """Whether the service can do its work, and each part."""

    ready: bool
    checks: dict[str, Finding]


class Health:
    """The checks of one service. A check looks at what is known and does no I/O, so a probe never hangs."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check; another one of that name is replaced."""
        self._checks[name] = check

    def connected(
        self, name: str, is_connected: Callable[[], bool], *, whom: str, troubles: Callable[[], str] = str
    ) -> None:
        """Add a check that a connection is there.

        Args:
            name: Of the check.
            is_connected: Whether it is.
            whom: To whom, in words.
            troubles: What is wrong with whom it leads to, in words; empty for nothing.
        """
        seen = False

        def check() -> Finding:
            nonlocal seen
            if is_connected():
                seen = True
                return Finding(State.FAILING, wrong) if (wrong := troubles()) else Finding(State.OK)
            if seen:
                return Finding(State.FAILING, f"lost the connection to {whom}, reconnecting")
            return Finding(State.STARTING, f"waiting for {whom}")

        self.add(name, check)

    def report(self) -> Report:
        """Ask every check."""
        findings = {name: check() for name, check in self._checks.items()}
        return Report(all(finding.state is State.OK for finding in findings.values()), findings)

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
