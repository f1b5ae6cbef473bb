"""What ingest shows on ``/metrics``: its own counters, read when somebody looks, so that counting costs an addition."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kaiser.eventlog import BatchConsumer
from kaiser.service.metrics import LATENCY_BUCKETS_S

READINGS_BUCKETS: Final = (
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1000.0,
    2000.0,
    5000.0,
    10_000.0,
    20_000.0,
)


class Tally:
    """A histogram that takes many equal observations at once."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float] = LATENCY_BUCKETS_S) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    def family(self, name: str, words: str) -> HistogramMetricFamily:
        """The histogram as Prometheus takes it: cumulative."""
        so_far, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            so_far += count
            buckets.append((bound, float(so_far)))
        return HistogramMetricFamily(name, words, buckets=buckets, sum_value=self._total)


class IngestMetrics(Collector):
    """Counters of the converter and the recorder.

    Attributes:
        converted: Readings finished and stored in the log.
        dropped: Readings left out, since the broker delivered them twice.
        seen: Readings handed to the database.
        stored: Of these, rows that were new; the rest came again.
        batch: Readings in a transaction.
        commit_s: Seconds that a transaction took.
        latency_s: Seconds from the bridge's receipt to the commit, for each reading.
        window: Server-dated readings remembered.
    """

    def __init__(self) -> None:
        self.converted = 0
        self.dropped = 0
        self.seen = 0
        self.stored = 0
        self.window = 0
        self.batch = Tally(READINGS_BUCKETS)
        self.commit_s = Tally()
        self.latency_s = Tally()
        self._consumers: dict[str, BatchConsumer] = {}

    def watch(self, name: str, consumer: BatchConsumer) -> None:
        """Show a consumer's counters too."""
        self._consumers[name] = consumer

    def collect(self) -> Iterable[Metric]:
        """Everything, now."""
        yield _counter("kaiser_ingest_readings_converted", "Readings finished and stored in the log.", self.converted)
        yield _counter(
            "kaiser_ingest_readings_dropped", "Readings left out: the broker delivered them twice.", self.dropped
        )
        recorded = CounterMetricFamily(
            "kaiser_ingest_readings_recorded", "Readings handed to the database.", labels=["outcome"]
        )
        recorded.add_metric(["stored"], self.stored)
        recorded.add_metric(["duplicate"], self.seen - self.stored)
        yield recorded
        yield self.batch.family("kaiser_ingest_transaction_readings", "Readings in a transaction.")
        yield self.commit_s.family("kaiser_ingest_transaction_seconds", "Seconds that a transaction took.")
        yield self.latency_s.family(
            "kaiser_ingest_received_to_committed_seconds", "Seconds from the bridge's receipt to the commit."
        )
        yield GaugeMetricFamily("kaiser_ingest_window_readings", "Server-dated readings remembered.", self.window)
        yield from self._of_consumers()

    def _of_consumers(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "kaiser_ingest_consumer_lag", "Messages behind the last one taken.", labels=["consumer"]
        )
        counted = {
            "handled": "Messages acknowledged.",
            "redelivered": "Messages delivered again.",
            "retries": "Times that a batch waited for something that was away.",
            "dead_lettered": "Messages put into the dead letters.",
        }
        families = {
            name: CounterMetricFamily(f"kaiser_ingest_consumer_{name}", words, labels=["consumer"])
            for name, words in counted.items()
        }
        for consumer_name, consumer in self._consumers.items():
            lag.add_metric([consumer_name], consumer.stats.lag)
            for name, family in families.items():
                family.add_metric([consumer_name], getattr(consumer.stats, name))
        yield lag
        yield from families.values()


def _counter(name: str, words: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(name, words, value=value)
