"""The session: one persistent MQTT 5 session over as many connections as it takes."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

from mqtt5 import ConnectPacket, DisconnectPacket, DisconnectReasonCode, QoS, TopicFilter, Will

from kaiser.mqtt.changes import Change
from kaiser.mqtt.client import Client
from kaiser.mqtt.inbox import Batch, Inbox, Lull, Message
from kaiser.mqtt.outbox import Outbox
from kaiser.mqtt.settings import Backoff, Endpoint, Settings
from kaiser.mqtt.stats import Stats

__all__ = ("Session",)


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
        connect, first_connect = (
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
            )
            for clean in (False, clean_start)
        )
        settings = Settings(
            client_id=client_id,
            endpoint=Endpoint(host=host, port=port, tls=tls, timeout_s=connect_timeout_s),
            backoff=Backoff(minimum_s=reconnect_min_s, maximum_s=reconnect_max_s),
            first_connect=first_connect.write(),
            connect=connect.write(),
            keep_alive_s=keep_alive_s,
            max_packet_size=max_packet_size,
            subscriptions=list(subscriptions),
            on_change=on_change,
        )
        self.client_id = client_id
        self.stats = Stats()
        self._inbox = Inbox(self.stats, max_queued_messages=max_queued_messages, max_queued_bytes=max_queued_bytes)
        self._outbox = Outbox(self.stats)
        self._client = Client(settings, self._inbox, self._outbox, self.stats)

    async def __aenter__(self) -> Self:
        self._client.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect(with_will=kind is not None and issubclass(kind, Exception))
        self._inbox.discard()

    @property
    def connected(self) -> bool:
        """Whether there is a connection and the subscriptions are granted."""
        return self._client.up

    @property
    def last_error(self) -> str | None:
        """Why there is no connection, or why the last one ended, in words; None while connected."""
        return self._client.last_error

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
        await self._client.wait_up()

    def batches(self, lull: Lull | None = None) -> AsyncIterator[Batch]:
        """Iterate over received messages, as many at a time as are there.

        Whoever does not come back for more in time makes the session leave the socket unread; nothing is dropped.
        Messages of an ended connection are still handed out: QoS 1 and 2 will come again, QoS 0 will not.
        Ends after `disconnect()`, when the queue is empty. There is one consumer at a time.

        Args:
            lull: Messages that may wait a little for others; without it, none does.

        Raises:
            TakenOver: Another connection with the same client id took the session over.
        """
        return self._inbox.batches(lull)

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

    async def unsubscribe(self) -> None:
        """Give up the subscriptions and return when the broker has confirmed it (waits for a connection).

        What the broker had for this session by then still comes; nothing is added to it any more. It is the first
        step of ending a session for good without losing its share: unsubscribe, take and acknowledge what comes
        until nothing does, then `disconnect(session_expiry_s=0)`.

        Raises:
            SessionClosed: The session ended first.
        """
        await self._client.unsubscribe()

    async def disconnect(self, *, with_will: bool = False, session_expiry_s: int | None = None) -> None:
        """End the session's use here; the broker keeps it for its expiry interval. Does nothing a second time.

        Args:
            with_will: Ask the broker to publish the will (reason code 0x04); else it forgets it (0x00).
            session_expiry_s: A new expiry interval; 0 makes the broker forget the session now.
        """
        code = (
            DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
            if with_will
            else DisconnectReasonCode.NORMAL_DISCONNECTION
        )
        await self._client.stop(DisconnectPacket(reason_code=code, session_expiry_interval=session_expiry_s))
