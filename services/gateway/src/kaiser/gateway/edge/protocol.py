"""uvicorn's HTTP with bounds for those who take their time.

uvicorn itself waits for the head of a request, and for whoever does not read an answer, as long as they like, and keeps
as much of a head as somebody sends.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S: Final = 10.0
TAKEN_WITHIN_S: Final = 30.0
LARGEST_HEAD: Final = 64 * 1024
"""Bytes, besides what one read from the socket brings."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """One connection; it ends where nothing comes of it.

    Attributes:
        head_s: Seconds for the head of a request, from the connection or the first byte of it on.
        taken_s: Seconds that a client which is sent something may take nothing of it.
    """

    head_s = HEAD_WITHIN_S
    taken_s = TAKEN_WITHIN_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = False
        self._head_bytes = 0
        self._head_due: asyncio.TimerHandle | None = None
        self._take_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and go on waiting where it is no whole head yet."""
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._stop_timers()
            return
        self._head_bytes += len(data) if self._in_head else 0
        if self._head_bytes > LARGEST_HEAD:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Have the first byte of a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Have a request."""
        self._in_head, self._head_bytes = False, 0
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Give a client that does not read some time."""
        super().pause_writing()
        self._take_due = self.loop.call_later(self.taken_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        if self._take_due is not None:
            self._take_due.cancel()
            self._take_due = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End what nobody uses, though its last answer be not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(self.head_s, self.transport.abort)

    def _stop_timers(self) -> None:
        for due in (self._head_due, self._take_due):
            if due is not None:
                due.cancel()
        self._head_due = self._take_due = None
