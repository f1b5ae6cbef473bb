"""What the actuator service shows on ``/metrics``, beside its consumers."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.actuator.book import Key
from kaiser.actuator.state import Fact
from kaiser.contracts.events.actuation import (
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandRequested,
    ShadowDrifted,
)
from kaiser.eventlog import now_us
from kaiser.service.metrics import Tally

REMEMBERED: Final = 4096
NEWS_US: Final = 60_000_000
"""What ended before is read again at the start, and was counted by whoever ran then."""


class ActuatorMetrics:
    """Counters since the start of this process.

    Attributes:
        asked_to_sent_s: Seconds from the request to the message for the device, safety's decision included.
        gauges: Name, words, and what to ask for the value.
    """

    def __init__(self) -> None:
        self.asked_to_sent_s = Tally()
        self.gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._asked_to_done_s = Tally()
        self._asked: dict[str, int] = {}
        self._ended: Counter[tuple[str, str]] = Counter()
        self._tries = 0
        self._late = 0
        self._drifts = 0

    def take(self, key: Key, event: Fact, seq: int) -> None:
        """Count an event; those of other instances, and of the replay at the start, too."""
        del key, seq
        match event:
            case CommandRequested() if not event.held_until:
                self._asked[event.command_id] = event.at
                if len(self._asked) > REMEMBERED:
                    del self._asked[next(iter(self._asked))]
            case CommandEnded():
                self._ended[(event.outcome, event.code)] += 1
                asked = self._asked.pop(event.command_id, 0)
                if asked and event.outcome == "succeeded" and now_us() - event.at < NEWS_US:
                    self._asked_to_done_s.observe((event.at - asked) / 1e6)
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
        yield self._asked_to_done_s.family(
            "kaiser_actuator_asked_to_done_seconds", "Seconds from the request until the device says that it is so."
        )
        for name, words, ask in self.gauges:
            yield GaugeMetricFamily(name, words, value=ask())
