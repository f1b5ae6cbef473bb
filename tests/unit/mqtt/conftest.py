"""A broker that does exactly what a test tells it to: for what no real broker can be brought to do on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
from mqtt5 import ConnAckPacket, ConnectPacket, Packet, SubAckPacket, SubAckReasonCode, SubscribePacket, read

from kaiser.mqtt import Session

PATIENCE_S = 5.0
P = TypeVar("P")


class ScriptedBroker:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._buffer = b""

    async def receive(self) -> Packet:
        """The next packet, whatever it is.

        Raises:
            EOFError: The client closed the connection.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    packet, size = read(memoryview(self._buffer))
                except IndexError:
                    chunk = await self._reader.read(2**16)
                    if not chunk:
                        raise EOFError from None
                    self._buffer += chunk
                else:
                    self._buffer = self._buffer[size:]
                    return packet

    async def expect(self, kind: type[P]) -> P:
        packet = await self.receive()
        assert isinstance(packet, kind), f"{packet} instead of {kind.__name__}"
        return packet

    def send(self, *packets: Packet) -> None:
        self._writer.write(b"".join(packet.write() for packet in packets))

    def send_bytes(self, wire: bytes) -> None:
        self._writer.write(wire)

    async def welcome(self, connack: ConnAckPacket | None = None) -> ConnectPacket:
        """Accept the connection, and the subscriptions where the session is new."""
        connect = await self.expect(ConnectPacket)
        self.send(connack or ConnAckPacket())
        return connect

    async def grant(self) -> SubscribePacket:
        subscribe = await self.expect(SubscribePacket)
        granted = [SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE] * len(subscribe.topic_filters)
        self.send(SubAckPacket(subscribe.packet_id, granted))
        return subscribe

    def hang_up(self) -> None:
        self._writer.transport.abort()


class Listener:
    """Where the connections of one client arrive, one after the other."""

    def __init__(self) -> None:
        self._accepted: asyncio.Queue[ScriptedBroker] = asyncio.Queue()
        self._brokers: list[ScriptedBroker] = []
        self.port = 0

    async def serve(self, stack: AsyncExitStack) -> None:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            broker = ScriptedBroker(reader, writer)
            self._brokers.append(broker)
            self._accepted.put_nowait(broker)

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        stack.callback(server.close)
        stack.callback(self.hang_up)

    def hang_up(self) -> None:
        for broker in self._brokers:
            broker.hang_up()

    async def accept(self) -> ScriptedBroker:
        async with asyncio.timeout(PATIENCE_S):
            return await self._accepted.get()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with AsyncExitStack() as stack:
        listener = Listener()
        await listener.serve(stack)
        yield listener


@pytest.fixture
async def open_session(listener: Listener) -> AsyncIterator[Callable[..., Session]]:
    """Make a session with the scripted broker and start it; it is closed after the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> Session:
            session = Session(
                **{"host": "127.0.0.1", "port": listener.port, "client_id": "unit", "reconnect_min_s": 0.05, **settings}
            )
            return await stack.enter_async_context(session)

        yield start
        listener.hang_up()  # a session that leaves waits a second for the broker to close


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition that nothing announces."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    return wait
