"""What the actuator service shows on ``/metrics``, beside its consumers."""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.actuator.book import Key
from kaiser.actuator.state import Fact
from kaiser.contracts.events.actuation import CommandAnsweredLate, CommandDispatched, CommandEnded, ShadowDrifted
from kaiser.service.metrics import Tally


class ActuatorMetrics:
    """Counters since the start of this process.

    Attributes:
        asked_to_sent_s: Seconds from the request to the message for the device, safety's decision included.
        gauges: Name, words, and what to ask for the value.
    """

    def __init__(self) -> None:
        self.asked_to_sent_s = Tally()
        self.gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._ended: Counter[tuple[str, str]] = Counter()
        self._tries = 0
        self._late = 0
        self._drifts = 0

    def take(self, key: Key, event: Fact, seq: int) -> None:
        """Count an event; those of other instances, and of the replay at the start, too."""
        del key, seq
        match event:
            case CommandEnded():
                self._ended[(event.outcome, event.code)] += 1
            case CommandDispatched():
                self._tries += 1
            case CommandAnsweredLate():
                self._late += 1
            case ShadowDrifted():
                self._drifts += 1

    def collect(self) -> Iterable[Metric]:
        """Everything, now."""
        ended = CounterMetricFamily("kaiser_actuator_commands_ended", "Commands by end.", labels=["outcome", "code"])
        for labels, count in self._ended.items():
            ended.add_metric(list(labels), count)
        yield ended
        for name, words, count in (
            ("kaiser_actuator_tries", "Messages to devices.", self._tries),
            ("kaiser_actuator_late_answers", "Answers to commands that had ended.", self._late),
            ("kaiser_actuator_drifts", "Times that a device was found in another state than desired.", self._drifts),
        ):
            yield CounterMetricFamily(name, words, value=count)
        yield self.asked_to_sent_s.family(
            "kaiser_actuator_asked_to_sent_seconds", "Seconds from the request to the message for the device."
        )
        for name, words, ask in self.gauges:
            yield GaugeMetricFamily(name, words, value=ask())
