"""What the bridge listens to: one MQTT session a slot."""

import asyncio
from typing import Final

import structlog

from kaiser.bridge.broker import Broker
from kaiser.bridge.downlink import Downlink, Forbids
from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.profiles import Profiles
from kaiser.bridge.settings import BridgeOptions
from kaiser.bridge.sorting import Sorter
from kaiser.bridge.told import Told
from kaiser.bridge.uplink import Uplink, recall
from kaiser.contracts.streams import DOWNLINK
from kaiser.contracts.topics import WIDE_FILTER
from kaiser.eventlog import BatchConsumer, ConsumerSpec, ConsumeStats, EventLog
from kaiser.mqtt import QoS, RetainHandling, Session, TopicFilter, topic_filter

log = structlog.get_logger(__name__)

DISCOVERY_FILTER: Final = "kaiser/+/discovery/#"
SHARED: Final = "$share/kaiser/"
DOWNLINK_SPEC: Final = ConsumerSpec(stream=DOWNLINK.name, durable="bridge")


class Slot:
    """One uplink slot: an MQTT session with a fixed client id, and through the first one the downlink.

    Through several sessions an ON could come to its device behind the OFF that was sent after it.

    Args:
        number: Which of the slots.
        options: Settings of the bridge.
        broker: Where to connect.
        event_log: Where the events go, and where downlinks come from.
        profiles: What is known of the devices.
        metrics: Where to count.
        forbids: Asked right before an actuator is switched on.

    Attributes:
        session: The session while the slot is worked in.
        uplink: The way up while the slot is worked in.
        downlinks: What the way down did while the slot is worked in.
    """

    def __init__(
        self,
        number: int,
        *,
        options: BridgeOptions,
        broker: Broker,
        event_log: EventLog,
        profiles: Profiles,
        metrics: BridgeMetrics,
        forbids: Forbids,
    ) -> None:
        self.client_id = f"kaiser-uplink-{number}"
        self.session: Session | None = None
        self.uplink: Uplink | None = None
        self._sends = number == 0
        self._options = options
        self._broker = broker
        self._log = event_log
        self._profiles = profiles
        self._metrics = metrics
        self._forbids = forbids
        self._told = Told()
        self.downlinks = ConsumeStats()

    @property
    def queued(self) -> int:
        """Messages received and not yet acknowledged to the broker."""
        return self.session.unacknowledged if self.session is not None else 0

    async def work(self) -> None:
        """Carry messages up and down until cancelled.

        Raises:
            TakenOver: Another bridge has the slot.
        """
        options = self._options
        sorter = Sorter(self.client_id, self._profiles, self._told)
        # Before the broker can deliver anything again, for it begins with that
        await recall(self._log, sorter, session=self.client_id, messages=options.slots * options.receive_maximum)
        async with self._broker.session(
            self.client_id,
            subscriptions=self._subscriptions(),
            session_expiry_s=options.session_expiry_s,
            receive_maximum=options.receive_maximum,
            max_queued_messages=4 * options.receive_maximum,
        ) as session:
            self.session = session
            self.uplink = Uplink(session, self._log, sorter, self._metrics)
            sending = asyncio.create_task(self._send(session), name=f"{self.client_id}.downlink")
            try:
                await self.uplink.run()
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                self.session = self.uplink = None

    async def _send(self, session: Session) -> None:
        if not self._sends:
            return
        consumer = BatchConsumer(
            self._log,
            DOWNLINK_SPEC,
            Downlink(session, self._log, self._metrics, self._forbids, self._told).handle,
            service="bridge",
            reclaim_at_start=False,  # the bridge that had the slot before may still be sending
        )
        self.downlinks = consumer.stats
        try:
            await consumer.run()
        finally:
            self.downlinks = ConsumeStats()

    def _subscriptions(self) -> list[TopicFilter]:
        # A retained copy is never news, so none is asked for; and only a session of its own can leave out what it
        # published itself: a shared subscription may not (MQTT 5, 3.8.3.1)
        share = SHARED if self._options.slots > 1 else ""
        return [
            topic_filter(
                share + pattern,
                max_qos=QoS.AT_LEAST_ONCE,
                no_local=not share,
                retain_handling=RetainHandling.SEND_NEVER,
            )
            for pattern in (WIDE_FILTER, DISCOVERY_FILTER)
        ]
