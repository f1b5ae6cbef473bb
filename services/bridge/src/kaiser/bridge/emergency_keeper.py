"""Stops actuators: at an emergency, and when safety is silent for too long. A role that one bridge has at a time.

It has an MQTT session of its own, hears the statuses of actuators through it, and needs nothing but the broker: with
the log away it goes on with what it knows, and what was begun is repeated until the devices say that they are off.
"""

import asyncio
import contextlib
import time
from functools import partial
from typing import Final

import structlog

from kaiser.bridge import orders
from kaiser.bridge.broker import Broker
from kaiser.bridge.lease import DeadMansSwitch
from kaiser.bridge.lease_lost import LostReports
from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.stopping import Said, Stopping
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.topics import UPLINK_SUFFIXES, TopicError, UplinkKind
from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import now_us
from kaiser.mqtt import Change, Connected, Message, MqttError, QoS, RetainHandling, Session, topic_filter

log = structlog.get_logger(__name__)

CLIENT_ID: Final = "kaiser-emergency"
STATUSES: Final = topic_filter(
    f"kaiser/+/esp/+/{UPLINK_SUFFIXES[UplinkKind.ACTUATOR_STATUS].replace('{gpio}', '+')}",
    max_qos=QoS.AT_MOST_ONCE,
    retain_handling=RetainHandling.SEND_ALWAYS,
)
"""With the retained copies that ``dec`` leaves: they prove nothing, but tell which actuators there are."""

AT_ONCE: Final = 128
SEND_S: Final = 5.0
EXPIRY_S: Final = 10
"""It is repeated, so an old one is of no use, and after the release it would be wrong."""
HEAD_START_S: Final = 0.2
"""For a broadcast, until the broker has it: behind a thousand other messages it would come later to everybody."""
LOOK_S: Final = 0.25
HEARD_AT_ONCE: Final = 200
RECONNECT_MAX_S: Final = 2.0


class EmergencyKeeper:
    """Tells devices to stop, and hears whether they did.

    Args:
        broker: Where and as whom to connect.
        stopping: Which actuators have to be off.
        switch: Whether safety lives.
        reports: Takes what was switched off because safety was silent.
        metrics: Where to count.
        broadcast_token: What production builds of ``head`` want in the broadcast.

    Attributes:
        session: The session while the role is held.
        wake: Set when something may have to be said.
    """

    def __init__(
        self,
        broker: Broker,
        stopping: Stopping,
        switch: DeadMansSwitch,
        reports: LostReports,
        metrics: BridgeMetrics,
        *,
        broadcast_token: str | None = None,
    ) -> None:
        self.session: Session | None = None
        self.wake = asyncio.Event()
        self._broker = broker
        self._stopping = stopping
        self._switch = switch
        self._reports = reports
        self._metrics = metrics
        self._broadcast_token = broadcast_token
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[orders.Order, asyncio.Task[None]] = {}

    async def work(self) -> None:
        """Stop what has to be stopped, until cancelled.

        Raises:
            TakenOver: Another bridge does it now.
        """
        self._stopping.begin(_now())
        self._switch.begin(_now())
        session = self._broker.session(
            CLIENT_ID,
            subscriptions=[STATUSES],
            clean_start=True,
            reconnect_max_s=RECONNECT_MAX_S,
            on_change=self._changed,
        )
        async with session:
            self.session = session
            telling = asyncio.create_task(self._tell(session), name="bridge.emergency")
            hearing = asyncio.create_task(self._hear(session), name="bridge.statuses")
            try:
                done, _ = await asyncio.wait((telling, hearing), return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self.session = None
                self._stopping.safety_is(silent=False, now=_now())  # whoever has the role now listens, and says so
                self._metrics.safety_silent.set(0)
                self._metrics.unconfirmed_stops.set(0)
                tasks = [telling, hearing, *self._under_way.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self, change: Change) -> None:
        if isinstance(change, Connected):
            self._stopping.reconnected(_now())
            self.wake.set()

    # What devices say

    async def _hear(self, session: Session) -> None:
        async for batch in session.batches():
            for number, message in enumerate(batch, 1):
                self._take(message)
                if number % HEARD_AT_ONCE == 0:
                    await asyncio.sleep(0)  # a stop does not wait for the statuses of a thousand devices
            session.acknowledge(batch)

    def _take(self, message: Message) -> None:
        outcome = decode_uplink(message.topic, message.payload)
        if type(outcome) is not Accepted or type(outcome.message) is not ActuatorStatus:
            return
        status, topic = outcome.message, outcome.topic
        on = None if status.state is None else status.state or bool(status.pwm)
        said = Said(
            kaiser_id=topic.kaiser_id,
            esp_id=topic.esp_id,
            gpio=status.gpio,
            on=on,
            zone_id=status.zone_id,
            head=status.seq is not None,
            retained=message.retain,
            ts=status.ts,
        )
        self._stopping.hear(said, _now())
        if on is not False and self._stopping.unconfirmed:
            self.wake.set()

    # What devices are told

    async def _tell(self, session: Session) -> None:
        while True:
            self.wake.clear()
            self._look()
            if session.connected:
                while shouting := self._begin(session, self._stopping.due(_now())):
                    await asyncio.wait(shouting, timeout=HEAD_START_S)
            pause = min(LOOK_S, max(0.0, self._stopping.next_due() - _now()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if session.connected else LOOK_S):
                    await self.wake.wait()

    def _begin(self, session: Session, due: list[orders.Order]) -> list[asyncio.Task[None]]:
        """Begin to say what is due; returns the broadcasts, which get a head start."""
        shouting = []
        for order in due:
            if order in self._under_way:
                continue
            task = self._under_way[order] = asyncio.create_task(self._say(session, order))
            task.add_done_callback(partial(self._said, order))
            if isinstance(order, orders.Broadcast):
                shouting.append(task)
        return shouting

    def _said(self, order: orders.Order, _: asyncio.Task[None]) -> None:
        del self._under_way[order]

    def _look(self) -> None:
        now = _now()
        silent = self._switch.silent(now)
        if silent != self._stopping.silent:
            log.warning("safety is silent, switching off" if silent else "safety is heard again")
        self._stopping.safety_is(silent=silent, now=now)
        if lost := self._stopping.take_lost():
            at, heard_at = now_us(), self._switch.heard_at
            self._reports.add(lost, heard_at=at - int((now - heard_at) * 1e6) if heard_at is not None else 0, at=at)
        self._metrics.safety_silent.set(silent)
        self._metrics.latches.set(len(self._stopping.latches))
        self._metrics.unconfirmed_stops.set(self._stopping.unconfirmed)

    async def _say(self, session: Session, order: orders.Order) -> None:
        """The broadcast at once; the others not more at a time than the broker can answer quickly."""
        if isinstance(order, orders.Broadcast):
            await self._publish(session, order)
            return
        async with self._places:
            if self._stopping.wanted(order):
                await self._publish(session, order)

    async def _publish(self, session: Session, order: orders.Order) -> None:
        started, kind = time.perf_counter(), type(order).__name__.lower()
        try:
            said = orders.message(order, broadcast_token=self._broadcast_token)
            async with asyncio.timeout(SEND_S):
                await session.publish(said.topic, said.payload, qos=QoS(said.qos), expiry_s=EXPIRY_S)
        except (DownlinkForbiddenError, TopicError) as error:
            self._metrics.emergency_orders.labels(kind, "refused").inc()
            log.error("a device cannot be told to stop", order=str(order), reason=str(error))
        except (MqttError, TimeoutError, ValueError) as error:
            self._metrics.emergency_orders.labels(kind, "failed").inc()
            log.warning("the broker did not take a stop, it is repeated", order=str(order), reason=str(error))
        else:
            self._metrics.emergency_orders.labels(kind, "sent").inc()
            if isinstance(order, orders.Broadcast):
                self._stopping.broadcast_taken(order.emergency_id)
                log.warning("broadcast sent", emergency_id=order.emergency_id, seconds=time.perf_counter() - started)


def _now() -> float:
    return asyncio.get_running_loop().time()
