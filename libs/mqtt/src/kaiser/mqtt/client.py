"""The life of a session: connecting, answering what the broker sends, and connecting again."""

import asyncio
import logging

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingRespPacket,
    PubAckPacket,
    PubCompPacket,
    PubRecPacket,
    PubRelPacket,
    SubAckPacket,
    SubscribePacket,
    UnsubAckPacket,
    UnsubscribePacket,
)

from kaiser.mqtt.changes import Change, Connected, Disconnected
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
from kaiser.mqtt.inbox import Inbox
from kaiser.mqtt.outbox import Outbox
from kaiser.mqtt.settings import Settings
from kaiser.mqtt.stats import Stats

__all__ = ("Client",)

log = logging.getLogger(__name__)


class Client:
    """Keeps one session connected; `Session` is its public face, which says what the settings mean.

    Attributes:
        inbox: What is received.
        outbox: What is published.
        ended: Why the session is over; None while it is not.
        last_error: Why there is no connection or why the last one ended, in words.
    """

    def __init__(self, settings: Settings, inbox: Inbox, outbox: Outbox, stats: Stats) -> None:
        self._settings = settings
        self._stats = stats
        # State of the session
        self.inbox = inbox
        self.outbox = outbox
        self.ended: SessionClosed | None = None
        self.last_error: str | None = None
        self._task: asyncio.Task[None] | None = None
        # State of the connection
        self._connection: Connection | None = None
        self._up = False
        self._session_present = False
        self._subscriptions = settings.subscriptions
        self._subscribe_id = 0
        self._unsubscribe_id = 0
        self._unsubscribed = asyncio.Event()
        self._up_or_ended = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether there is a connection and the subscriptions are granted."""
        return self._up and self.ended is None

    def start(self) -> None:
        """Begin to connect.

        Raises:
            RuntimeError: It has been started before.
        """
        if self._task is not None:
            raise RuntimeError("a session is entered once; make a new one")
        self._task = asyncio.create_task(self._run(), name=f"mqtt[{self._settings.client_id}]")

    async def wait_up(self) -> None:
        """Return when connected; raises why the session is over, if it is."""
        await self._up_or_ended.wait()
        if self.ended is not None:
            raise self.ended

    async def unsubscribe(self) -> None:
        """Give the subscriptions up, over as many connections as it takes; raises why the session is over, if it is."""
        patterns = [subscription.pattern for subscription in self._subscriptions]
        while patterns and not self._unsubscribed.is_set():
            await self.wait_up()
            connection = self._connection
            assert connection is not None
            self._unsubscribe_id = self.outbox.next_packet_id()
            connection.write(UnsubscribePacket(self._unsubscribe_id, patterns).write())
            done = asyncio.ensure_future(self._unsubscribed.wait())
            await asyncio.wait((done, connection.lost), return_when=asyncio.FIRST_COMPLETED)
            done.cancel()
            await asyncio.sleep(0)  # a lost connection is cleared away before the next is waited for
        self._subscriptions = []

    async def stop(self, farewell: DisconnectPacket) -> None:
        """End the session's use here, telling the broker so if there is a connection; a no-op when it has ended."""
        self._end(SessionClosed("the session was closed"))
        if self._up and self._connection is not None:
            await self._connection.leave(farewell.write(), self.ended)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while self.ended is None:
            await asyncio.sleep(self._settings.backoff.delay_s(failures))
            started = loop.time()
            try:
                reason = await self._connect_once()
            except (OSError, ValueError, MqttError) as error:
                reason = error if isinstance(error, MqttError) else ConnectionLost(str(error) or type(error).__name__)
                self._stats.connect_failures += 1
                failures += 1
            else:
                # A connection that breaks at once, again and again, is no better than none
                failures = 0 if loop.time() - started >= self._settings.backoff.minimum_s else failures + 1
            self.last_error = str(reason)
            if self.ended is None:
                log.warning("mqtt %s: %s (%s)", self._settings.endpoint, reason, self._settings.client_id)

    async def _connect_once(self) -> MqttError:
        """Connect, stay until the connection ends, and say why it did.

        Raises:
            OSError: No connection (refused, no such host, TLS, timeout).
            MqttError: The broker did not accept it.
        """
        endpoint = self._settings.endpoint
        connection = self._connection = Connection(
            self._packets_received, self._writable, self._stats, max_packet_size=self._settings.max_packet_size
        )
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, endpoint.host, endpoint.port, ssl=endpoint.tls
                )
                connection.write(self._settings.connect if self._stats.connects else self._settings.first_connect)
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
        self.inbox.disconnected()
        self.outbox.disconnected()
        if self.ended is None:
            self._up_or_ended.clear()
        if was_up:
            self._tell(Disconnected(self._stats.connects, connection.lost.result()))

    def _accepted(self, connection: Connection, packet: Packet) -> bool:
        """Handle the first packet, which is the broker's CONNACK, and return whether it accepts."""
        if type(packet) is not ConnAckPacket:
            raise ProtocolError(f"{type(packet).__name__} instead of CONNACK")
        if packet.reason_code is not ConnAckReasonCode.SUCCESS:
            connection.fail(NegativeAcknowledgement("the connection", packet.reason_code, packet.reason_str))
            return False
        self._stats.connects += 1
        self._session_present = packet.session_present
        connection.keep_alive(
            self._settings.keep_alive_s if packet.server_keep_alive is None else packet.server_keep_alive
        )
        # The first connection always subscribes: this process may want other topics than the one before it
        if self._subscriptions and (self._stats.connects == 1 or not packet.session_present):
            self._subscribe_id = self.outbox.next_packet_id()
            connection.write(SubscribePacket(self._subscribe_id, self._subscriptions).write())
        else:
            self._subscribe_id = 0
        self.inbox.connected(self._stats.connects, connection.write, session_present=packet.session_present)
        self.outbox.connected(connection.write, packet)
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
        self.inbox.ready(connection.pause_reading)
        self._tell(Connected(self._stats.connects, self._session_present))

    # What the connection tells

    def _packets_received(self, connection: Connection, packets: list[Packet], size: int) -> None:
        """Handle what one socket read gave."""
        if connection is not self._connection:
            return
        if self.inbox.connection_ended:
            accepted = self._accepted(connection, packets.pop(0))
            if not (accepted and packets):
                return
        for packet in self.inbox.receive(packets, size):
            self._control(connection, packet)

    def _writable(self, connection: Connection, writable: bool) -> None:
        """Stop or go on publishing."""
        if connection is self._connection:
            self.outbox.set_writable(writable)

    def _control(self, connection: Connection, packet: Packet) -> None:
        match packet:
            case PubAckPacket():
                self.outbox.acknowledged(packet)
            case PubRecPacket():
                self.outbox.received(packet)
            case PubCompPacket():
                self.outbox.completed(packet)
            case PubRelPacket():
                self.inbox.release(packet)
            case SubAckPacket():
                self._subscribed(connection, packet)
            case UnsubAckPacket() if packet.packet_id == self._unsubscribe_id:
                self._unsubscribed.set()
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
            reason = TakenOver(f"another connection uses the client id {self._settings.client_id}")
            self._end(reason)
        connection.fail(reason)

    def _end(self, reason: SessionClosed) -> None:
        if self.ended is None:
            self.ended = reason
            self.last_error = str(reason)
            self.inbox.end(reason)
            self.outbox.close(reason)
            self._up_or_ended.set()

    def _tell(self, change: Change) -> None:
        if self._settings.on_change is not None:
            try:
                self._settings.on_change(change)
            except Exception:
                log.exception("mqtt: on_change failed")
