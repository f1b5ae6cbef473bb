"""What logic counts."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.contracts.events.logic import Decision, EngineResumed, TakenLate
from kaiser.eventlog import now_us
from kaiser.service.metrics import Tally

Gauge = Callable[[], float]


class LogicMetrics:
    """Counters of one instance."""

    def __init__(self) -> None:
        self.write_s = Tally()
        self.effect_s = Tally()
        self._taken = 0
        self._decisions: dict[str, int] = {}
        self._effects: dict[str, int] = {}
        self._terms = 0
        self._took_over_s = 0.0
        self._gauges: list[tuple[str, str, Gauge]] = []

    def gauge(self, name: str, words: str, value: Gauge) -> None:
        """Show a value as it is when it is asked for."""
        self._gauges.append((name, words, value))

    def took(self, messages: int) -> None:
        """Count messages that the engine took."""
        self._taken += messages

    def took_over(self, seconds: float) -> None:
        """Count a term."""
        self._terms += 1
        self._took_over_s = seconds

    def wrote(self, decisions: Sequence[Decision]) -> None:
        """Count what was decided and written."""
        now = now_us()
        for decision in decisions:
            kind = decision.TYPE.rsplit(".", 2)[1]
            self._decisions[kind] = self._decisions.get(kind, 0) + 1
            if not isinstance(decision, TakenLate | EngineResumed):
                self.write_s.observe(max(0, now - decision.at) / 1e6)

    def effected(self, kind: str, asked_at: int) -> None:
        """Count what was done about a decision of a moment, unix microseconds."""
        self._effects[kind] = self._effects.get(kind, 0) + 1
        self.effect_s.observe(max(0, now_us() - asked_at) / 1e6)

    def collect(self) -> Iterable[Metric]:
        """Everything, now."""
        yield from self._shown()
        taken = CounterMetricFamily("kaiser_logic_messages_taken", "Messages that the engine of this instance took.")
        taken.add_metric([], self._taken)
        yield taken
        for name, words, counts in (
            ("decisions", "Decisions written by this instance, by kind.", self._decisions),
            ("effects", "What was done about decisions, by what became of it.", self._effects),
        ):
            family = CounterMetricFamily(f"kaiser_logic_{name}", words, labels=["kind"])
            for kind, count in counts.items():
                family.add_metric([kind], count)
            yield family
        yield self.write_s.family(
            "kaiser_logic_write_seconds", "From a message's or timer's time to its decisions stored."
        )
        yield self.effect_s.family(
            "kaiser_logic_effect_seconds", "From a decision's time to the answer to what it asks for."
        )

    def _shown(self) -> Iterator[Metric]:
        last = ("takeover_seconds", "How long the last takeover took.", lambda: self._took_over_s)
        terms = ("terms", "How often this instance began to decide.", lambda: float(self._terms))
        for name, words, value in (*self._gauges, last, terms):
            family = GaugeMetricFamily(f"kaiser_logic_{name}", words)
            family.add_metric([], value())
            yield family
