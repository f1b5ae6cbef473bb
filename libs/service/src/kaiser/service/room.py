"""Says in health and metrics which streams take no more."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from kaiser.eventlog import EventLog
from kaiser.service.frame import Frame
from kaiser.service.health import Finding, State


class RoomWatch:
    """Looks at what a service was refused; nothing is asked for.

    Args:
        log: The connection.
        service: Name of the service, in metrics.
        meanwhile: What that means, in words.
    """

    def __init__(self, log: EventLog, service: str, meanwhile: str) -> None:
        self._log = log
        self._service = service
        self._meanwhile = meanwhile

    def show(self, frame: Frame) -> None:
        """In a service's health and metrics."""
        frame.health.add("room", self.finding)
        frame.registry.register(self)

    def finding(self) -> Finding:
        """For health."""
        full = self._log.room.full()
        if not full:
            return Finding(State.OK)
        return Finding(State.FAILING, f"{', '.join(full)} take{'s' * (len(full) == 1)} no more; {self._meanwhile}")

    def collect(self) -> Iterable[Metric]:
        """For metrics."""
        name = f"kaiser_{self._service}_log_full"
        gauge = GaugeMetricFamily(name, "Streams that took no more lately.", labels=["stream"])
        for stream in self._log.room.full():
            gauge.add_metric([stream], 1)
        yield gauge
