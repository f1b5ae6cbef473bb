"""What safety receives: alerts to act at, and its own events for the table. Handlers of batches of deliveries."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE
from kaiser.contracts.wire import ActuatorAlert
from kaiser.eventlog import ConcurrencyConflict, ConsumerSpec, Delivery, EventLogError, Retry, Unprocessable, now_us
from kaiser.safety.acting import Alarm, Situation
from kaiser.safety.alerts import Answer, device_alert_id
from kaiser.safety.clearing import still_stopped
from kaiser.safety.events import Fact, fact_of
from kaiser.safety.following import Followed
from kaiser.safety.metrics import SafetyMetrics
from kaiser.safety.projections import Violations
from kaiser.safety.writing import MOST_AT_ONCE, Writer
from kaiser.service.recording import record

_log = structlog.get_logger(__name__)

ALERTS: Final = ConsumerSpec(
    stream=ACTUATORS.name, durable="safety-alerts", subjects=("actuator.*.*.*.alert",), start="new"
)
"""From the first start of safety on: what devices raised in the years before stops nothing today."""
VIOLATIONS: Final = ConsumerSpec(
    stream=SAFETY.name, durable="safety-violations", subjects=("safety.decision.>", "safety.stop.>")
)
REST_S: Final = 0.25
"""After each transaction: nobody waits for a table, and a decision is in the way of a command."""

_decoder = EventDecoder({SAID[ActuatorAlert].name: DeviceSaid[ActuatorAlert]})


def decode(delivery: Delivery) -> Any:  # the struct follows from the event's type
    """The newest struct of an event.

    Raises:
        Unprocessable: It is no alert, or its body is not of its type.
    """
    try:
        return _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error


class ActAtAlerts:
    """Alerts of devices: what is done at once, and what is said of them."""

    def __init__(self, followed: Followed, writer: Writer, metrics: SafetyMetrics) -> None:
        self._followed = followed
        self._writer = writer
        self._metrics = metrics

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Act at alerts, and return when that is stored.

        Raises:
            Retry: Others write all the time.
            Unprocessable: A delivery is no alert.
        """
        alarms = [_alarm(delivery.seq, decode(delivery)) for delivery in deliveries]
        while alarms:
            alarms = alarms[await self._act(alarms) :]

    async def _act(self, alarms: Sequence[Alarm]) -> int:
        """Act at the first of some alarms, as many as one batch has room for; returns how many."""
        answer, taken = Answer((), {}), 0

        def decide() -> Sequence[Fact]:
            nonlocal answer, taken
            now = now_us()
            answer, taken = self._followed.alerts.fitting(alarms, self._situation(now), now, most=MOST_AT_ONCE)
            return answer.facts

        try:
            written = await self._writer.write(decide)
        except ConcurrencyConflict as conflict:
            raise Retry(str(conflict)) from conflict
        self._followed.alerts.keep(answer.counted)
        self._metrics.wrote(written)
        return taken

    async def tell_counts(self, every_s: float) -> None:
        """Say now and then how often open alerts were repeated, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self._writer.write(lambda: self._followed.alerts.overdue(now_us()))
            except EventLogError as error:  # said the next time: nothing else may end for that
                _log.warning("counts of alerts wait for the log", reason=repr(error))

    def _situation(self, now: int) -> Situation:
        followed, state = self._followed, self._followed.state
        return Situation(
            pins=lambda esp_id: sorted(state.pins.get(esp_id, ())),
            possibly_on=lambda esp_id, gpio: state.view(ActuatorRef(esp_id, gpio)).possible,
            stopping=followed.stops.stopping,
            latched=lambda esp_id, gpio: self._still_stopped(esp_id, gpio, now),
        )

    def _still_stopped(self, esp_id: str, gpio: int, now: int) -> bool:
        followed = self._followed
        pins = followed.state.pins.get(esp_id, ()) if gpio == GPIO_WHOLE_DEVICE else (gpio,)
        refs = [ActuatorRef(esp_id, pin) for pin in pins or (gpio,)]
        return all(still_stopped(followed, ref, now) for ref in refs)


class WriteViolations:
    """What was rejected and stopped into the table."""

    def __init__(self, violations: Violations, stopping: Callable[[], bool]) -> None:
        self._violations = violations
        self._stopping = stopping

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Write events and return when they are committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery is no event of safety, or the database refuses a value of it.
        """
        await record(deliveries, fact_of, self._violations.write, what="violations", give_up=self._stopping)


def _alarm(seq: int, said: DeviceSaid[ActuatorAlert]) -> Alarm:
    alert = said.message
    return Alarm(
        alert_id=device_alert_id(seq),
        kaiser_id=said.kaiser_id,
        esp_id=said.esp_id,
        gpio=alert.gpio,
        kind=alert.alert_type,
        at=said.received_at,
        detail=alert.message[:500],
        seq=seq,
    )
