"""What the registry held of a device, and how its sensors were calibrated, at a past time: by the folds of today."""

from typing import Any

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.calibration import CalibrationEvent
from kaiser.contracts.events.device import DeviceRegistered
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.queries import SensorCalibration
from kaiser.contracts.streams import DEVICES
from kaiser.eventlog import EventLog
from kaiser.ingest import calibrating, calibrations, orders, registry
from kaiser.ingest.calibrated import shown
from kaiser.ingest.calibrating import CalibrationState
from kaiser.ingest.registry import DeviceState
from kaiser.physics import Families
from kaiser.service.past import Fold, Past, unknown_kind


class CalibrationThen(msgspec.Struct, frozen=True, kw_only=True):
    """The sensors of a device that anything was ever decided about, as ``query.ingest.calibration`` has each."""

    esp_id: str
    sensors: list[SensorCalibration]


class AsOf:
    """Says what was.

    Args:
        log: The connection.
        known: Families by sensor type.
    """

    def __init__(self, log: EventLog, known: Families) -> None:
        self._known = known
        self._past = Past(log)

    async def state_at(self, asked: StateAtQuery, now: int) -> StateAt:  # noqa: ARG002  # one face for all
        """What the ``registry`` of a device, or the ``calibration`` of its sensors, was.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE, EVENT_NOT_FOUND, EVENTS_GONE, TOO_MANY_EVENTS, SERVICE_ERROR.
        """
        match asked.kind:
            case "registry":
                return await self._past.answer(asked, _registry(asked.name), lambda state: _held(asked.name, state))
            case "calibration":
                return await self._past.answer(asked, _calibration(asked.name), lambda then: self._then(asked, *then))
            case _:
                raise unknown_kind(asked, "ingest")

    def _then(self, asked: StateAtQuery, state: CalibrationState, seq: int) -> CalibrationThen:
        sensors = [
            shown(self._known, asked.name, key, sensor, seq=seq, at=asked.at) for key, sensor in state.sensors.items()
        ]
        return CalibrationThen(esp_id=asked.name, sensors=sensors)


def _registry(esp_id: str) -> Fold[DeviceState]:
    return Fold(
        stream=DEVICES.name,
        subjects=(subjects.registry_of(esp_id),),
        initial=registry.UNKNOWN,
        decode=orders.fact_of,
        evolve=lambda state, fact, _: registry.evolve(state, fact),
        begins=lambda fact: isinstance(fact, DeviceRegistered),
    )


def _held(esp_id: str, state: DeviceState) -> dict[str, Any]:  # of fields of many types
    """What the registry held, without what a key could be checked by."""
    held = msgspec.structs.asdict(state)
    del held["digest"]
    return {"esp_id": esp_id, **held}


def _calibration(esp_id: str) -> Fold[tuple[CalibrationState, int]]:
    def evolve(then: tuple[CalibrationState, int], fact: CalibrationEvent, seq: int) -> tuple[CalibrationState, int]:
        return calibrating.evolve(then[0], fact), seq

    return Fold(
        stream=DEVICES.name,
        subjects=(subjects.calibration_of(esp_id),),
        initial=(calibrating.UNKNOWN, 0),
        decode=calibrations.fact_of,
        evolve=evolve,
        begins=lambda fact: calibrating.sensor_of(calibrating.UNKNOWN, fact) is not None,
    )
