"""One TCP connection to the broker: bytes in and out, keep-alive, and how it ended."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

from mqtt5 import DisconnectPacket, DisconnectReasonCode, Packet, PingReqPacket

from kaiser.mqtt.codec import Decoder
from kaiser.mqtt.errors import ConnectionLost, MqttError, ProtocolError
from kaiser.mqtt.stats import Stats

__all__ = ("Connection",)

log = logging.getLogger(__name__)

PINGREQ = PingReqPacket().write()
LARGEST_WRITE = 65_536
"""Bytes that are put together for one system call at most (one message may be larger)."""
CLOSING_TIMEOUT_S = 1.0
"""How long a broker may take to read a DISCONNECT packet, before the connection is broken off."""


class Connection(asyncio.Protocol):
    """A protocol rather than streams: no copy and no task switch between the socket and the decoder.

    Args:
        on_packets: Called with the packets that one socket read completed and its size in bytes. It may raise
            `ProtocolError` if the broker must not have sent one of them: the connection is dropped.
        on_writable: Called with False when the socket's buffer is full, and True when it is empty again.
        stats: Counters to keep.
        max_packet_size: The largest packet in bytes that is accepted from the broker.

    Attributes:
        lost: Done when the connection has ended; its result says why.
    """

    def __init__(
        self,
        on_packets: Callable[["Connection", list[Packet], int], None],
        on_writable: Callable[["Connection", bool], None],
        stats: Stats,
        *,
        max_packet_size: int | None,
    ) -> None:
        self._on_packets = on_packets
        self._on_writable = on_writable
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(max_packet_size)
        self._transport: asyncio.Transport | None = None
        self._reason: MqttError | None = None
        self.lost: asyncio.Future[MqttError] = self._loop.create_future()
        # Writing
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        # Keep-alive, times on the loop's clock in seconds
        self._paused = False
        self._keep_alive_s = 0.0
        self._last_received_at = self._last_sent_at = self._loop.time()
        self._pinged_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection, and TLS where it is used, is there."""
        # uvloop's transports are no subclasses of asyncio's: only the type checker can be told
        self._transport = cast("asyncio.Transport", transport)
        # Nagle's algorithm would hold a small PUBACK back until the broker has acknowledged the one before
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Decode what one socket read gave; never raises."""
        if self._reason is not None:
            return
        self._last_received_at = self._loop.time()
        self._stats.bytes_received += len(data)
        packets: list[Packet] = []
        malformed: ProtocolError | None = None
        try:
            self._decoder.feed(data, packets)
        except ProtocolError as error:
            malformed = error
        if packets:
            try:
                self._on_packets(self, packets, len(data))
            except ProtocolError as error:
                malformed = error
            except Exception as error:  # a fault of ours must cost the connection, not the process
                log.exception("mqtt: handling a packet failed")
                malformed = ProtocolError(f"handling a packet failed: {error}")
        if malformed is not None:
            self.fail(malformed)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, for whatever reason."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unsent.clear()
        if not self.lost.done():
            words = f"the connection broke: {exc}" if exc else "the broker closed the connection"
            self.lost.set_result(self._reason or ConnectionLost(words))

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._on_writable(self, False)

    def resume_writing(self) -> None:
        """The socket's buffer has been emptied."""
        self._on_writable(self, True)

    def write(self, wire: bytes) -> None:
        """Send bytes, together with what else is written in this turn of the event loop (one system call)."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(wire)
        self._unsent_bytes += len(wire)
        if self._unsent_bytes >= LARGEST_WRITE:  # only the transport can tell that the socket takes no more
            self._flush()

    def pause_reading(self, paused: bool) -> None:
        """Leave the socket unread, or go on reading."""
        if self._transport is None or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            # What came meanwhile was not seen, an answered PINGREQ included: the broker gets a new chance
            self._last_received_at = self._loop.time()
            self._pinged_at = None
            self._transport.resume_reading()

    def keep_alive(self, interval_s: float) -> None:
        """Begin to watch the connection; 0 switches keep-alive off (MQTT 5, 3.1.2.10)."""
        self._keep_alive_s = interval_s
        if interval_s:
            self._check_alive()

    def fail(self, reason: MqttError, code: DisconnectReasonCode | None = None) -> None:
        """Drop the connection because of what the broker did, telling it why where there is a code to tell."""
        if self._reason is None:
            self._reason = reason
            if isinstance(reason, ProtocolError):
                self._stats.protocol_errors += 1
                code = reason.reason_code
            if code is not None:
                self.write(DisconnectPacket(reason_code=code).write())
            self.close()

    async def leave(self, farewell: bytes, reason: MqttError | None) -> None:
        """Send a DISCONNECT and let the broker close: then it has read it, and whoever comes next finds it done."""
        self.write(farewell)
        self._flush()
        await asyncio.wait((self.lost,), timeout=CLOSING_TIMEOUT_S)
        self._reason = self._reason or reason
        await self.closed()

    def close(self) -> None:
        """Close when everything written is sent; a broker that does not take it is given a second."""
        self._flush()
        if self._transport is not None and not self.lost.done():
            self._transport.close()
            self._loop.call_later(CLOSING_TIMEOUT_S, self._transport.abort)

    async def closed(self) -> None:
        """Close, and return when the socket is closed."""
        self.close()
        if self._transport is not None:
            await asyncio.wait((self.lost,))

    def _flush(self) -> None:
        if not self._unsent:
            return
        wire = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._transport is not None and not self._transport.is_closing():
            self._last_sent_at = self._loop.time()
            self._stats.bytes_sent += len(wire)
            self._transport.write(wire)

    def _check_alive(self) -> None:
        """Ping when half the interval was silent; give up when nothing came for another half.

        A dead broker is so noticed after 1 to 1.25 intervals; the broker itself waits 1.5.
        """
        now, half = self._loop.time(), self._keep_alive_s / 2
        if self._pinged_at is not None and self._last_received_at >= self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is None:
            if now - min(self._last_received_at, self._last_sent_at) >= half:
                self.write(PINGREQ)
                self._pinged_at = now
        elif now - self._pinged_at >= half:
            if self._paused:  # an answer could not be seen, but the broker must go on hearing from us
                self._pinged_at = None
            else:
                reason = ConnectionLost(f"the broker was silent for {now - self._last_received_at:.1f} s")
                self.fail(reason, DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)
                return
        self._timer = self._loop.call_later(self._keep_alive_s / 8, self._check_alive)
