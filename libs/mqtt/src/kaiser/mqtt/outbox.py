"""Publishing: own messages from the call until the broker has them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mqtt5 import (
    ConnAckPacket,
    PubAckPacket,
    PubAckReasonCode,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRecReasonCode,
    PubRelPacket,
    PubRelReasonCode,
    QoS,
)

from kaiser.mqtt.codec import LARGEST_PACKET, PUBREL, short_packets
from kaiser.mqtt.errors import REFUSED, BrokerLimitExceeded, MessageExpired, MqttError, NegativeAcknowledgement
from kaiser.mqtt.stats import Stats

__all__ = ("Outbox",)

# The stubs of mqtt5 0.8 call its enumerations IntEnum; they are classes of their own that neither compare, nor hash,
# nor are false for 0. So a level is a plain int here, and reason codes are compared as ints.
LEVELS = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)
LARGEST_PACKET_ID = 65_535
RESERVED_PACKET_IDS = 16
"""Kept free for SUBSCRIBE, so that looking for an unused packet id always ends."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message on its way to the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expires_at: float | None
    """On the monotonic clock, in seconds."""
    done: asyncio.Future[bool]
    packet_id: int = 0
    """0 as long as nothing was written."""
    duplicate: bool = False
    released: bool = False
    """The broker answered PUBREC: what is (re)sent is the PUBREL (MQTT 5, 4.3.3)."""
    subscribed: bool = field(default=True)
    """Whether the broker found a matching subscription."""


class Outbox:
    """The sending half of a session's state; it does no I/O itself.

    QoS 0 and the rest wait in separate queues: a QoS 0 message only needs the connection, the others also a place
    within the broker's receive maximum (MQTT 5, 4.9).
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._write: Callable[[bytes], None] | None = None
        self._writable = False
        self._closed: MqttError | None = None
        # What the broker said in its CONNACK
        self._max_packet_size = LARGEST_PACKET
        self._max_qos = 2
        self._retain_available = True
        self._receive_maximum = LARGEST_PACKET_ID
        # Messages
        self._unwritten: deque[Outgoing] = deque()
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._used = 0
        self._last_packet_id = 0

    @property
    def in_flight(self) -> int:
        """How many QoS 1 and 2 messages were written and are not done."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """How many messages wait for a connection or for a place within the broker's receive maximum."""
        return len(self._waiting) + len(self._unwritten)

    def connected(self, write: Callable[[bytes], None], connack: ConnAckPacket) -> None:
        """Begin a connection: unfinished messages are sent again in their order, before any other."""
        self._write, self._writable, self._used = write, True, 0
        self._max_packet_size = connack.max_packet_size or LARGEST_PACKET
        self._max_qos = int(connack.max_qos)
        self._retain_available = connack.retain_available
        self._receive_maximum = min(connack.receive_max, LARGEST_PACKET_ID - RESERVED_PACKET_IDS)
        again: list[Outgoing] = []
        for outgoing in list(self._in_flight.values()):
            if outgoing.done.done() and outgoing.qos == 1:
                # Its caller gave up. The receiver of QoS 1 keeps no state, so the packet id is free; a QoS 2
                # exchange is always finished, or the broker would take the id's next message for a duplicate.
                del self._in_flight[outgoing.packet_id]
                continue
            outgoing.duplicate = connack.session_present
            outgoing.released = outgoing.released and connack.session_present
            again.append(outgoing)
        self._stats.messages_resent += len(again)
        self._waiting.extendleft(reversed(again))
        self.pump()

    def disconnected(self) -> None:
        """End the connection; everything unfinished waits for the next."""
        self._write, self._writable = None, False
        # What was queued to be sent again and was not yet is still in flight: it must not be queued twice
        self._waiting = deque(outgoing for outgoing in self._waiting if not outgoing.packet_id)

    def close(self, reason: MqttError) -> None:
        """Fail every unfinished message."""
        self._closed = reason
        for outgoing in (*self._in_flight.values(), *self._waiting, *self._unwritten):
            if not outgoing.done.done():
                outgoing.done.set_exception(reason)
        self._in_flight.clear()
        self._waiting.clear()
        self._unwritten.clear()

    def set_writable(self, writable: bool) -> None:
        """Stop or go on writing, as the socket's buffer is full or empty."""
        self._writable = writable
        self.pump()

    def next_packet_id(self) -> int:
        """A packet id that is not in use."""
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % LARGEST_PACKET_ID + 1
            if packet_id not in self._in_flight:
                self._last_packet_id = packet_id
                return packet_id

    async def publish(self, topic: str, payload: bytes, *, qos: QoS, retain: bool, expiry_s: int | None) -> bool:
        """Send a message and wait until it is done; see `Session.publish`."""
        if self._closed is not None:
            raise self._closed
        outgoing = Outgoing(
            topic=topic,
            payload=payload,
            qos=int(qos),
            retain=retain,
            expires_at=None if expiry_s is None else time.monotonic() + expiry_s,
            done=asyncio.get_running_loop().create_future(),
        )
        queue = self._waiting if outgoing.qos else self._unwritten
        queue.append(outgoing)
        self.pump()
        try:
            return await outgoing.done
        except asyncio.CancelledError:
            if outgoing in queue and not outgoing.packet_id:
                queue.remove(outgoing)
            raise

    def pump(self) -> None:
        """Write what the connection and the broker's receive maximum have room for."""
        while self._unwritten and self._writable:
            self._send(self._unwritten.popleft())
        while self._waiting and self._writable and self._used < self._receive_maximum:
            if len(self._in_flight) > LARGEST_PACKET_ID - RESERVED_PACKET_IDS:
                return
            self._send(self._waiting.popleft())

    def acknowledged(self, packet: PubAckPacket) -> None:
        """PUBACK: a QoS 1 message is done."""
        outgoing = self._in_flight.get(packet.packet_id)
        if outgoing is None or outgoing.qos != 1:
            return
        self._finish(outgoing, packet, packet.reason_code is PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)

    def received(self, packet: PubRecPacket) -> None:
        """PUBREC: the broker has a QoS 2 message; it is released."""
        outgoing = self._in_flight.get(packet.packet_id)
        if outgoing is None or outgoing.qos != 2:
            self._put(PubRelPacket(packet.packet_id, reason_code=PubRelReasonCode.PACKET_ID_NOT_FOUND).write())
        elif int(packet.reason_code) >= REFUSED:
            self._finish(outgoing, packet, False)
        else:
            outgoing.released = True
            outgoing.subscribed = packet.reason_code is not PubRecReasonCode.NO_MATCHING_SUBSCRIBERS
            self._put(short_packets([PUBREL | packet.packet_id]))

    def completed(self, packet: PubCompPacket) -> None:
        """PUBCOMP: a QoS 2 message is done."""
        outgoing = self._in_flight.get(packet.packet_id)
        if outgoing is not None and outgoing.released:
            self._finish(outgoing, None, not outgoing.subscribed)

    def _finish(self, outgoing: Outgoing, answer: PubAckPacket | PubRecPacket | None, unmatched: bool) -> None:
        del self._in_flight[outgoing.packet_id]
        self._used -= 1
        if answer is not None and int(answer.reason_code) >= REFUSED:
            _fail(
                outgoing,
                NegativeAcknowledgement(f"a message to {outgoing.topic}", answer.reason_code, answer.reason_str),
            )
        else:
            self._stats.messages_published += 1
            if not outgoing.done.done():
                outgoing.done.set_result(not unmatched)
        self.pump()

    def _send(self, outgoing: Outgoing) -> None:
        if outgoing.released:
            self._used += 1
            self._put(short_packets([PUBREL | outgoing.packet_id]))
            return
        packet_id = outgoing.packet_id or (self.next_packet_id() if outgoing.qos else 0)
        try:
            wire = self._encode(outgoing, packet_id)
        except (MqttError, ValueError, TypeError, OverflowError) as error:
            if outgoing.packet_id:
                del self._in_flight[outgoing.packet_id]
            _fail(outgoing, error)
            return
        if packet_id:
            outgoing.packet_id = packet_id
            self._in_flight[packet_id] = outgoing
            self._used += 1
            self._put(wire)
        else:
            self._put(wire)
            self._stats.messages_published += 1
            if not outgoing.done.done():
                outgoing.done.set_result(True)

    def _encode(self, outgoing: Outgoing, packet_id: int) -> bytes:
        if outgoing.qos > self._max_qos:
            raise BrokerLimitExceeded(f"the broker accepts at most QoS {self._max_qos}")
        if outgoing.retain and not self._retain_available:
            raise BrokerLimitExceeded("the broker keeps no retained messages")
        if len(outgoing.payload) > self._max_packet_size:  # the codec panics on what no packet can hold
            raise BrokerLimitExceeded(f"a message of {len(outgoing.payload)} bytes, more than the broker accepts")
        wire = PublishPacket(
            outgoing.topic,
            outgoing.payload,
            qos=LEVELS[outgoing.qos],
            retain=outgoing.retain,
            packet_id=packet_id or None,
            duplicate=outgoing.duplicate,
            message_expiry_interval=_remaining_s(outgoing),
        ).write()
        if len(wire) > self._max_packet_size:
            raise BrokerLimitExceeded(
                f"a packet of {len(wire)} bytes, more than the {self._max_packet_size} that the broker accepts"
            )
        return wire

    def _put(self, wire: bytes) -> None:
        if self._write is not None:
            self._write(wire)


def _remaining_s(outgoing: Outgoing) -> int | None:
    """The expiry interval that is left, in whole seconds, rounded down but at least 1.

    Raises:
        MessageExpired: Nothing is left and nobody holds state about the message.
    """
    if outgoing.expires_at is None:
        return None
    remaining = outgoing.expires_at - time.monotonic()
    if remaining <= 0 and not (outgoing.packet_id and outgoing.qos == 2):
        raise MessageExpired(f"a message to {outgoing.topic} expired before the broker had it")
    return max(1, int(remaining + 0.05))  # what was just handed over keeps its interval


def _fail(outgoing: Outgoing, error: Exception) -> None:
    if not outgoing.done.done():
        outgoing.done.set_exception(error)
