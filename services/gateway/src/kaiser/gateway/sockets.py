"""One WebSocket client: who it is, what it wants, and frames as fast as it takes them."""

import asyncio
import contextlib
import time
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from kaiser.contracts import live
from kaiser.contracts.codes import Code
from kaiser.contracts.live import Authenticate, Close, Ping, Unsubscribe
from kaiser.gateway import positions
from kaiser.gateway.admission import Admission
from kaiser.gateway.api.authorisation import SOMEBODY, allows, may
from kaiser.gateway.backfill import Backfill
from kaiser.gateway.consumers import LiveReaders
from kaiser.gateway.events import SENSOR_DATA
from kaiser.gateway.filters import Filters
from kaiser.gateway.hub import Client, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.outbox import Budget
from kaiser.gateway.pacing import Pacer
from kaiser.gateway.places import Places
from kaiser.gateway.positions import NoCursorError
from kaiser.gateway.sending import Sender
from kaiser.gateway.sessions import Sessions
from kaiser.gateway.settings import GatewayOptions
from kaiser.gateway.showing import NAMES
from kaiser.gateway.snapshots import Snapshots
from kaiser.gateway.tickets import Tickets
from kaiser.gateway.tokens import InvalidTokenError, Principal
from kaiser.gateway.wire import EXTENSION, WireProtocol

log = structlog.get_logger(__name__)

AUTHENTICATE_WITHIN_S: Final = 5.0
CATCH_UP_WITHIN_S: Final = 10.0
"""How long a client waits for a gateway that is reading its way to what is live."""
BROKEN: Final = 1011
LONGEST_MESSAGE: Final = 64 * 1024
MESSAGES_PER_S: Final = 20.0
"""What a client may say for long; a burst of ten seconds of it is answered at once."""
RECONNECT_AFTER_S: Final = 1.0
CLOSE_WITHIN_S: Final = 2.0
KNOWN: Final = frozenset({SENSOR_DATA, *NAMES})
"""Event types that there are; a filter for another one would wait for ever."""

Socket = WebSocket[Any, Any, Any]  # litestar's user, auth and state, none of which is used


class Subscribe(live.Subscribe, frozen=True, omit_defaults=True, tag_field="action", tag="subscribe"):
    """What the client wants, with filters that can tell what is of them."""

    filters: Filters = Filters()


class Serving(NamedTuple):
    """What every connection works with.

    Attributes:
        hub: Where live events come from.
        budget: What may wait for all clients.
        pacer: Tells when frames are due.
        readers: Tells when the hub has caught up with the log.
        backfill: Reads what clients were away for.
        snapshots: Tells how things stand.
        admission: Knows whom tokens and keys speak for.
        tickets: Redeems tickets.
        places: Where devices are.
        sessions: Who is connected.
        options: Frame rate and limits.
        metrics: Where to count.
    """

    hub: Hub
    budget: Budget
    pacer: Pacer
    readers: LiveReaders
    backfill: Backfill
    snapshots: Snapshots
    admission: Admission
    tickets: Tickets
    places: Places
    sessions: Sessions
    options: GatewayOptions
    metrics: GatewayMetrics


Said = Authenticate | Subscribe | Unsubscribe | Ping

_decode = msgspec.json.Decoder(Said).decode


class NotUnderstoodError(Exception):
    """A message that is none; the words may be shown."""


def understood(text: str) -> Said:
    """What a client says. Pure.

    Raises:
        NotUnderstoodError: It makes no sense.
    """
    try:
        said: Said = _decode(text)
    except msgspec.MsgspecError as error:
        raise NotUnderstoodError(str(error)) from None
    except RecursionError:
        raise NotUnderstoodError("there is too much within each other") from None
    return said


class Connection:
    """Serves one socket from accept to close.

    Args:
        socket: The socket, not yet accepted.
        serving: What it works with.

    Attributes:
        principal: Who it is, once that is proved.
    """

    principal: Principal

    def __init__(self, socket: Socket, serving: Serving) -> None:
        self._socket = socket
        self._on = serving
        self._client = Client(serving.options.buffer_bytes, serving.budget)
        self._renewed = asyncio.Event()
        extensions: Any = socket.scope["extensions"]  # where litestar expects its own only
        self._wire = self._on_wire(extensions[EXTENSION])
        self._sender = Sender(
            self._wire, self._client, serving.pacer, hub=serving.hub, options=serving.options, metrics=serving.metrics
        )
        self._end: asyncio.Future[tuple[Close, str]] = asyncio.get_running_loop().create_future()
        self._catching_up: asyncio.Task[None] | None = None

    def _on_wire(self, wire: WireProtocol) -> WireProtocol:
        """The wire as this client speaks on it."""
        return wire

    async def serve(self) -> None:
        """Serve until either side closes, or the token expires."""
        with contextlib.suppress(WebSocketDisconnect), contextlib.closing(self._sender):
            await self._socket.accept()
            self._wire.on_writable = self._sender.flush
            if await self._is_one_too_many():
                return
            try:
                self.principal = self._socket.scope["user"] = await self._admitted()
                async with asyncio.timeout(CATCH_UP_WITHIN_S):
                    await self._on.readers.wait_caught_up()
            except InvalidTokenError as error:
                await self._socket.close(Close.NOT_AUTHENTICATED, str(error))
                return
            except TimeoutError:
                await self._socket.close(Close.NOT_READY, "the log is being read; come back in a moment")
                return
            if not await self._is_one_too_many():  # for many may have said who they are meanwhile
                await self._serve()

    async def _is_one_too_many(self) -> bool:
        """Whether there are as many clients as there may be; whoever comes then is told so."""
        if len(self._on.sessions) < self._on.options.clients:
            return False
        await self._socket.close(Close.TOO_MANY, "too many clients")
        return True

    def end(self, code: Close, reason: str) -> None:
        """Close the socket soon, and send nothing more."""
        if not self._end.done():
            self._end.set_result((code, reason))

    def say_goodbye(self) -> None:
        """Close the socket soon, for the gateway stops."""
        self.end(Close.RESTARTING, "the gateway stops; come back, elsewhere if you can")

    async def _serve(self) -> None:
        on = self._on
        on.sessions.add(self)
        on.metrics.clients.inc()
        parts = (self._listen(), self._expire())
        work: set[asyncio.Future[Any]] = {asyncio.create_task(part) for part in parts}
        try:
            if not on.admission.stands(self.principal):  # revoked between its proof and here
                self.end(Close.REVOKED, "logged out")
            await self._tell(self._authenticated())
            done, _ = await asyncio.wait({*work, self._end}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & work:
                if (error := task.exception()) and not isinstance(error, WebSocketDisconnect):
                    log.error("socket failed", user=self.principal.username, exc_info=error)
                    await self._socket.close(BROKEN, "something went wrong here; it is in the gateway's log")
                    return
            if self._end.done():
                await self._close(*self._end.result())
        finally:
            on.hub.halt(self._client)
            on.sessions.remove(self)
            on.metrics.clients.dec()
            if self._catching_up is not None:
                work.add(self._catching_up)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _close(self, code: Close, reason: str) -> None:
        if code == Close.RESTARTING:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT_AFTER_S):
                    await self._tell(live.Goodbye(RECONNECT_AFTER_S))
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._socket.close(code, reason)
        except TimeoutError:
            self._wire.abort()  # it takes nothing, not even that

    async def _admitted(self) -> Principal:
        """Who the client is, if they may hear anything: as of the route that gives tickets.

        Raises:
            InvalidTokenError: As :meth:`_authenticate`; or they may not.
        """
        found = await self._authenticate()
        if not allows(SOMEBODY, found):
            raise InvalidTokenError(f"needs the scope {SOMEBODY.scope}")
        return found

    async def _authenticate(self) -> Principal:
        """Who the client is, by its request's header or ticket, else by its first message.

        Raises:
            InvalidTokenError: It did not say, or what it said is not valid.
        """
        header = self._socket.headers.get("authorization", "")
        if header:
            return await self._on.admission.admit(header.removeprefix("Bearer "))
        if ticket := self._socket.query_params.get("ticket"):
            return await self._redeemed(ticket)
        try:
            async with asyncio.timeout(AUTHENTICATE_WITHIN_S):
                message = await self._socket.receive_data(mode="text")
        except TimeoutError:
            raise InvalidTokenError(f"no token within {AUTHENTICATE_WITHIN_S:.0f} s") from None
        with contextlib.suppress(NotUnderstoodError):
            first = understood(message)
            if isinstance(first, Authenticate):
                return await self._prove(first)
        raise InvalidTokenError('the first message is to be {"action":"authenticate","token":"…"}')

    async def _prove(self, said: Authenticate) -> Principal:
        """Who a token or a ticket speaks for."""
        return await (self._redeemed(said.ticket) if said.ticket else self._on.admission.admit(said.token))

    async def _redeemed(self, ticket: str) -> Principal:
        """Who a ticket speaks for, if the token that it was got with is good still."""
        principal = await self._on.tickets.redeem(ticket)
        if not self._on.admission.stands(principal):
            raise InvalidTokenError("the session has ended; log in again")
        return principal

    async def _listen(self) -> None:
        allowance, last = 10 * MESSAGES_PER_S, time.monotonic()
        while True:
            text = await self._socket.receive_data(mode="text")
            now = time.monotonic()
            allowance = min(10 * MESSAGES_PER_S, allowance + (now - last) * MESSAGES_PER_S) - 1
            last = now
            if allowance < 0:
                await asyncio.sleep(-allowance / MESSAGES_PER_S)
            if len(text) > LONGEST_MESSAGE:
                await self._problem(Code.PAYLOAD_TOO_LARGE, f"a message has at most {LONGEST_MESSAGE} characters")
                continue
            try:
                message = understood(text)
            except NotUnderstoodError as error:
                await self._problem(Code.INVALID_PAYLOAD_FORMAT, str(error))
                continue
            match message:
                case Subscribe():
                    await self._subscribe(message)
                case Unsubscribe():
                    await self._stop()
                    await self._tell(live.Unsubscribed())
                case Ping():
                    await self._tell(live.Pong(time.time_ns() // 1000))
                case Authenticate():
                    await self._renew(message)

    async def _subscribe(self, wish: Subscribe) -> None:
        filters = wish.filters if not self.principal.zones else wish.filters.confined(self.principal.zones)
        if filters is None:
            await self._problem(Code.OUTSIDE_ZONES, "you are confined to other zones")
            return
        if unknown := filters.types - KNOWN:
            words = f"no such event types: {', '.join(sorted(unknown))}; there are {', '.join(sorted(KNOWN))}"
            await self._problem(Code.INVALID_PAYLOAD_FORMAT, words)
            return
        if filters.pending and not may(self.principal, "engineer"):
            await self._problem(Code.DEVICE_STATE_FORBIDS, "pending devices are shown to those who may approve them")
            return
        try:
            before = positions.read(wish.cursor) if wish.cursor else {}
        except NoCursorError as error:
            await self._problem(Code.INVALID_PAYLOAD_FORMAT, str(error))
            return
        await self._stop()
        now = self._on.hub.positions()
        start = now | {stream: seq for stream, seq in before.items() if stream in now}
        await self._tell(live.Subscribed(filters, wish.delivery, positions.write(start)))
        self._catching_up = asyncio.create_task(self._catch_up(wish, filters, start))
        self._catching_up.add_done_callback(self._caught_up)

    async def _catch_up(self, wish: Subscribe, filters: Filters, start: dict[str, int]) -> None:
        if self.principal.zones:
            await self._on.places.known()
        if wish.snapshot:
            start = await self._on.snapshots.tell(filters, start, self._tell, resuming=bool(wish.cursor))
        self._on.hub.begin(self._client, filters, wish.delivery, start)
        await self._on.backfill.bring(self._client, filters, start)

    def _caught_up(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, WebSocketDisconnect):
            return
        log.error("catching up failed", user=self.principal.username, exc_info=error)
        self.end(Close.NOT_READY, "the log could not be read; come back with your last cursor")

    async def _stop(self) -> None:
        """Send nothing more of what was wanted before."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)
            self._catching_up = None
        self._on.hub.halt(self._client)

    async def _renew(self, said: Authenticate) -> None:
        """Go on with another token of the same user; a wrong one changes nothing."""
        try:
            renewed = await self._prove(said)
        except InvalidTokenError as error:
            await self._problem(Code.AUTHENTICATION_FAILED, str(error))
            return
        if renewed.user_id != self.principal.user_id:
            await self._problem(Code.AUTHENTICATION_FAILED, "the token is another user's")
            return
        self.principal = renewed
        self._renewed.set()
        await self._tell(self._authenticated())

    async def _expire(self) -> None:
        """End the connection when the token has expired, and no other came in time."""
        while (left_s := self.principal.expires_at - time.time()) > 0:
            self._renewed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._renewed.wait()
        self.end(Close.EXPIRED, "the token has expired")
        await asyncio.Future()

    def _authenticated(self) -> live.Authenticated:
        return live.Authenticated(self.principal.username, self.principal.expires_at)

    async def _tell(self, message: msgspec.Struct) -> None:
        await self._sender.tell(message)

    async def _problem(self, code: Code, detail: str) -> None:
        await self._tell(live.Problem(code, detail))
