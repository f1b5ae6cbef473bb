"""Answers heartbeats over an MQTT session of its own: no backlog and no outage of the log delays them."""

import asyncio
import contextlib
import time
from typing import Final

import structlog

from kaiser.bridge.broker import Broker
from kaiser.bridge.heartbeats import acknowledgement
from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.profiles import Profiles
from kaiser.contracts import topics
from kaiser.contracts.downlink import encode_downlink
from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.contracts.wire import Heartbeat, HeartbeatAck, SessionAnnounce
from kaiser.mqtt import Message, MqttError, QoS, RetainHandling, Session, topic_filter

log = structlog.get_logger(__name__)

CLIENT_ID: Final = "kaiser-heartbeats"
DROPPED: Final = "$SYS/broker/publish/messages/dropped"
ACK_EXPIRY_S: Final = 10
"""An answer that a device has not got by then is of no use: its next heartbeat has its own."""

REST_S: Final = 0.05
"""After an answer the next ones gather for so long. A heartbeat that comes alone is answered at once; of 10,000 devices
with one a minute it is a handful at a time, which costs one waking instead of several. The contract asks for less than
a second (section 23), and most for the first one after a silence."""
MOST_REMEMBERED: Final = 1000

WANTS_AN_ANSWER: Final = (b'"boot_sequence_id"', b'"active_handover_epoch"', b'"handover_epoch"')
"""Fields of ``head`` devices; a heartbeat without any is of a ``dec`` one, and need not be read here."""

FILTERS: Final = (
    topic_filter(
        "kaiser/+/esp/+/system/heartbeat", max_qos=QoS.AT_MOST_ONCE, retain_handling=RetainHandling.SEND_NEVER
    ),
    topic_filter(
        "kaiser/+/esp/+/session/announce", max_qos=QoS.AT_MOST_ONCE, retain_handling=RetainHandling.SEND_NEVER
    ),
    topic_filter(DROPPED, max_qos=QoS.AT_MOST_ONCE),
)


class Responder:
    """One heartbeat session.

    Args:
        broker: Where and as whom to connect.
        profiles: What is known of the devices.
        metrics: Where to count.
    """

    def __init__(self, broker: Broker, profiles: Profiles, metrics: BridgeMetrics) -> None:
        self._profiles = profiles
        self._metrics = metrics
        self.session: Session = broker.session(CLIENT_ID, subscriptions=FILTERS, clean_start=True)
        self._answers: set[asyncio.Task[None]] = set()
        self._encoded: dict[HeartbeatAck, bytes] = {}

    async def run(self) -> None:
        """Answer until the session ends.

        Raises:
            TakenOver: Another bridge answers now.
        """
        async with self.session as session:
            async for batch in session.batches():
                for message in batch:
                    self._hear(message)
                await asyncio.sleep(REST_S)

    def _hear(self, message: Message) -> None:
        if message.topic == DROPPED:
            with contextlib.suppress(ValueError):
                self._metrics.broker_dropped.set(int(message.payload))
            return
        if not any(field in message.payload for field in WANTS_AN_ANSWER):
            return
        outcome = decode_uplink(message.topic, message.payload, retained=message.retain)
        if type(outcome) is not Accepted:
            return
        profile = self._profiles.get(outcome.topic.esp_id)
        if type(outcome.message) is SessionAnnounce and profile is not None:
            self._profiles.learn(profile, announced_epoch=outcome.message.handover_epoch)
        if type(outcome.message) is Heartbeat:
            answer = acknowledgement(outcome.message, profile, time.time_ns() // 1000)
            if answer is not None:
                topic = topics.heartbeat_ack(outcome.topic.kaiser_id, outcome.topic.esp_id)
                task = asyncio.create_task(self._answer(topic, self._payload(topic, answer)))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    def _payload(self, topic: str, answer: HeartbeatAck) -> bytes:
        """Encoded and held against the contract once: the answers of one second differ in little but the topic."""
        found = self._encoded.get(answer)
        if found is None:
            if len(self._encoded) >= MOST_REMEMBERED:
                self._encoded.clear()
            found = self._encoded[answer] = encode_downlink(topic, answer)
        return found

    async def _answer(self, topic: str, payload: bytes) -> None:
        try:
            async with asyncio.timeout(ACK_EXPIRY_S):
                await self.session.publish(topic, payload, qos=QoS.AT_LEAST_ONCE, expiry_s=ACK_EXPIRY_S)
        except (MqttError, TimeoutError) as error:
            self._metrics.heartbeat_acks.labels("failed").inc()
            log.warning("heartbeat not acknowledged", topic=topic, reason=str(error))
        else:
            self._metrics.heartbeat_acks.labels("sent").inc()
