"""What ingest shows on ``/metrics``: its own counters, read when somebody looks, so that counting costs an addition."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kaiser.service.metrics import Tally

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
        archive_fails: Whether nothing is archived now that should be.
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
        self.archive_fails: Callable[[], bool] = lambda: False

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
        words = "1 while readings are not archived that should be."
        yield GaugeMetricFamily("kaiser_ingest_archive_fails", words, self.archive_fails())


def _counter(name: str, words: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(name, words, value=value)
