"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaiser.service.metrics import LATENCY_BUCKETS_S


class GatewayMetrics:
    """Counters of one gateway process.

    Args:
        registry: Where they are exposed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.readings = Counter("kaiser_gateway_readings", "Finished readings seen in the log", registry=registry)
        self.pushed = Counter("kaiser_gateway_events_pushed", "Events put out to WebSocket clients", registry=registry)
        self.missed = Counter(
            "kaiser_gateway_events_missed", "Events that clients who could not keep up were told of", registry=registry
        )
        self.frames = Counter("kaiser_gateway_frames", "WebSocket messages sent", registry=registry)
        self.clients = Gauge("kaiser_gateway_clients", "WebSocket clients", registry=registry)
        self.received_to_pushed = Histogram(
            "kaiser_gateway_received_to_pushed_seconds",
            "From the bridge taking a reading from the broker to the reading being put out to WebSocket clients; "
            "the oldest reading of each batch",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.logins = Counter("kaiser_gateway_logins", "Attempts to log in", ["outcome"], registry=registry)
        self.limited = Counter(
            "kaiser_gateway_limited", "Requests refused, for there were too many", ["whose"], registry=registry
        )
        self.unaudited = Counter(
            "kaiser_gateway_unaudited",
            "Changes in no audit, for the event log took nothing",
            registry=registry,
        )
        self.emergency_stops = Counter(
            "kaiser_gateway_emergency_stops", "Emergency stops put into the log", ["scope"], registry=registry
        )
