"""What the bridge counts."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as PrometheusCounter

FLUSH_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class BridgeMetrics:
    """Counters of one bridge process.

    Args:
        registry: Where they are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = PrometheusCounter(
            "kaiser_bridge_messages",
            "MQTT messages handed over by the broker, by what became of them; all but `repeated` were news",
            ["outcome"],
            registry=registry,
        )
        self.acknowledged = PrometheusCounter(
            "kaiser_bridge_acknowledged_messages",
            "MQTT messages whose events the log has acknowledged",
            registry=registry,
        )
        self.flushes = Histogram(
            "kaiser_bridge_flush_seconds",
            "From taking messages from the session to acknowledging them to the broker",
            buckets=FLUSH_SECONDS,
            registry=registry,
        )
        self.holding_back = Gauge(
            "kaiser_bridge_holding_back", "1 while the log is full or away and PUBACKs are held back", registry=registry
        )
        self.heartbeat_acks = PrometheusCounter(
            "kaiser_bridge_heartbeat_acks", "Answers to heartbeats", ["outcome"], registry=registry
        )
        self.downlinks = PrometheusCounter(
            "kaiser_bridge_downlinks", "Messages to devices, by what became of them", ["outcome"], registry=registry
        )
        self.emergency_orders = PrometheusCounter(
            "kaiser_bridge_emergency_orders",
            "Orders to stop, by kind (`broadcast`, `devicestop`, `off`) and by what became of them",
            ["kind", "outcome"],
            registry=registry,
        )
        self.latches = Gauge("kaiser_bridge_latches", "Emergency stops in force", registry=registry)
        self.unconfirmed_stops = Gauge(
            "kaiser_bridge_unconfirmed_stops",
            "Actuators that have to be off and have not said that they are",
            registry=registry,
        )
        self.safety_silent = Gauge(
            "kaiser_bridge_safety_silent",
            "1 while safety was not heard for too long and actuators are kept off for it",
            registry=registry,
        )
        self.broker_dropped = Gauge(
            "kaiser_broker_dropped_messages",
            "Messages that the broker says it dropped since its start; anything above 0 is a loss",
            registry=registry,
        )
        self.access_clients = Gauge(
            "kaiser_bridge_access_clients", "Devices that have a key on the broker", registry=registry
        )
        self._devices = Gauge("kaiser_bridge_devices", "Devices in the bridge's cache", registry=registry)
        self._waiting = Gauge(
            "kaiser_bridge_downlinks_waiting", "Messages to devices behind the last one taken", registry=registry
        )
        self._queued = Gauge(
            "kaiser_bridge_queued_messages", "Messages received and not yet taken by the uplink", registry=registry
        )

    def watch(self, *, devices: Callable[[], float], queued: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Read these at each scrape."""
        self._waiting.set_function(waiting)
        self._devices.set_function(devices)
        self._queued.set_function(queued)

    def flushed(self, counted: Counter[str], *, messages: int, seconds: float) -> None:
        """Take in one flush.

        Args:
            counted: Messages by what became of them; empty afterwards.
            messages: Messages acknowledged.
            seconds: Duration of the flush.
        """
        for outcome, count in counted.items():
            self.messages.labels(outcome).inc(count)
        counted.clear()
        self.acknowledged.inc(messages)
        self.flushes.observe(seconds)
