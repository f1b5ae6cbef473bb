"""One subscription that outlives its connections."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from kaiser.client.login import NotAllowedError
from kaiser.contracts import live
from kaiser.contracts.live import Close, Filters, LiveEvent, Missed, SensorData, SnapshotPart

Credentials = Callable[[], Awaitable[str]]
"""Returns an access token; asked again before each connection, and before the token expires."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
ANSWER_WITHIN_S: Final = 15.0
SILENT_HEARTBEATS: Final = 3
FIRST_HEARTBEAT_S: Final = 15.0
"""How often the gateway gives a sign of life, until it has said so itself."""
RENEW_AT: Final = 0.8
"""Share of a token's time after which another one is asked for."""
SHORTEST_RENEWAL_S: Final = 1.0
LARGEST_MESSAGE: Final = 16 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(live.Heard)


class WishError(ValueError):
    """The gateway refuses the filters or the cursor; it says why."""


class Update(msgspec.Struct, frozen=True):
    """Something new, all or nothing.

    Attributes:
        events: Events, in the order of each stream.
        missed: What will not come, and why.
        snapshot: How things stand, as they were asked for.
        complete: Whether that is all of the snapshot.
    """

    events: list[LiveEvent] = []
    missed: list[Missed] = []
    snapshot: SnapshotPart | None = None
    complete: bool = False


def sensor_data(event: LiveEvent) -> SensorData:
    """The reading that an event of type ``sensor_data`` tells.

    Raises:
        msgspec.ValidationError: It tells none.
    """
    return msgspec.convert(event.data, SensorData)


class LiveStream:
    """A subscription to the live stream.

    Args:
        url: Where the gateway is, such as ``https://kaiser.example``.
        credentials: Gives access tokens; or one token, for as long as that is good.
        filters: Which events.
        delivery: How they come.
        cursor: Where to go on; from now on without one.
        snapshot: Whether to begin with how things stand. After a disconnect, too, until it was complete.
        tls: How a ``https`` gateway is checked; by the system's certificates without it.

    Attributes:
        cursor: Where to go on with what :meth:`updates` has handed out so far; empty before the first connection.
        connections: How often it was connected.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | str,
        *,
        filters: Filters | None = None,
        delivery: live.Delivery = "frames",
        cursor: str = "",
        snapshot: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.cursor = cursor
        self.connections = 0
        parts = urlsplit(url)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        self._address = urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + live.PATH, "", ""))
        self._credentials = _always(credentials) if isinstance(credentials, str) else credentials
        self._filters = filters or Filters()
        self._delivery = delivery
        self._snapshot = snapshot
        self._tls = tls if scheme == "wss" else None
        self._silence_s = FIRST_HEARTBEAT_S * SILENT_HEARTBEATS
        self._renew_at = 0.0
        self._proved = False

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Everything as it comes, for ever; reconnects by itself. Iterate over one of these at a time.

        Whoever stops before the end closes it (:func:`contextlib.aclosing`), so that the connection ends with it.

        Raises:
            NotAllowedError: The gateway does not take the credentials, even fresh ones.
            WishError: It refuses the filters or the cursor.
        """
        pause, refused = FIRST_PAUSE_S, False
        while True:
            self._proved = False
            try:
                async with contextlib.aclosing(self._connected()) as updates:
                    async for update in updates:
                        pause, refused = FIRST_PAUSE_S, False
                        yield update
            except websockets.ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd is not None else 0
                if code in {Close.NOT_AUTHENTICATED, Close.REVOKED}:
                    if refused:
                        raise NotAllowedError(error.rcvd.reason if error.rcvd is not None else "") from error
                    refused = True
            except (OSError, TimeoutError, websockets.WebSocketException):
                pass  # it is away, and will be back
            if self._proved:  # though nothing came that was new
                pause, refused = FIRST_PAUSE_S, False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _connected(self) -> AsyncGenerator[Update, None]:
        """Everything that comes over one connection."""
        token = await self._credentials()
        async with websockets.connect(
            self._address, ssl=self._tls, max_size=LARGEST_MESSAGE, max_queue=4, compression=None
        ) as socket:
            await self._open(socket, token)
            self.connections += 1
            missed: list[Missed] = []
            while True:
                message = await self._next(socket)
                match message:
                    case live.Frame(events, cursor):
                        if events or missed:
                            # Moved before the events are handed out, for they are the receiver's from then on
                            self.cursor = cursor
                            yield Update(events=events, missed=missed)
                            missed = []
                        self.cursor = cursor
                    case Missed():
                        missed.append(message)  # a frame follows, whose cursor is behind it
                    case live.Heartbeat(_, every_s, cursor):
                        self._silence_s = every_s * SILENT_HEARTBEATS
                        self.cursor = cursor
                    case SnapshotPart():
                        yield Update(snapshot=message)
                    case live.SnapshotEnd(cursor):
                        self._snapshot = False
                        self.cursor = cursor
                        yield Update(complete=True)
                    case live.Authenticated():
                        self._expect_renewal(message)
                    case _:
                        pass

    async def _open(self, socket: ClientConnection, token: str) -> None:
        """Say who this is and what it wants, and wait until both are taken."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await socket.send(_encode(live.Authenticate(token=token)), text=True)
            answer = _decode(await socket.recv())
            if isinstance(answer, live.Authenticated):
                self._expect_renewal(answer)
            wish = live.Subscribe(self._filters, self._delivery, self.cursor, self._snapshot)
            await socket.send(_encode(wish), text=True)
            while not isinstance(answer, live.Subscribed | live.Problem):
                answer = _decode(await socket.recv())
        if isinstance(answer, live.Problem):
            raise WishError(f"{answer.code}: {answer.detail}")
        self._proved = True
        if not self._snapshot:
            self.cursor = answer.cursor

    async def _next(self, socket: ClientConnection) -> Any:  # one of what the gateway says
        """The next message; asks for another token when it is time to."""
        loop = asyncio.get_running_loop()
        silent_at = loop.time() + self._silence_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(silent_at, self._renew_at)):
                    return _decode(await socket.recv())
            if loop.time() >= silent_at:
                raise TimeoutError("the gateway says nothing any more")
            self._renew_at = loop.time() + ANSWER_WITHIN_S  # again, if it is not answered
            with contextlib.suppress(OSError):
                await socket.send(_encode(live.Authenticate(token=await self._credentials())), text=True)

    def _expect_renewal(self, answer: live.Authenticated) -> None:
        left_s = max(SHORTEST_RENEWAL_S, (answer.expires_at - time.time()) * RENEW_AT)
        self._renew_at = asyncio.get_running_loop().time() + left_s


def _decode(text: str | bytes) -> Any:  # one of what the gateway says
    """A message; None for one of a newer gateway, which an older client does without."""
    with contextlib.suppress(msgspec.ValidationError):
        return _decoder.decode(text)
    return None


def _always(token: str) -> Credentials:
    async def credentials() -> str:
        return token

    return credentials
