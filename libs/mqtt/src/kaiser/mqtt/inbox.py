"""Receiving: what waits for the consumer, and what the broker still waits to have acknowledged."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import NamedTuple

from mqtt5 import Packet, PublishPacket, PubRelPacket, QoS

from kaiser.mqtt.codec import PUBACK, PUBCOMP, PUBREC, short_packets
from kaiser.mqtt.errors import SessionClosed, TakenOver
from kaiser.mqtt.stats import Stats

__all__ = ("Batch", "Inbox", "Lull", "Message")

Message = PublishPacket
"""A received message is the codec's own packet (topic, payload, qos, retain, duplicate, packet_id, and the
MQTT 5 properties): copying its fields into another object would cost more than decoding it."""

LARGEST_JOINED_BATCH = 2_000
"""Reads are joined only up to this many messages, so that a consumer that is behind catches up in steps."""


class Batch:
    """What had arrived when the consumer asked: one socket read, or several if the consumer was behind.

    Attributes:
        connection: The number of the connection it came over; acknowledgements count only on that one.
        messages: In the order received.
        size: Bytes, as read from the socket.
    """

    __slots__ = ("connection", "messages", "size")

    def __init__(self, connection: int, messages: list[Message], size: int) -> None:
        self.connection = connection
        self.messages = messages
        self.size = size

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)


class Lull(NamedTuple):
    """How long messages that nobody waits for may wait for others, so that many are handed out at once.

    Attributes:
        patient: Whether a message may wait; one that may not ends the waiting of all.
        seconds: How long at most.
    """

    patient: Callable[[Message], bool]
    seconds: float


class Inbox:
    """The receiving half of a session's state; it does no I/O itself.

    Args:
        stats: Counters to keep.
        max_queued_messages: Reading stops when so many messages wait for the consumer, and goes on at half.
        max_queued_bytes: The same in bytes.
    """

    def __init__(self, stats: Stats, *, max_queued_messages: int, max_queued_bytes: int) -> None:
        self._stats = stats
        self._max_messages = max_queued_messages
        self._max_bytes = max_queued_bytes
        # Waiting for the consumer
        self._queue: deque[Batch] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._patient: Callable[[Message], bool] | None = None
        self._ended: SessionClosed | None = None
        # The connection
        self._connection = 0
        self._write: Callable[[bytes], None] | None = None
        self._pause: Callable[[bool], None] | None = None
        self._paused = False
        # Delivered on this connection and not acknowledged, by packet id: QoS 1, and QoS 2 before its PUBREC
        self._unacknowledged: dict[int, Message] = {}
        self._unreceived: dict[int, Message] = {}
        # QoS 2 between PUBREC and PUBREL; part of the session, so it outlives the connection
        self._received: set[int] = set()

    @property
    def connection_ended(self) -> bool:
        """Whether no connection has begun since the last one ended."""
        return self._write is None

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker waits to have acknowledged on this connection."""
        return len(self._unacknowledged) + len(self._unreceived)

    def connected(self, connection: int, write: Callable[[bytes], None], *, session_present: bool) -> None:
        """Begin a connection: what is unacknowledged from an older one will be delivered again by the broker."""
        self._connection, self._write = connection, write
        if not session_present:
            self._received.clear()

    def ready(self, pause: Callable[[bool], None]) -> None:
        """Reading may be paused from now on; before the SUBACK was read it must not be."""
        self._pause, self._paused = pause, False
        self._hold_back()

    def disconnected(self) -> None:
        """End the connection; batches that wait for the consumer stay, for a lost session delivers nothing again."""
        self._write = self._pause = None
        self._unacknowledged.clear()
        self._unreceived.clear()

    def end(self, reason: SessionClosed) -> None:
        """End the iteration over batches once the queue is empty."""
        self._ended = reason
        self._wake()

    def discard(self) -> None:
        """Empty the queue, counting the QoS 0 messages in it: the broker has the others still."""
        self._stats.messages_dropped += sum(message.packet_id is None for batch in self._queue for message in batch)
        self._stats.queued_messages = self._stats.queued_bytes = 0
        self._queue.clear()

    def receive(self, packets: list[Packet], size: int) -> list[Packet]:
        """Queue the PUBLISH packets of one socket read and return the others.

        Args:
            packets: What the read completed.
            size: How many bytes were read.
        """
        messages: list[Message] = []
        others: list[Packet] = []
        append, unacknowledged, at_least_once = messages.append, self._unacknowledged, QoS.AT_LEAST_ONCE
        for packet in packets:
            if type(packet) is not PublishPacket:
                others.append(packet)
                continue
            packet_id = packet.packet_id
            if packet_id is None:
                append(packet)
            elif packet.qos is at_least_once:
                unacknowledged[packet_id] = packet
                append(packet)
            elif self._is_new(packet, packet_id):
                append(packet)
        if messages:
            self._enqueue(messages, size)
        return others

    def release(self, packet: PubRelPacket) -> None:
        """Answer PUBREL: the broker will not deliver that QoS 2 message again, its packet id is free."""
        self._received.discard(packet.packet_id)
        if self._write is not None:
            self._write(short_packets([PUBCOMP | packet.packet_id]))

    def acknowledge(self, batch: Batch, messages: Sequence[Message] | None) -> int:
        """Write the PUBACKs and PUBRECs in the order given; see `Session.acknowledge`."""
        if messages is None:
            messages = batch.messages
        if self._write is None or batch.connection != self._connection:
            self._stats.acknowledgements_stale += len(messages)
            return 0
        words: list[int] = []
        append, unacknowledged, unreceived = words.append, self._unacknowledged, self._unreceived
        for message in messages:
            packet_id = message.packet_id
            if packet_id is None:
                continue
            # A second acknowledgement must not meet another message that was given the same packet id meanwhile
            if unacknowledged.get(packet_id) is message:
                del unacknowledged[packet_id]
                append(PUBACK | packet_id)
            elif unreceived.get(packet_id) is message:
                del unreceived[packet_id]
                self._received.add(packet_id)
                append(PUBREC | packet_id)
        if words:
            self._write(short_packets(words))
            self._stats.messages_acknowledged += len(words)
        return len(words)

    async def batches(self, lull: Lull | None = None) -> AsyncIterator[Batch]:
        """Iterate over what is received; see `Session.batches`."""
        while True:
            if self._queue:
                if lull is not None:
                    await self._linger(lull)
                yield self._take()
            elif self._ended is None:
                await self._wait()
            elif isinstance(self._ended, TakenOver):
                raise self._ended
            else:
                return

    async def _wait(self, until: float | None = None) -> None:
        """Return when something has arrived, the session has ended, or the loop's time has come."""
        if self._waiter is not None:
            raise RuntimeError("batches() has one consumer at a time")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if until is None else loop.call_at(until, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def _linger(self, lull: Lull) -> None:
        """Let patient messages wait for others, until one comes that may not; the patient ones wake nobody."""
        if (
            len(self._queue) > 1
            or self._paused
            or self._ended is not None
            or not all(map(lull.patient, self._queue[0].messages))
        ):
            return
        self._patient = lull.patient
        try:
            await self._wait(asyncio.get_running_loop().time() + lull.seconds)
        finally:
            self._patient = None

    def _is_new(self, packet: Message, packet_id: int) -> bool:
        """Whether a QoS 2 message is delivered for the first time (MQTT 5, 4.3.3, method A)."""
        if packet_id in self._received:
            self._stats.duplicates_suppressed += 1
            if self._write is not None:
                self._write(short_packets([PUBREC | packet_id]))
            return False
        self._unreceived[packet_id] = packet
        return True

    def _enqueue(self, messages: list[Message], size: int) -> None:
        stats, queue = self._stats, self._queue
        stats.messages_received += len(messages)
        stats.queued_messages += len(messages)
        stats.queued_bytes += size
        if (
            queue
            and queue[-1].connection == self._connection
            and len(queue[-1]) + len(messages) <= LARGEST_JOINED_BATCH
        ):
            queue[-1].messages += messages
            queue[-1].size += size
        else:
            queue.append(Batch(self._connection, messages, size))
        self._hold_back()
        if self._patient is None or self._paused or len(queue) > 1 or not all(map(self._patient, messages)):
            self._wake()

    def _take(self) -> Batch:
        batch = self._queue.popleft()
        stats = self._stats
        stats.queued_messages -= len(batch)
        stats.queued_bytes -= batch.size
        if (
            self._paused
            and stats.queued_messages <= self._max_messages // 2
            and stats.queued_bytes <= self._max_bytes // 2
        ):
            self._paused = False
            if self._pause is not None:
                self._pause(False)
        return batch

    def _hold_back(self) -> None:
        """Leave the socket unread when the consumer is behind: TCP then holds the broker back, nothing is lost."""
        stats = self._stats
        if self._paused or self._pause is None:
            return
        if stats.queued_messages >= self._max_messages or stats.queued_bytes >= self._max_bytes:
            self._paused = True
            stats.reading_pauses += 1
            self._pause(True)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
