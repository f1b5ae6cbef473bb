"""Durable consumers within the frame: run, shown in health and metrics, and stopped in an orderly way."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.eventlog import BatchConsumer, ConsumerSpec, Delivery, EventLog, Handler
from kaiser.service import tracing
from kaiser.service.frame import Frame
from kaiser.service.health import Finding, State
from kaiser.service.leading import Work

STUCK_S: Final = 15.0
MAX_TRIES: Final = 5
"""Of a message on its own, before it becomes a dead letter."""


class Consumers:
    """All durable consumers of a service.

    Args:
        frame: Where they run.
        log: What they read.
        service: Name of the service, in dead letters and metrics.
    """

    def __init__(self, frame: Frame, log: EventLog, service: str) -> None:
        self._frame = frame
        self._log = log
        self._service = service
        self._consumers: dict[str, BatchConsumer] = {}
        frame.registry.register(self)

    def run(
        self,
        name: str,
        spec: ConsumerSpec,
        handler: Handler,
        *,
        rest_s: Callable[[], float] | None = None,
        max_tries: int = MAX_TRIES,
        each_traced: bool = False,
    ) -> BatchConsumer:
        """Run a consumer until the service stops, which lets it finish what it has in hand.

        Args:
            name: In health, metrics and traces.
            spec: What it reads.
            handler: Gets the batches; each is a span where one of its messages is part of a trace that is recorded.
            rest_s: As for ``BatchConsumer``.
            max_tries: As for ``BatchConsumer``.
            each_traced: The handler makes spans itself, one a message.
        """
        if tracing.on() and not each_traced:
            handler = _traced(f"{self._service} {name}", handler)
        consumer = BatchConsumer(self._log, spec, handler, service=self._service, rest_s=rest_s, max_tries=max_tries)
        self._consumers[name] = consumer
        self._frame.health.add(name, progress(consumer))
        self._frame.on_stop(consumer.stop)
        self._frame.spawn(name, consumer.run())
        return consumer

    def term(self, name: str, spec: ConsumerSpec, handler: Handler, *, max_tries: int = MAX_TRIES) -> Work:
        """A consumer for a term of the leader, each with one of its own; arguments as for :meth:`run`.

        What others counted in their terms is theirs to show, and this instance's of earlier terms is not added up.
        """
        if tracing.on():
            handler = _traced(f"{self._service} {name}", handler)

        async def consume() -> None:
            consumer = BatchConsumer(self._log, spec, handler, service=self._service, max_tries=max_tries)
            self._consumers[name] = consumer
            self._frame.health.add(name, progress(consumer))
            try:
                await consumer.run()
            finally:
                del self._consumers[name]
                self._frame.health.add(name, lambda: Finding(State.OK, "another instance leads"))

        return consume

    def collect(self) -> Iterable[Metric]:
        """Their counters, now."""
        lag = GaugeMetricFamily(
            f"kaiser_{self._service}_consumer_lag", "Messages behind the last one taken.", labels=["consumer"]
        )
        for name, consumer in self._consumers.items():
            lag.add_metric([name], consumer.stats.lag)
        yield lag
        yield from self._counted()

    def _counted(self) -> Iterator[Metric]:
        for name, words in (
            ("handled", "Messages acknowledged."),
            ("redelivered", "Messages delivered again."),
            ("retries", "Times that a batch waited for something that was away."),
            ("dead_lettered", "Messages put into the dead letters."),
        ):
            family = CounterMetricFamily(f"kaiser_{self._service}_consumer_{name}", words, labels=["consumer"])
            for consumer_name, consumer in self._consumers.items():
                family.add_metric([consumer_name], getattr(consumer.stats, name))
            yield family


def _traced(name: str, handler: Handler) -> Handler:
    async def handle(deliveries: list[Delivery]) -> None:
        with tracing.under(tracing.batch(name, deliveries)):
            await handler(deliveries)

    return handle


def progress(consumer: BatchConsumer) -> Callable[[], Finding]:
    """A consumer that has messages to take and finishes none is stuck."""

    def finding() -> Finding:
        stats = consumer.stats
        silent_s = time.monotonic() - stats.handled_at
        if stats.lag and stats.handled_at and silent_s > STUCK_S:
            words = f"{stats.lag} messages wait, and none was finished for {silent_s:.0f} s"
            return Finding(State.FAILING, f"{words}; what follows from them waits, too")
        return Finding(State.OK)

    return finding
