"""The connection of a service to the event log: waits for the server, and comes back for as long as it takes."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import nats.errors
import structlog
from nats.js import JetStreamContext

from kaiser.eventlog.answers import Expectation, PubAck
from kaiser.eventlog.envelope import Event
from kaiser.eventlog.errors import ConnectionClosed
from kaiser.eventlog.publish import Publisher
from kaiser.eventlog.room import Room
from kaiser.eventlog.troubles import Troubles
from kaiser.eventlog.wire import Wire

__all__ = ("EventLog", "connect")

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
RECONNECT_DELAY_S: Final = 0.2
CONNECT_TIMEOUT_S: Final = 2
PING_INTERVAL_S: Final = 5
"""A server that hangs without closing the connection is noticed after two to three of these."""
API_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 5

_log = structlog.get_logger(__name__)


class EventLog:
    """A connection to NATS with JetStream; made by :func:`connect`, closed by leaving its context.

    Attributes:
        nc: The NATS client, for requests and plain subscriptions.
        js: JetStream by nats-py, for what needs no speed.
        name: Name of the service, as the server's monitoring shows it.
        publisher: Writes events, and counts them.
        room: Streams that took no more lately.
        troubles: What JetStream does not do although NATS is there.
    """

    def __init__(self, nc: Wire, name: str) -> None:
        self.nc = nc
        self.js: JetStreamContext = nc.jetstream(timeout=API_TIMEOUT_S)
        self.name = name
        self.publisher = Publisher(self)
        self.room = Room()
        self.troubles = Troubles()
        self._connected = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now."""
        return bool(self.nc.is_connected)

    @property
    def silent_s(self) -> float:
        """Seconds since the server last answered a ping, of which there is one every five seconds; 0 without one."""
        return time.monotonic() - self.nc.heard_at if self.nc.is_connected else 0.0

    @property
    def closed(self) -> bool:
        """Whether the log was closed; there is no way back."""
        return bool(self.nc.is_closed)

    async def wait_connected(self) -> None:
        """Return as soon as there is a connection.

        Raises:
            ConnectionClosed: The log was closed.
        """
        if not self.nc.is_connected:
            await self._connected.wait()
        if self.nc.is_closed:
            raise ConnectionClosed("the connection to the event log is closed")

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every reconnect, until the returned function is called."""
        self._listeners.append(callback)

        def forget() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(callback)

        return forget

    async def publish(
        self, event: Event, *, expect: Expectation | None = None, timeout_s: float | None = None
    ) -> PubAck:
        """Store one event; see :meth:`Publisher.publish_all`."""
        expectations = None if expect is None else (expect,)
        return (await self.publisher.publish_all((event,), expect=expectations, timeout_s=timeout_s))[0]

    async def publish_all(
        self,
        events: Sequence[Event],
        *,
        expect: Sequence[Expectation | None] | None = None,
        ordered: bool = False,
        timeout_s: float | None = None,
    ) -> list[PubAck]:
        """Store many events; see :meth:`Publisher.publish_all`."""
        return await self.publisher.publish_all(events, expect=expect, ordered=ordered, timeout_s=timeout_s)

    async def close(self) -> None:
        """Send what was written, and close. Whoever waits for this log gets :class:`ConnectionClosed`."""
        if not self.nc.is_closed:
            if self.nc.is_connected:
                with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                    await self.nc.flush(timeout=CLOSE_TIMEOUT_S)
            await self.nc.close()
        self._connected.set()
        self._announce()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _reconnected(self) -> None:
        _log.info("event log is back", client=self.name)
        self.nc.heard_at = time.monotonic()
        self._connected.set()
        self._announce()

    async def _disconnected(self) -> None:
        if not self.nc.is_closed:
            self._connected.clear()
            _log.warning("event log is away, connecting again", client=self.name)

    def _announce(self) -> None:
        for listener in tuple(self._listeners):
            listener()


async def connect(
    url: str | Sequence[str],
    *,
    name: str,
    user: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> EventLog:
    """Connect to the event log, waiting for the server for as long as it takes.

    Args:
        url: One URL, several separated by commas, or a sequence of URLs (``nats://host:4222``) of one cluster.
        name: Name of the client, which the server's monitoring shows.
        user: User, unless the URL names one.
        password: Its password.
        tls: For a server that wants TLS.

    Returns:
        A log that reconnects by itself, for ever, and that the caller closes.
    """
    servers = url.split(",") if isinstance(url, str) else list(url)
    delay = FIRST_DELAY_S
    while True:
        nc = Wire()
        log = EventLog(nc, name)
        try:
            await nc.connect(
                servers=[server.strip() for server in servers],
                name=name,
                user=user,
                password=password,
                tls=tls,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_DELAY_S,  # type: ignore[arg-type]  # slept, so a float will do
                connect_timeout=CONNECT_TIMEOUT_S,
                ping_interval=PING_INTERVAL_S,
                error_cb=_errors(name),
                reconnected_cb=log._reconnected,  # noqa: SLF001
                disconnected_cb=log._disconnected,  # noqa: SLF001
            )
        except (OSError, nats.errors.Error, TimeoutError) as error:
            _log.warning("event log is not there yet, waiting", server=_without_password(servers), error=str(error))
            await nc.close()
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, LONGEST_DELAY_S)
            continue
        log._connected.set()  # noqa: SLF001
        nc.heard_at = time.monotonic()
        _log.info("event log connected", server=_without_password(servers))
        return log


def _errors(name: str) -> Callable[[Exception], Awaitable[None]]:
    """nats-py's error callback: said once as a line, not as a traceback; reconnecting is under way by itself."""

    async def on_error(error: Exception) -> None:
        _log.warning("event log connection", client=name, error=str(error) or type(error).__name__)

    return on_error


def _without_password(servers: Sequence[str]) -> str:
    return ",".join(server.rpartition("@")[2] for server in servers)
