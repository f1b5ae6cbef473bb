"""Parameters and calibrations of all sensors as the log has them, in memory: what the converter asks. Pure.

Told of every event about sensors from the first one on; the live path needs no database.
"""

from collections.abc import Callable, Iterator

from kaiser.contracts.events.calibration import (
    CalibrationEvent,
    CalibrationFinished,
    RecomputeOrdered,
    SensorKey,
    SensorParametersSet,
)
from kaiser.ingest import calibrating
from kaiser.ingest.calibrating import CalibrationState
from kaiser.ingest.setups import Setups


class SensorDirectory:
    """What is known of sensors that somebody has set up or calibrated.

    Attributes:
        on_changed: Called with device and sensor when its values are to be made in another way.
    """

    def __init__(self) -> None:
        self.on_changed: list[Callable[[str, SensorKey], None]] = []
        self._devices: dict[str, CalibrationState] = {}

    def state(self, esp_id: str) -> CalibrationState:
        """What is known of the sensors of a device."""
        return self._devices.get(esp_id, calibrating.UNKNOWN)

    def setups(self, esp_id: str, sensor: SensorKey) -> Setups:
        """How a sensor is read at each time."""
        return self.state(esp_id).of(sensor).setups

    def warms(self, esp_id: str, sensor: SensorKey) -> bool:
        """Whether its temperature compensates another sensor."""
        others = self.state(esp_id).sensors.values()
        return any(setup.compensate_from == sensor for other in others for setup in other.setups)

    def recomputes(self) -> Iterator[RecomputeOrdered]:
        """Orders to make values anew that are not finished."""
        for state in self._devices.values():
            for sensor in state.sensors.values():
                if (order := sensor.at_work) is not None:
                    yield order

    def decided(self, event: CalibrationEvent) -> None:
        """Something was decided about a sensor, by us or by another instance."""
        before = self.state(event.esp_id)
        after = self._devices[event.esp_id] = calibrating.evolve(before, event)
        if isinstance(event, SensorParametersSet | CalibrationFinished):
            known = (before.of(event.sensor).setup, after.of(event.sensor).setup)
            sources = {setup.compensate_from for setup in known if setup.compensate_from is not None}
            for sensor in {event.sensor} | sources:
                for tell in self.on_changed:
                    tell(event.esp_id, sensor)
