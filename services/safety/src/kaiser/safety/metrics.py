"""What safety counts."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.contracts.events.safeguards import ActuatorStopped, AlertRaised, CommandApproved, CommandRejected
from kaiser.eventlog import now_us
from kaiser.safety.following import Followed
from kaiser.safety.writing import Numbered, Writer
from kaiser.service.leading import Leader
from kaiser.service.metrics import Tally

DECIDE_BUCKETS_S = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01, 0.1)


class SafetyMetrics:
    """Counters of one instance; what the log holds is the same for all of them."""

    def __init__(self, followed: Followed, writer: Writer, leader: Leader) -> None:
        self.decide_s = Tally(DECIDE_BUCKETS_S)
        self.store_s = Tally()
        self._followed = followed
        self._writer = writer
        self._leader = leader
        self._rules: dict[tuple[str, str], int] = {}

    def wrote(self, facts: Iterable[Numbered]) -> None:
        """Count what was written."""
        now = now_us()
        for _, fact in facts:
            if isinstance(fact, CommandApproved | CommandRejected):
                self.store_s.observe((now - fact.at) / 1e6)
            match fact:
                case CommandApproved():
                    key = ("approved", fact.rule)
                case CommandRejected():
                    key = ("rejected", fact.rule)
                case ActuatorStopped():
                    key = ("stopped", fact.rule)
                case AlertRaised():
                    key = ("alert", fact.kind)
                case _:
                    continue
            self._rules[key] = self._rules.get(key, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """Everything, now."""
        yield from self._gauges()
        decided = CounterMetricFamily(
            "kaiser_safety_events", "Events written by this instance, by what and rule.", labels=["what", "rule"]
        )
        for key, count in self._rules.items():
            decided.add_metric(list(key), count)
        yield decided
        conflicts = CounterMetricFamily("kaiser_safety_conflicts", "Times that somebody else wrote first.")
        conflicts.add_metric([], self._writer.conflicts)
        yield conflicts
        yield self.decide_s.family("kaiser_safety_decide_seconds", "Deciding on one command, without I/O.")
        yield self.store_s.family("kaiser_safety_store_seconds", "From a decision to its acknowledgement by the log.")

    def _gauges(self) -> Iterator[Metric]:
        followed = self._followed
        for name, words, value in (
            ("leads", "1 while this instance decides.", float(self._leader.leads)),
            ("undecided", "Requests without a decision.", len(followed.undecided)),
            ("emergencies", "Emergency stops in force.", len(followed.latches.in_force())),
            ("open_stops", "Stops that no status has confirmed.", len(followed.stops.open())),
            ("open_alerts", "Alerts that are not over.", len(followed.alerts.open())),
        ):
            family = GaugeMetricFamily(f"kaiser_safety_{name}", words)
            family.add_metric([], value)
            yield family
