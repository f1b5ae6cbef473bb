"""The session: one persistent MQTT 5 session over as many connections as it takes."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingRespPacket,
    PubAckPacket,
    PubCompPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    Will,
)

from kaiser.mqtt.connection import Connection
from kaiser.mqtt.errors import (
    REFUSED,
    ConnectionLost,
    MqttError,
    NegativeAcknowledgement,
    ProtocolError,
    SessionClosed,
    TakenOver,
)
from kaiser.mqtt.inbox import Batch, Inbox, Message
from kaiser.mqtt.outbox import Outbox
from kaiser.mqtt.settings import Backoff, Endpoint
from kaiser.mqtt.stats import Stats

__all__ = ("Change", "Connected", "Disconnected", "Session")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted a connection and granted the subscriptions."""

    connection: int
    session_present: bool
    """Whether the broker still had the session: if not, whatever it held for it is gone."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An accepted connection ended, for good if `reason` is a `SessionClosed` (`TakenOver` is one)."""

    connection: int
    reason: MqttError


Change = Connected | Disconnected


class Session:
    """Asynchronous context manager for a session with the broker that outlives its connections.

    Entering it starts to connect and does not wait: a service may start before its broker. Leaving it disconnects,
    with the will if an exception is the reason.

    Args:
        host: The broker's host name or address.
        port: The broker's port.
        client_id: Names the session. A second connection with the same client id takes the session over.
        username: Whom to authenticate as.
        password: What to authenticate with.
        tls: Context for an encrypted connection (see `tls_context`); without it the connection is plain.
        keep_alive_s: The longest silence in seconds; a dead broker is noticed within 1.5 times that. The broker may
            override it. 0 switches it off.
        session_expiry_s: How long the broker keeps the session without a connection, in seconds: 0 ends it with the
            connection, 0xFFFFFFFF keeps it for ever.
        clean_start: Whether the first connection discards a session the broker still has. Later connections always
            resume it.
        receive_maximum: How many QoS 1 and 2 messages the broker may send before it waits for acknowledgements. This
            is the back-pressure of acknowledged messages; QoS 0 has only the socket's.
        max_packet_size: The largest packet in bytes the broker may send; it drops larger messages for this client.
        will: The message that the broker publishes when the connection ends without a DISCONNECT, or
            `will_delay_interval` seconds later unless the session is resumed by then.
        subscriptions: Sent on the first connection, and again whenever the broker does not know the session any more.
        connect_timeout_s: How long an attempt to connect may take, until the subscriptions are granted.
        reconnect_min_s: The pause after the first failed attempt, which doubles with each; the first attempt after a
            connection breaks is made at once.
        reconnect_max_s: The longest pause between attempts.
        max_queued_messages: The socket is left unread while so many messages wait for the consumer. Keep it above
            `receive_maximum`: an unread socket delays the acknowledgements of own publishes too.
        max_queued_bytes: The same in bytes.
        on_change: Called at each connection made and lost.

    Attributes:
        client_id: As given.
        stats: Counters for metrics.
        last_error: Why there is no connection or why the last one ended, in words.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int = 1883,
        client_id: str,
        username: str | None = None,
        password: str | bytes | None = None,
        tls: ssl.SSLContext | None = None,
        keep_alive_s: int = 30,
        session_expiry_s: int = 0,
        clean_start: bool = False,
        receive_maximum: int = 1_000,
        max_packet_size: int | None = None,
        will: Will | None = None,
        subscriptions: Sequence[TopicFilter] = (),
        connect_timeout_s: float = 10.0,
        reconnect_min_s: float = 1.0,
        reconnect_max_s: float = 60.0,
        max_queued_messages: int = 10_000,
        max_queued_bytes: int = 8 * 2**20,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        self.client_id = client_id
        self.stats = Stats()
        self.last_error: str | None = None
        self._endpoint = Endpoint(host=host, port=port, tls=tls, timeout_s=connect_timeout_s)
        self._backoff = Backoff(minimum_s=reconnect_min_s, maximum_s=reconnect_max_s)
        self._subscriptions = list(subscriptions)
        self._on_change = on_change
        self._max_packet_size = max_packet_size
        self._keep_alive_s = keep_alive_s
        self._first_connect, self._next_connect = (
            ConnectPacket(
                client_id,
                username=username,
                password=password.encode() if isinstance(password, str) else password,
                clean_start=clean,
                will=will,
                keep_alive=keep_alive_s,
                session_expiry_interval=session_expiry_s,
                receive_max=receive_maximum,
                max_packet_size=max_packet_size,
            ).write()
            for clean in (clean_start, False)
        )
        # State of the session
        self._inbox = Inbox(self.stats, max_queued_messages=max_queued_messages, max_queued_bytes=max_queued_bytes)
        self._outbox = Outbox(self.stats)
        self._ended: SessionClosed | None = None
        self._task: asyncio.Task[None] | None = None
        # State of the connection
        self._connection: Connection | None = None
        self._up = False
        self._session_present = False
        self._subscribe_id = 0
        self._up_or_ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a session is entered once; make a new one")
        self._task = asyncio.create_task(self._run(), name=f"mqtt[{self.client_id}]")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect(with_will=kind is not None and issubclass(kind, Exception))
        self._inbox.discard()

    @property
    def connected(self) -> bool:
        """Whether there is a connection and the subscriptions are granted."""
        return self._up and self._ended is None

    @property
    def connection(self) -> int:
        """The number of the present or last connection, from 1; 0 before the first."""
        return self.stats.connects

    @property
    def unacknowledged(self) -> int:
        """How many received messages wait to be acknowledged on this connection."""
        return self._inbox.unacknowledged

    @property
    def unpublished(self) -> int:
        """How many own messages were given to `publish` and are not done."""
        return self._outbox.in_flight + self._outbox.waiting

    async def wait_connected(self) -> None:
        """Return when connected.

        Raises:
            SessionClosed: The session was closed, so there will be no connection (`TakenOver`: by another client).
        """
        await self._up_or_ended.wait()
        if self._ended is not None:
            raise self._ended

    def batches(self) -> AsyncIterator[Batch]:
        """Iterate over received messages, as many at a time as are there.

        Whoever does not come back for more in time makes the session leave the socket unread; nothing is dropped.
        Messages of an ended connection are still handed out: QoS 1 and 2 will come again, QoS 0 will not.
        Ends after `disconnect()`, when the queue is empty. There is one consumer at a time.

        Raises:
            TakenOver: Another connection with the same client id took the session over.
        """
        return self._inbox.batches()

    def acknowledge(self, batch: Batch, messages: Sequence[Message] | None = None) -> int:
        """Tell the broker that messages are safe: PUBACK for QoS 1, PUBREC for QoS 2, in the order given.

        MQTT 5, 4.6 wants them in the order of the PUBLISH packets. Messages of an ended connection are ignored, for
        the broker delivers them again with duplicate=True; so are QoS 0 messages and second acknowledgements.

        Args:
            batch: What the messages were received in.
            messages: Some of the batch's messages; all, if left out.

        Returns:
            How many acknowledgements were written.
        """
        return self._inbox.acknowledge(batch, messages)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: QoS = QoS.AT_MOST_ONCE,
        retain: bool = False,
        expiry_s: int | None = None,
    ) -> bool:
        """Publish a message and return when it is done: written (QoS 0), PUBACK (1) or PUBCOMP (2).

        Waits for a connection and for a place within the broker's receive maximum as long as it takes; bound it with
        `asyncio.timeout`. A message that was written before the caller gave up cannot be taken back. What is
        unfinished when a connection breaks is sent again, as duplicate if the broker still has the session. If it has
        not, a QoS 2 message may arrive twice, as nobody can know whether it arrived.

        Args:
            topic: Without wildcards.
            payload: Any bytes.
            qos: Quality of service.
            retain: Whether the broker keeps it for later subscribers; an empty payload deletes what it keeps.
            expiry_s: After so many seconds the broker delivers it no more, counted from this call.

        Returns:
            False if the broker said that nobody subscribes to the topic, else True. Mosquitto says so for QoS 1
            only; a subscriber whose session is kept while it is away counts.

        Raises:
            NegativeAcknowledgement: The broker refused it.
            BrokerLimitExceeded: It is larger or asks for more than the broker accepts.
            MessageExpired: It expired before the broker had it.
            SessionClosed: The session ended first.
            ValueError: The topic is not valid.
        """
        return await self._outbox.publish(topic, payload, qos=qos, retain=retain, expiry_s=expiry_s)

    async def disconnect(self, *, with_will: bool = False, session_expiry_s: int | None = None) -> None:
        """End the session's use here; the broker keeps it for its expiry interval. Does nothing a second time.

        Args:
            with_will: Ask the broker to publish the will (reason code 0x04); else it forgets it (0x00).
            session_expiry_s: A new expiry interval; 0 makes the broker forget the session now.
        """
        self._end(SessionClosed("the session was closed"))
        if self._up and self._connection is not None:
            code = (
                DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
                if with_will
                else DisconnectReasonCode.NORMAL_DISCONNECTION
            )
            packet = DisconnectPacket(reason_code=code, session_expiry_interval=session_expiry_s)
            self._connection.write(packet.write())
            self._connection.close(self._ended)
            await self._connection.closed()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    # Connecting

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while self._ended is None:
            await asyncio.sleep(self._backoff.delay_s(failures))
            started = loop.time()
            try:
                reason = await self._connect_once()
            except (OSError, ValueError, MqttError) as error:
                reason = error if isinstance(error, MqttError) else ConnectionLost(str(error) or type(error).__name__)
                self.stats.connect_failures += 1
                failures += 1
            else:
                # A connection that breaks at once, again and again, is no better than none
                failures = 0 if loop.time() - started >= self._backoff.minimum_s else failures + 1
            self.last_error = str(reason)
            if self._ended is None:
                log.warning("mqtt %s: %s (%s)", self._endpoint, reason, self.client_id)

    async def _connect_once(self) -> MqttError:
        """Connect, stay until the connection ends, and say why it did.

        Raises:
            OSError: No connection (refused, no such host, TLS, timeout).
            MqttError: The broker did not accept it.
        """
        endpoint = self._endpoint
        connection = self._connection = Connection(
            self._packets_received, self._writable, self.stats, max_packet_size=self._max_packet_size
        )
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, endpoint.host, endpoint.port, ssl=endpoint.tls
                )
                connection.write(self._next_connect if self.stats.connects else self._first_connect)
                up = asyncio.ensure_future(self._up_or_ended.wait())
                await asyncio.wait((up, connection.lost), return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
            reason = await asyncio.shield(connection.lost)
            if not self._up:
                raise reason
        except TimeoutError:
            raise ConnectionLost(f"no answer from the broker within {endpoint.timeout_s:g} s") from None
        else:
            return reason
        finally:
            await connection.closed()
            self._left(connection)

    def _left(self, connection: Connection) -> None:
        """Clear what belongs to the connection that ended."""
        was_up, self._up, self._connection = self._up, False, None
        self._inbox.disconnected()
        self._outbox.disconnected()
        if self._ended is None:
            self._up_or_ended.clear()
        if was_up:
            self._tell(Disconnected(self.stats.connects, connection.lost.result()))

    def _accepted(self, connection: Connection, packet: Packet) -> bool:
        """Handle the first packet, which is the broker's CONNACK, and return whether it accepts."""
        if type(packet) is not ConnAckPacket:
            raise ProtocolError(f"{type(packet).__name__} instead of CONNACK")
        if packet.reason_code is not ConnAckReasonCode.SUCCESS:
            connection.fail(NegativeAcknowledgement("the connection", packet.reason_code, packet.reason_str))
            return False
        self.stats.connects += 1
        self._session_present = packet.session_present
        connection.keep_alive(self._keep_alive_s if packet.server_keep_alive is None else packet.server_keep_alive)
        # The first connection always subscribes: this process may want other topics than the one before it
        if self._subscriptions and (self.stats.connects == 1 or not packet.session_present):
            self._subscribe_id = self._outbox.next_packet_id()
            connection.write(SubscribePacket(self._subscribe_id, self._subscriptions).write())
        else:
            self._subscribe_id = 0
        self._inbox.connected(self.stats.connects, connection.write, session_present=packet.session_present)
        self._outbox.connected(connection.write, packet)
        if not self._subscribe_id:
            self._ready(connection)
        return True

    def _subscribed(self, connection: Connection, packet: SubAckPacket) -> None:
        if packet.packet_id != self._subscribe_id:
            raise ProtocolError("a SUBACK that nobody asked for")
        for subscription, code in zip(self._subscriptions, packet.reason_codes, strict=False):
            if int(code) >= REFUSED:
                refusal = NegativeAcknowledgement(
                    f"the subscription to {subscription.pattern}", code, packet.reason_str
                )
                connection.fail(refusal, DisconnectReasonCode.NORMAL_DISCONNECTION)
                return
        self._ready(connection)

    def _ready(self, connection: Connection) -> None:
        self._up = True
        self._up_or_ended.set()
        self.last_error = None
        self._inbox.ready(connection.pause_reading)
        self._tell(Connected(self.stats.connects, self._session_present))

    # What the connection tells

    def _packets_received(self, connection: Connection, packets: list[Packet], size: int) -> None:
        """Handle what one socket read gave."""
        if connection is not self._connection:
            return
        if self._inbox.connection_ended:
            accepted = self._accepted(connection, packets.pop(0))
            if not (accepted and packets):
                return
        for packet in self._inbox.receive(packets, size):
            self._control(connection, packet)

    def _writable(self, connection: Connection, writable: bool) -> None:
        """Stop or go on publishing."""
        if connection is self._connection:
            self._outbox.set_writable(writable)

    def _control(self, connection: Connection, packet: Packet) -> None:
        match packet:
            case PubAckPacket():
                self._outbox.acknowledged(packet)
            case PubRecPacket():
                self._outbox.received(packet)
            case PubCompPacket():
                self._outbox.completed(packet)
            case PubRelPacket():
                self._inbox.release(packet)
            case SubAckPacket():
                self._subscribed(connection, packet)
            case PingRespPacket():
                pass
            case DisconnectPacket():
                self._sent_away(connection, packet)
            case _:
                raise ProtocolError(f"{type(packet).__name__} is not for the broker to send")

    def _sent_away(self, connection: Connection, packet: DisconnectPacket) -> None:
        words = packet.reason_code.name.lower().replace("_", " ")
        reason: MqttError = ConnectionLost(f"the broker disconnected: {words} (0x{int(packet.reason_code):02x})")
        if packet.reason_code is DisconnectReasonCode.SESSION_TAKEN_OVER:
            reason = TakenOver(f"another connection uses the client id {self.client_id}")
            self._end(reason)
        connection.fail(reason)

    def _end(self, reason: SessionClosed) -> None:
        if self._ended is None:
            self._ended = reason
            self.last_error = str(reason)
            self._inbox.end(reason)
            self._outbox.close(reason)
            self._up_or_ended.set()

    def _tell(self, change: Change) -> None:
        if self._on_change is not None:
            try:
                self._on_change(change)
            except Exception:
                log.exception("mqtt: on_change failed")
