"""uvicorn's WebSocket with a short way out: what goes to a thousand clients ten times a second passes no framework.

One frame through litestar and uvicorn takes 0.1 ms, and most of it is spent on what a text message does not need.
"""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

EXTENSION: Final = "kaiser.wire"
"""Where an application finds the protocol in its scope's extensions."""

PARSED_AT_ONCE: Final = 4096
"""Bytes. One read brings 256 KiB, which may be 40,000 frames of nothing: they would hold everybody up for 0.3 s."""
FRAMES_PER_S: Final = 60
"""Frames that a client may send for long; three times as many as it may say messages, for some are in parts."""
FRAMES_AT_ONCE: Final = 600
TAKEN_WITHIN_S: Final = 2.0
"""How long a connection that has ended may wait for its client to take what it was sent."""

_TEXT: Final = 0x81
"""A text frame that is the whole message; what a server sends is not masked (RFC 6455, 5.1)."""


class WireProtocol(WebSocketsSansIOProtocol):
    """One WebSocket.

    Attributes:
        on_writable: Called when there is room again after there was none.
    """

    on_writable: Callable[[], None] | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._frames_left = float(FRAMES_AT_ONCE)
        self._heard_at = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take what came, a little at a time, and hear no more of who says too much."""
        for begin in range(0, len(data), PARSED_AT_ONCE):
            if self.transport.is_closing():
                return
            super().data_received(data[begin : begin + PARSED_AT_ONCE])

    def handle_events(self) -> None:
        """Count what was parsed, and deal with it while that is not too much."""
        now = self.loop.time()
        filled = self._frames_left + (now - self._heard_at) * FRAMES_PER_S
        self._frames_left, self._heard_at = min(FRAMES_AT_ONCE, filled) - len(self.conn.events), now
        if self._frames_left >= 0:
            super().handle_events()
            return
        self.conn.fail(CloseCode.POLICY_VIOLATION, "too many frames")
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """End what makes no sense, or makes too much of it."""
        super().handle_parser_exception()
        self._hang_up()

    def handle_close(self, event: Frame) -> None:
        """End with a client that has said so."""
        super().handle_close(event)
        self._hang_up()

    def keepalive_timeout(self) -> None:
        """End with a client that gives no sign of life."""
        super().keepalive_timeout()
        self._hang_up()

    def _hang_up(self) -> None:
        """Wait for a client that takes nothing no longer than a moment: a transport that closes would wait for ever."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(TAKEN_WITHIN_S, self.transport.abort)

    def handle_connect(self, event: Request) -> None:
        """Leave the protocol where the application, whose task begins later, finds it."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)  # there is none where the handshake was refused
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def resume_writing(self) -> None:
        """Let who waits for room go on."""
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    @property
    def is_open(self) -> bool:
        """Whether a message can still be sent."""
        return self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())

    @property
    def has_room(self) -> bool:
        """Whether the client takes what was written."""
        return self.writable.is_set()

    def write_text(self, payload: bytes) -> None:
        """Send a text message at once, or as soon as the client takes it."""
        size = len(payload)
        if size < 126:
            head = bytes((_TEXT, size))
        elif size < 65_536:
            head = bytes((_TEXT, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((_TEXT, 127)) + size.to_bytes(8, "big")
        self.transport.write(head + payload)

    def abort(self) -> None:
        """End the connection without a word; for a client that takes none."""
        self.transport.abort()
