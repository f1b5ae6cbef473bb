"""A NATS client with a short way for hot paths.

nats-py parses the headers of each message into a dict, wraps it, queues it and wakes a task: about 30 µs a message on
one of our cores. A sink is called by the reader itself, with the bytes as they came. Likewise a write goes straight to
the socket, without the wake-up of the flusher task. Everything else is nats-py's own: protocol, reconnect, TLS, pings.

The private names that this module touches are those of nats-py 2.16; ``tests/unit/eventlog/test_wire.py`` names them,
so that an upgrade that moves one fails there and not in production.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

Sink = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply subject, payload and raw header block of each message; must not block or raise."""

PERMISSION_ERROR: Final = "permissions violation"
LAST_WORD_S: Final = 2

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Wire(Client):
    """nats-py's client with sinks and direct writes."""

    def __init__(self) -> None:
        super().__init__()
        self._sinks: dict[int, Sink] = {}
        self.heard_at = 0.0
        """When the server last answered a ping, or a connection began, by the monotonic clock."""

    async def open_sink(self, subject: str, sink: Sink) -> Subscription:
        """Subscribe ``subject``; its messages go to ``sink`` from within the reader, in order."""
        subscription = await self.subscribe(subject, cb=_never)
        self._sinks[subscription._id] = sink  # noqa: SLF001
        return subscription

    async def close_sink(self, subscription: Subscription) -> None:
        """End a subscription of :meth:`open_sink`; the sink still gets what the server had sent before it knew."""
        try:
            if not self.is_closed:
                await subscription.unsubscribe()
            if self.is_connected:
                with contextlib.suppress(errors.Error, TimeoutError, OSError):
                    await self.flush(timeout=LAST_WORD_S)
        finally:
            self._sinks.pop(subscription._id, None)  # noqa: SLF001

    async def request(self, *args: Any, **kwargs: Any) -> Msg:  # as nats-py calls it
        """Ask, and wait for the answer; JetStream's own calls come this way, too."""
        return await cancellable(super().request(*args, **kwargs))

    async def flush(self, *args: Any, **kwargs: Any) -> None:
        """Wait until the server has everything that was written."""
        await cancellable(super().flush(*args, **kwargs))

    def write(self, parts: Sequence[bytes]) -> None:
        """Put protocol commands on the socket, or keep them for the next connection while there is none."""
        if not parts:
            return
        if not self.is_connected or self._transport is None:
            self._pending.extend(parts)
            self._pending_data_size += sum(map(len, parts))
            return
        if self._pending:
            parts = (*self._pending, *parts)
            self._pending = []
            self._pending_data_size = 0
        try:
            self._transport.write(b"".join(parts))
        except (OSError, RuntimeError):
            # The socket is gone and the reader is about to notice (uvloop says so by RuntimeError). What was written
            # is lost, as it is in a socket's buffer: events are published again, acknowledgements make redeliveries.
            return

    async def written(self) -> None:
        """Wait until the socket has taken most of what was written; lost connections are not this one's business."""
        if self.is_connected and self._transport is not None:
            try:
                await self._transport.drain()  # type: ignore[no-untyped-call]
            except OSError:
                return

    async def _send_publish(self, *args: Any, **kwargs: Any) -> None:  # as nats-py calls it
        """Put a request or an answer on the socket at once, instead of when the flusher task has its turn."""
        await super()._send_publish(*args, **kwargs)
        if self._pending:
            self.write((b"",))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        sink = self._sinks.get(sid)
        if sink is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            sink(subject, reply, data, headers or b"")  # the parser hands over none for MSG
        except Exception:  # noqa: BLE001
            # An exception here would end nats-py's reader for good, with the connection looking healthy.
            _log.exception("nats message could not be taken", subject=subject.decode("utf-8", "replace"))

    async def _process_pong(self) -> None:
        """Step over whoever gave up waiting for this answer: nats-py would end its reader over the cancelled future."""
        self.heard_at = time.monotonic()
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _process_err(self, err_msg: str) -> None:
        """Connect again after whatever the server complained of; nats-py would close for good."""
        if PERMISSION_ERROR in err_msg or not self.is_connected:
            await super()._process_err(err_msg)
            return
        await self._process_op_err(errors.Error(f"nats: {err_msg}"))


async def cancellable(answer: Awaitable[T]) -> T:
    """Wait for what nats-py waits for by ``asyncio.wait_for``, and be cancelled where this is asked for meanwhile.

    On Python 3.11 that forgets a cancellation which comes together with the answer. Whoever has cancelled a task, and
    waits for its end, would then wait for ever: a leader that has lost the lease, say, or a reader that is closed.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    result = await answer
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


async def _never(message: Msg) -> None:
    """Stands where nats-py wants a callback; a message here would have missed its sink."""
    raise AssertionError(f"message on {message.subject} missed its sink")


def pub(subject: str, reply: str, payload: bytes) -> bytes:
    """The PUB command for a message without headers."""
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"


def hpub(subject: str, reply: str, headers: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """The parts of the HPUB command for a message with a header block; the payload is not copied."""
    head = f"HPUB {subject} {reply} {len(headers)} {len(headers) + len(payload)}\r\n".encode() + headers
    return head, payload, b"\r\n"
