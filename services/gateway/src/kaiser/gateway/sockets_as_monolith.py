"""The live stream for clients of the monolith: its address, and one event a message (wire contract, section 14).

The same stream as ``/ws`` below: the same filters, the same zones, the same bounds, the same ends. What is other is how
it is said. A client of the monolith knows no cursors, so what it missed while it was away stays missed.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kaiser.contracts.live import Close
from kaiser.gateway.filters import Filters
from kaiser.gateway.sockets import KNOWN, Connection, Serving, Socket, Subscribe
from kaiser.gateway.tokens import Principal
from kaiser.gateway.wire import WireProtocol

PATH: Final = "/api/v1/ws/realtime/{client_id:str}"


class Event(msgspec.Struct, frozen=True):
    """An event as the monolith sends it; ``timestamp`` is unix seconds."""

    type: str
    timestamp: int
    data: msgspec.Raw


class _Of(msgspec.Struct, frozen=True):
    type: str
    time: int
    data: msgspec.Raw


class _Message(msgspec.Struct, frozen=True):
    type: str
    events: list[_Of] = []


_decode: Final = msgspec.json.Decoder(_Message).decode
_encode: Final = msgspec.json.Encoder().encode


class MonolithWire:
    """A wire that says each event in a message of its own, and nothing else but what was missed.

    Args:
        wire: Where messages go.
    """

    def __init__(self, wire: WireProtocol) -> None:
        self._wire = wire

    @property
    def on_writable(self) -> Callable[[], None] | None:
        """Called when there is room again."""
        return self._wire.on_writable

    @on_writable.setter
    def on_writable(self, call: Callable[[], None] | None) -> None:
        self._wire.on_writable = call

    @property
    def is_open(self) -> bool:
        """Whether a message can still be sent."""
        return self._wire.is_open

    @property
    def has_room(self) -> bool:
        """Whether the client takes what was written."""
        return self._wire.has_room

    def write_text(self, payload: bytes) -> None:
        """Send a message of ours in the monolith's words."""
        for message in translated(payload, now_s=int(time.time())):
            self._wire.write_text(message)

    def abort(self) -> None:
        """End the connection without a word."""
        self._wire.abort()


def translated(payload: bytes, *, now_s: int) -> list[bytes]:
    """What a message of ours is for a client of the monolith, which knows neither answers nor signs of life.

    Args:
        payload: The message.
        now_s: Unix seconds.
    """
    message = _decode(payload)
    if message.type == "missed":
        return [_encode(Event("missed", now_s, msgspec.Raw(payload)))]
    return [_encode(Event(event.type, event.time // 1_000_000, event.data)) for event in message.events]


class MonolithConnection(Connection):
    """Serves one socket of a client of the monolith.

    Args:
        socket: The socket, not yet accepted; its path has the client's id.
        serving: What it works with.
        known: Connections by user and client id; a second one with the same id takes the place of the first.
    """

    def __init__(self, socket: Socket, serving: Serving, known: "dict[tuple[str, str], MonolithConnection]") -> None:
        super().__init__(socket, serving)
        self._known = known

    def _on_wire(self, wire: WireProtocol) -> Any:  # has all that is used of one
        return MonolithWire(wire)

    async def _authenticate(self) -> Principal:
        """Who the client is, by the token or the ticket in its address."""
        if token := self._socket.query_params.get("token"):
            return await self._on.admission.admit(token)
        return await super()._authenticate()

    async def _serve(self) -> None:
        key = (self.principal.user_id, str(self._socket.path_params["client_id"]))
        if (before := self._known.get(key)) is not None:
            before.end(Close.TOO_MANY, "another connection has this id")
        self._known[key] = self
        try:
            await super()._subscribe(Subscribe())
            await super()._serve()
        finally:
            if self._known.get(key) is self:
                del self._known[key]

    async def _subscribe(self, wish: Subscribe) -> None:
        """Another filter. What it names that is none of ours never comes, as it may from the monolith either."""
        types = wish.filters.types & KNOWN
        if wish.filters.types and not types:
            await self._stop()
            return
        filters: Filters = msgspec.structs.replace(wish.filters, types=types)
        await super()._subscribe(Subscribe(filters=filters))
