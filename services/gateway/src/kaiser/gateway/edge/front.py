"""The outermost layer: the request's id and trace, headers of every answer, and a line in the log for each request.

A line has the route and not the path, and nothing of headers, query or body: that is where tokens and tickets are.
"""

import contextlib
import re
import time
from typing import Any, Final

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from kaiser.eventlog import new_id, tracecontext
from kaiser.gateway.api.authorisation import PREFIX, methods_of
from kaiser.gateway.edge.limiting import TAKEN, headers
from kaiser.gateway.tokens import Principal
from kaiser.service import tracing

log = structlog.get_logger(__name__)

REQUEST_ID: Final = "request_id"
"""Where the state of a request has its id."""
HEADER: Final = "X-Request-ID"
TRACE_HEADER: Final = "X-Trace-ID"
GOOD_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""What is taken over from a client; anything else would be written into the log as it likes."""

SAID_BY_ALL: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
PAGES: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS: Final = f"{PAGES}; script-src 'self' 'unsafe-inline'"
"""The page of the documentation has its script in itself, and shows nothing that somebody else wrote."""
HSTS: Final = "max-age=31536000"


class Front:
    """The application, with what every request and answer has.

    Args:
        app: The application.
        access_log: Whether each request is a line in the log.
    """

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket."""
        if str(scope["type"]) == "lifespan":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _id_of(scope)
        scope.setdefault("state", {})[REQUEST_ID] = request_id
        status, sent = 0, 0

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, scope, request_id)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        with bound_contextvars(request_id=request_id), _traced(scope) as span:
            try:
                await self._app(scope, receive, watch)
            finally:
                if span is not None:
                    span.set(route=scope.get("path_template", ""), status=status, request_id=request_id)
                if self._access_log:
                    log.info("request", **_line(scope, status, sent, time.perf_counter() - began))


def _traced(scope: Any) -> contextlib.AbstractContextManager[tracing.Span | None]:  # litestar's scope is of two types
    """The request within its trace; a socket stays open for hours, and is none."""
    if scope["type"] != "http":
        return contextlib.nullcontext()
    given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
    return tracing.request(f"gateway {scope['method']}", given)


def _id_of(scope: Any) -> str:  # as above
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return str(given, "ascii") if GOOD_ID.fullmatch(given) else new_id()


def _dress(message: Any, scope: Any, request_id: str) -> None:  # as above
    message.setdefault("headers", [])
    answer = MutableScopeHeaders(message)
    path: str = scope["path"]
    answer[HEADER] = request_id
    if traceparent := tracecontext.current():
        answer[TRACE_HEADER] = tracecontext.ids(traceparent)[0]
    for name, value in SAID_BY_ALL.items():
        answer[name] = value
    if scope["scheme"] == "https":
        answer["Strict-Transport-Security"] = HSTS
    if path.startswith(PREFIX):
        answer["Content-Security-Policy"] = NOTHING
        answer.setdefault("Cache-Control", "no-store")
    else:
        answer["Content-Security-Policy"] = DOCS if path.startswith("/schema/") else PAGES
    if scope["method"] == "OPTIONS" and (methods := methods_of(scope.get("path_template", ""))):
        answer["Allow"] = methods  # litestar's has those of one of the path's handlers
    if (taken := scope["state"].get(TAKEN)) is not None:
        for name, value in headers(taken).items():
            answer[name] = value


def _line(scope: Any, status: int, sent: int, took_s: float) -> dict[str, Any]:  # as above
    principal, client = scope.get("user"), scope.get("client")
    return {
        "method": scope.get("method", "WEBSOCKET"),
        "route": scope.get("path_template", ""),
        "status": status,
        "duration_ms": round(took_s * 1000, 2),
        "bytes": sent,
        "user": principal.username if isinstance(principal, Principal) else "",
        "address": client[0] if client else "",
    }
