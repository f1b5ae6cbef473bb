"""One MQTT 3.1.1 connection for the load generator: raw packets out, PUBACKs counted, and an outbox behind."""

import asyncio
import struct
from collections.abc import Callable
from typing import Final, cast

KEEP_ALIVE_S: Final = 60
RECONNECT_S: Final = 0.5
PACKET_IDS: Final = 65_535
_CONNACK: Final = 0x20
_PUBACK: Final = 0x40
DUP: Final = 0x08
_ALL_IDS: Final = [number.to_bytes(2, "big") for number in range(1, PACKET_IDS + 1)]


class Link(asyncio.Protocol):
    """One MQTT 3.1.1 connection that counts PUBACKs, and after a loss sends again what is missing, like an outbox."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        username: str | None,
        password: str | None,
        again: Callable[[], bytes],
    ) -> None:
        self.acked = 0
        self._host, self._port = host, port
        self._connect = connect_packet(client_id, username, password)
        self._again = again
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._up: asyncio.Future[None] | None = None
        self._established = False
        self._closing = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._pinging: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionError: The broker did not accept.
            TimeoutError: It did not answer within 10 s.
        """
        loop = asyncio.get_running_loop()
        self._up = loop.create_future()
        transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        try:
            async with asyncio.timeout(10):
                await self._up
        except (OSError, TimeoutError):
            # A connection that lingers would be taken over by the next one of the same client id, and end it
            transport.abort()
            raise

    def close(self) -> None:
        """Disconnect."""
        self._closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None:
            self._transport.write(b"\xe0\x00")
            self._transport.close()

    def write(self, packets: bytes) -> None:
        """Write packets, unless the connection is down; what is not acknowledged is written when it is up again."""
        if self._transport is not None and self._established:
            self._transport.write(packets)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        # uvloop's transports do not derive from asyncio's
        self._transport, self._rest = cast("asyncio.Transport", transport), b""
        self._transport.set_write_buffer_limits(high=64 * 2**20)
        self._transport.write(self._connect)
        self._ping()

    def listen(self) -> None:
        """Take what has come since the last time."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements: every packet of the broker is two bytes and a length of at most 127.

        Then wait for :meth:`listen`: the broker sends every acknowledgement by itself, and waking for each would cost
        more than all the rest.
        """
        if self._transport is not None and self._established:
            self._transport.pause_reading()
        if self._rest:
            data = self._rest + data
        # Almost always nothing but PUBACKs of four bytes
        if data[0] == _PUBACK and not len(data) % 4 and data[0::4].count(_PUBACK) * 4 == len(data):
            self._rest = b""
            self.acked += len(data) // 4
            return
        position = 0
        while position + 2 <= len(data) and position + 2 + data[position + 1] <= len(data):
            kind, length = data[position], data[position + 1]
            if kind == _PUBACK:
                self.acked += 1
            elif kind == _CONNACK:
                self._connected(data[position + 3])
            position += 2 + length
        self._rest = data[position:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again, unless this was wanted; an attempt that failed is repeated by whoever made it.

        Were it repeated here too, a broker that accepts and closes would see twice as many attempts each time.
        """
        del exc
        was_established, self._established, self._transport = self._established, False, None
        if self._up is not None and not self._up.done():
            self._up.set_exception(ConnectionError("the broker closed the connection"))
        if was_established and not self._closing:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    def _connected(self, code: int) -> None:
        assert self._up is not None
        if self._up.done():
            return
        if code:
            self._up.set_exception(ConnectionRefusedError(f"the broker refuses the connection, code {code}"))
            return
        self._up.set_result(None)
        self._established = True
        if self._transport is not None:
            self._transport.write(self._again())

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_S)
            try:
                await self.open()
            except (OSError, TimeoutError):
                continue
            return

    def _ping(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None and self._established:
            self._transport.write(b"\xc0\x00")
        self._pinging = asyncio.get_running_loop().call_later(KEEP_ALIVE_S / 2, self._ping)


def packet_ids(first: int, count: int) -> list[bytes]:
    """Packet ids of so many packets in a row, from a connection's ``first`` one."""
    start = first % PACKET_IDS
    return _ALL_IDS[start : start + count] + _ALL_IDS[: max(0, start + count - PACKET_IDS)]


def connect_packet(client_id: str, username: str | None, password: str | None) -> bytes:
    """The CONNECT packet of a clean session."""
    flags = 0x02 | (0x80 if username else 0) | (0x40 if password else 0)
    texts = [client_id, *(text for text in (username, password) if text)]
    body = b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, KEEP_ALIVE_S)
    body += b"".join(struct.pack(">H", len(text.encode())) + text.encode() for text in texts)
    return b"\x10" + variable_length(len(body)) + body


def variable_length(value: int) -> bytes:
    """MQTT's variable byte integer."""
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
