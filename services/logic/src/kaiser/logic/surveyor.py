"""Follows in the log what there is to watch and to switch, for whoever checks rules."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import nats.errors
import structlog
from nats.js.errors import NotFoundError

from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder, UnknownEventError
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import ConfigOrdered
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, DEVICES, TELEMETRY
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Delivery, EventLog, OrderedReader, now_us, replay
from kaiser.logic.surveying import Survey

_log = structlog.get_logger(__name__)

LOOK_BACK_US: Final = 300_000_000
"""Sensors measure at least once in so long (wire contract, section 5.2), so that all that do are known at the start."""
AGAIN_S: Final = 0.5
CONFIGS: Final = "device.*.*.registry.config_ordered"
STATUSES: Final = "actuator.*.*.*.status"

_decoder = EventDecoder({SAID[ActuatorStatus].name: DeviceSaid[ActuatorStatus], ConfigOrdered.TYPE: ConfigOrdered})


class Columns(msgspec.Struct):
    """A batch of readings as far as it is looked at here."""

    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]
    address: list[str]
    unit: list[str]


_decode_columns = msgspec.json.Decoder(Columns).decode


class Surveyor:
    """Reads two streams, each by a reader of its own, and the last minutes of readings.

    What is measured from then on it is told by whoever feeds the engine, so that all of it is read once.

    Args:
        log: The connection.

    Attributes:
        survey: What there is.
    """

    def __init__(self, log: EventLog) -> None:
        self.survey = Survey()
        self._log = log
        self._caught_up = {spec.name: asyncio.Event() for spec in (TELEMETRY, DEVICES, ACTUATORS)}

    @property
    def missing(self) -> str:
        """What was not read to its end yet, in words; empty when all was."""
        names = [name for name, known in self._caught_up.items() if not known.is_set()]
        return f"reading {', '.join(names)}" if names else ""

    async def wait_caught_up(self) -> None:
        """Return when everything is known that the log held at the start."""
        for known in self._caught_up.values():
            await known.wait()

    def spawnable(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Every reader by name, to be run until the end."""
        return {
            "survey-readings": self._look_back(now_us() - LOOK_BACK_US),
            "survey-configs": self._follow(self._latest(DEVICES.name, CONFIGS), DEVICES.name, self._said),
            "survey-actuators": self._follow(self._latest(ACTUATORS.name, STATUSES), ACTUATORS.name, self._said),
        }

    def _latest(self, stream: str, subject: str) -> OrderedReader:
        return OrderedReader(self._log, stream, subjects=(subject,), start="last_per_subject")

    async def _follow(self, reader: OrderedReader, stream: str, take: Callable[[Delivery], None]) -> None:
        await reader.follow(take, self._caught_up[stream])

    async def _look_back(self, since: int) -> None:
        """Read what was measured until now."""
        while True:
            try:
                await self._log.wait_connected()
                async for delivery in replay(self._log, TELEMETRY.name, from_time_us=since):
                    self._read(delivery)
                break
            except NotFoundError:
                break  # nobody has measured anything yet
            except (nats.errors.Error, TimeoutError) as error:
                _log.warning("readings of the last minutes wait for the log", reason=repr(error))
                await asyncio.sleep(AGAIN_S)
        self._caught_up[TELEMETRY.name].set()

    def _read(self, delivery: Delivery) -> None:
        try:
            batch = _decode_columns(delivery.data)
        except msgspec.MsgspecError as error:
            _log.error("batch of readings not understood", seq=delivery.seq, reason=str(error))
            return
        self.measured(batch)

    def measured(self, batch: Readings | Columns) -> None:
        """Readings came."""
        self.survey.measured(zip(batch.esp_id, batch.gpio, batch.sensor_type, batch.address, batch.unit, strict=True))

    def _said(self, delivery: Delivery) -> None:
        try:
            event = _decoder.decode(delivery.type, delivery.data)
        except (UnknownEventError, msgspec.MsgspecError) as error:
            _log.error("event not understood", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        if isinstance(event, ConfigOrdered):
            self.survey.configured(event.esp_id, event.wanted)
        else:
            self.survey.reported(event.esp_id, event.message.gpio, event.message.actuator_type)
