"""What safety receives: requests to decide on, alerts to act at, its own events for the table. Handlers of batches."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE
from kaiser.contracts.wire import ActuatorAlert
from kaiser.eventlog import ConcurrencyConflict, ConsumerSpec, Delivery, Retry, Unprocessable, now_us
from kaiser.safety.alerts import Alarm, Answer, Situation, device_alert_id
from kaiser.safety.clearing import still_stopped
from kaiser.safety.events import Fact, fact_of
from kaiser.safety.following import Followed
from kaiser.safety.metrics import SafetyMetrics
from kaiser.safety.projections import Violations
from kaiser.safety.ruling import Numbered, rule
from kaiser.safety.writing import Writer
from kaiser.timescale import BadData, DatabaseAway, outlast

_log = structlog.get_logger(__name__)

REQUESTS: Final = ConsumerSpec(
    stream=ACTUATORS.name,
    durable="safety-requests",
    subjects=(f"actuator.*.*.*.command.{CommandRequested.EVENT}",),
    ack_wait_s=2.0,
)
ALERTS: Final = ConsumerSpec(stream=ACTUATORS.name, durable="safety-alerts", subjects=("actuator.*.*.*.alert",))
VIOLATIONS: Final = ConsumerSpec(
    stream=SAFETY.name, durable="safety-violations", subjects=("safety.decision.>", "safety.stop.>")
)
HELD_EVERY_S: Final = 0.25
LIMP_S: Final = 3.0
"""Requests that wait so long for a decision show that safety does not decide."""

_decoder = EventDecoder({CommandRequested.TYPE: CommandRequested, SAID[ActuatorAlert].name: DeviceSaid[ActuatorAlert]})


def decode(delivery: Delivery) -> Any:  # the struct follows from the event's type
    """The newest struct of an event.

    Raises:
        Unprocessable: It is none that is decided on, or its body is not of its type.
    """
    try:
        return _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error


class DecideCommands:
    """Requests to decisions, all of a batch in one write.

    Args:
        followed: What is known.
        writer: Where decisions go.
        metrics: Where to count.
        leads_until: Until when this instance may decide, unix microseconds; 0 while it may not.
    """

    def __init__(
        self, followed: Followed, writer: Writer, metrics: SafetyMetrics, leads_until: Callable[[], int]
    ) -> None:
        self._followed = followed
        self._writer = writer
        self._metrics = metrics
        self._leads_until = leads_until
        self._since = 0.0

    @property
    def limps(self) -> bool:
        """Whether requests wait for a decision for too long."""
        return self._since > 0 and time.monotonic() - self._since > LIMP_S

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Decide on requests and return when that is stored.

        Raises:
            Retry: This instance does not lead any more, or others write all the time.
            Unprocessable: A delivery is no request.
        """
        requests: list[Numbered] = [(delivery.seq, decode(delivery)) for delivery in deliveries]
        self._since = self._since or time.monotonic()
        # What is decided on has to be in the state, with all that came before it
        await self._followed.actuators_to(deliveries[-1].seq)
        await self._decide(requests)
        self._since, now = 0.0, now_us()
        for delivery in deliveries:
            self._metrics.latency_s.observe((now - delivery.stored_at) / 1e6)

    async def decide_on_held(self) -> None:
        """Decide on commands that wait for their device, once it is there or they have waited long enough."""
        while True:
            await asyncio.sleep(HELD_EVERY_S)
            state, now = self._followed.state, now_us()
            held = [
                (seq, request)
                for seq, request in self._followed.requests.values()
                if request.held_until and (state.member(request.esp_id).online or now >= request.held_until)
            ]
            if held:
                with contextlib.suppress(Retry):
                    await self._decide(sorted(held))

    async def _decide(self, requests: Sequence[Numbered]) -> None:
        try:
            written = await self._writer.write(lambda: self._decisions(requests))
        except ConcurrencyConflict as conflict:
            raise Retry(str(conflict)) from conflict
        self._metrics.wrote(written)

    def _decisions(self, requests: Sequence[Numbered]) -> Sequence[Fact]:
        now, until = now_us(), self._leads_until()
        if until <= now:
            raise Retry("this instance does not lead any more")
        began = time.perf_counter()
        facts = rule(self._followed.state, requests, self._followed.settled.decided, now, lease_until=until)
        if facts:
            self._metrics.decide_s.observe((time.perf_counter() - began) / len(facts), len(facts))
        return facts


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
        answer = Answer((), {})

        def decide() -> Sequence[Fact]:
            nonlocal answer
            now = now_us()
            answer = self._followed.alerts.answer(alarms, self._situation(now), now)
            return answer.facts

        try:
            written = await self._writer.write(decide)
        except ConcurrencyConflict as conflict:
            raise Retry(str(conflict)) from conflict
        self._followed.alerts.keep(answer.counted)
        self._metrics.wrote(written)

    async def tell_counts(self, every_s: float) -> None:
        """Say now and then how often open alerts were repeated, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self._writer.write(lambda: self._followed.alerts.overdue(now_us()))

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
        try:
            facts = [(delivery.seq, fact_of(delivery)) for delivery in deliveries]
        except (msgspec.DecodeError, ValueError) as error:
            raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
        try:
            await outlast(lambda: self._violations.write(facts), what="violations", give_up=self._stopping)
        except DatabaseAway as away:
            raise Retry(str(away)) from away
        except BadData as error:
            raise Unprocessable(Code.VALUE_OUT_OF_RANGE, str(error)) from error


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
