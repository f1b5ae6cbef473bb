"""One WebSocket client: who it is, what it wants, and frames as fast as it takes them."""

import asyncio
import contextlib
import time
from typing import Any, Final, Literal

import msgspec
import structlog
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from kaiser.contracts.codes import Code
from kaiser.gateway.admission import Admission
from kaiser.gateway.api.authorisation import may
from kaiser.gateway.events import SENSOR_DATA, encode
from kaiser.gateway.filters import Filters
from kaiser.gateway.hub import Client, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.settings import GatewayOptions
from kaiser.gateway.showing import NAMES
from kaiser.gateway.tokens import InvalidTokenError, Principal

log = structlog.get_logger(__name__)

AUTHENTICATE_WITHIN_S: Final = 5.0
NOT_AUTHENTICATED: Final = 4001
"""Close code of the monolith for a missing, wrong or expired token."""
TOO_MANY: Final = 4008
BROKEN: Final = 1011
LONGEST_MESSAGE: Final = 64 * 1024
KNOWN: Final = frozenset({SENSOR_DATA, *NAMES})
"""Event types that there are; a filter for another one would wait for ever."""

Socket = WebSocket[Any, Any, Any]  # litestar's user, auth and state, none of which is used


class Authenticate(msgspec.Struct, frozen=True, tag_field="action", tag="authenticate"):
    """Says who the client is; the first message, unless an Authorization header said it."""

    token: str


class Subscribe(msgspec.Struct, frozen=True, tag_field="action", tag="subscribe"):
    """Says what the client wants; replaces what it wanted before."""

    filters: Filters = Filters()
    delivery: Literal["frames", "immediate"] = "frames"


class Unsubscribe(msgspec.Struct, frozen=True, tag_field="action", tag="unsubscribe"):
    """Says that the client wants nothing."""


class Ping(msgspec.Struct, frozen=True, tag_field="action", tag="ping"):
    """Asks for a sign of life."""


_decode = msgspec.json.Decoder(Authenticate | Subscribe | Unsubscribe | Ping).decode


class Connection:
    """Serves one socket from accept to close.

    Args:
        socket: The socket, not yet accepted.
        hub: Where the events come from.
        admission: Knows whom tokens speak for.
        options: Frame rate and limits.
        metrics: Where to count.
    """

    def __init__(
        self, socket: Socket, *, hub: Hub, admission: Admission, options: GatewayOptions, metrics: GatewayMetrics
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._admission = admission
        self._options = options
        self._metrics = metrics
        self._client = Client(options.buffer_bytes)
        self._principal: Principal | None = None
        self._renewed = asyncio.Event()

    async def serve(self) -> None:
        """Serve until either side closes, or the token expires."""
        await self._socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            principal = await self._authenticate()
            if principal is None:
                return
            if len(self._hub) >= self._options.clients:
                await self._socket.close(TOO_MANY, "too many clients")
                return
            await self._serve_as(principal)

    async def _serve_as(self, principal: Principal) -> None:
        self._hub.add(self._client)
        self._metrics.clients.inc()
        self._principal = principal
        expiring = asyncio.create_task(self._expire())
        work = [asyncio.create_task(self._listen()), asyncio.create_task(self._send()), expiring]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            if done == {expiring}:
                await self._socket.close(NOT_AUTHENTICATED, "the token has expired or was revoked")
            for task in done:
                if (error := task.exception()) and not isinstance(error, WebSocketDisconnect):
                    log.error("socket failed", user=principal.username, exc_info=error)
                    await self._socket.close(BROKEN, "something went wrong here; it is in the gateway's log")
        finally:
            self._hub.remove(self._client)
            self._metrics.clients.dec()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _authenticate(self) -> Principal | None:
        header = self._socket.headers.get("authorization", "")
        try:
            token = header.removeprefix("Bearer ") if header else await self._first_token()
            principal = await self._admission.admit(token)
        except (InvalidTokenError, TimeoutError) as error:
            await self._socket.close(NOT_AUTHENTICATED, str(error) or "no token within 5 s")
            return None
        await self._say({"type": "authenticated", "user": principal.username, "expires_at": principal.expires_at})
        return principal

    async def _first_token(self) -> str:
        async with asyncio.timeout(AUTHENTICATE_WITHIN_S):
            message = await self._socket.receive_data(mode="text")
        with contextlib.suppress(msgspec.MsgspecError):
            first = _decode(message)
            if isinstance(first, Authenticate):
                return first.token
        raise InvalidTokenError('the first message is to be {"action":"authenticate","token":"…"}')

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_data(mode="text")
            if len(text) > LONGEST_MESSAGE:
                await self._problem(Code.PAYLOAD_TOO_LARGE, f"a message has at most {LONGEST_MESSAGE} characters")
                continue
            try:
                message = _decode(text)
            except msgspec.MsgspecError as error:
                await self._problem(Code.INVALID_PAYLOAD_FORMAT, str(error))
                continue
            match message:
                case Subscribe(filters, _) if unknown := filters.types - KNOWN:
                    words = f"no such event types: {', '.join(sorted(unknown))}; there are {', '.join(sorted(KNOWN))}"
                    await self._problem(Code.INVALID_PAYLOAD_FORMAT, words)
                case Subscribe(filters, _) if filters.pending and not self._may_approve():
                    await self._problem(
                        Code.DEVICE_STATE_FORBIDS, "pending devices are shown to those who may approve them"
                    )
                case Subscribe(filters, delivery):
                    self._client.outbox.clear()
                    # The answer goes out before the first event that the new filter lets through
                    await self._say({"type": "subscribed", "filters": filters, "delivery": delivery})
                    self._client.immediate = delivery == "immediate"
                    self._client.filters = filters
                case Unsubscribe():
                    self._client.filters = None
                    await self._say({"type": "unsubscribed"})
                case Ping():
                    await self._say({"type": "pong", "time": time.time_ns() // 1000})
                case Authenticate(token):
                    await self._renew(token)

    def _may_approve(self) -> bool:
        return self._principal is not None and may(self._principal, "engineer")

    async def _renew(self, token: str) -> None:
        """Go on with another token of the same user; a wrong one changes nothing."""
        try:
            renewed = await self._admission.admit(token)
        except InvalidTokenError as error:
            await self._problem(Code.AUTHENTICATION_FAILED, str(error))
            return
        if self._principal is None or renewed.user_id != self._principal.user_id:
            await self._problem(Code.AUTHENTICATION_FAILED, "the token is another user's")
            return
        self._principal = renewed
        self._renewed.set()
        await self._say({"type": "authenticated", "user": renewed.username, "expires_at": renewed.expires_at})

    async def _expire(self) -> None:
        """Return when the token has expired and no other came in time, or when it was revoked."""
        assert self._principal is not None
        with self._admission.watching(self._renewed.set):
            while (left_s := self._principal.expires_at - time.time()) > 0 and self._admission.stands(self._principal):
                self._renewed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._renewed.wait()

    async def _send(self) -> None:
        """Frames as fast as the socket takes them; what comes meanwhile gathers in the outbox."""
        client, pause = self._client, 1.0 / self._options.frames_per_s
        loop = asyncio.get_running_loop()
        next_frame = 0.0
        while True:
            await client.news.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_frame):
                    await client.hurry.wait()
            client.news.clear()
            client.hurry.clear()
            next_frame = loop.time() + pause
            for message in client.outbox.take():
                await self._socket.send_data(message, mode="text", encoding="utf-8")
                self._metrics.frames.inc()

    async def _say(self, message: dict[str, Any]) -> None:  # of whatever types the message has
        await self._socket.send_data(encode(message), mode="text")

    async def _problem(self, code: Code, detail: str) -> None:
        await self._say({"type": "error", "code": code, "detail": detail})
