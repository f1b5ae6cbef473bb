"""The HTTP side of health: ``/health/live``, ``/health/ready`` and ``/metrics``, as a bare ASGI application.

Three fixed answers need no framework, and a service's memory budget has no room for one.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry

from kaiser.service.health import Health
from kaiser.service.metrics import exposition

JSON = "application/json"


class Probes:
    """ASGI application over a service's health and metrics."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._registry = registry

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # the types of ASGI are dictionaries
        """Answer one request."""
        if scope["type"] != "http":
            return
        del receive
        status, content_type, body = self.answer(scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        match path:
            case "/health/live":
                return 200, JSON, b'{"live":true}'
            case "/health/ready":
                report = self._health.report()
                return (200 if report.ready else 503), JSON, msgspec.json.encode(report)
            case "/metrics":
                content_type, text = exposition(self._registry)
                return 200, content_type, text
            case _:
                return 404, JSON, b'{"code":"NOT_FOUND","detail":"try /health/live, /health/ready or /metrics"}'


class Server(uvicorn.Server):
    """uvicorn within a service, which handles signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the frame."""
        yield


def server(probes: Probes) -> Server:
    """A server that is not yet started; ``serve(sockets=...)`` runs it, ``should_exit`` ends it."""
    config = uvicorn.Config(
        probes,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        loop="none",
        timeout_graceful_shutdown=1,
    )
    return Server(config)
