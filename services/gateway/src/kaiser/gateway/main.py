"""Wires the gateway."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn

from kaiser.contracts.streams import DEADLETTER, IDENTITY, LOGIC, SAFETY
from kaiser.eventlog import connect, ensure_streams
from kaiser.gateway import accounts as users
from kaiser.gateway import rulenames
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.backfill import Backfill
from kaiser.gateway.consumers import LiveReaders
from kaiser.gateway.hub import Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.pacing import Pacer
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.sessions import Sessions
from kaiser.gateway.settings import GatewayOptions, GatewaySettings
from kaiser.gateway.snapshots import Snapshots
from kaiser.gateway.sockets import Serving
from kaiser.gateway.tickets import Tickets
from kaiser.gateway.tokens import Tokens
from kaiser.gateway.web import application
from kaiser.gateway.wire import WireProtocol
from kaiser.roster import Roster
from kaiser.service import Frame, listen, run

log = structlog.get_logger(__name__)

LEAVE_WITHIN_S: Final = 3


class WebServer(uvicorn.Server):
    """uvicorn within the frame, which handles signals itself."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._left = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the frame."""
        yield

    async def serve_on(self, listening: socket.socket) -> None:
        """Serve until told to leave."""
        try:
            await self.serve(sockets=[listening])
        finally:
            self._left.set()

    async def leave(self) -> None:
        """Close connections (1012 to WebSocket clients, who come back) and return when the server has ended."""
        self.should_exit = True
        await self._left.wait()


async def serve(frame: Frame, settings: GatewaySettings) -> None:
    """Run one gateway until it is told to stop."""
    nats, options = settings.nats, settings.gateway
    # Before anything else, so that a port that is taken is known at once
    listening = listen(options.host, options.port, purpose="the API", variable="KAISER_GATEWAY_PORT")
    metrics = GatewayMetrics(frame.registry)
    async with await connect(nats.url, name="gateway", user=nats.user, password=nats.password) as event_log:
        frame.health.connected("nats", lambda: event_log.connected, whom=f"NATS at {nats.url}")
        await ensure_streams(event_log, (SAFETY, LOGIC, IDENTITY, DEADLETTER))
        accounts = Accounts()
        read_to = await users.load(event_log, accounts)
        await users.ensure_first_admin(event_log, accounts, settings.admin)
        frame.spawn("accounts", users.follow(event_log, accounts, after_seq=read_to))
        roster = Roster()
        frame.spawn("roster", roster.follow(event_log))
        hub = Hub(metrics, lambda esp_id: roster.get(esp_id).zone_id, recent_bytes=options.recent_bytes)
        names = RuleNames()
        frame.spawn("rule-names", rulenames.follow(event_log, names))
        readers = LiveReaders(event_log, hub, metrics, names)
        for name, reading in readers.spawnable().items():
            frame.spawn(name, reading)
        frame.health.add("live", readers.finding)
        tokens, sessions = Tokens(settings.jwt.secret, expires_s=settings.jwt.expires_s), Sessions()
        serving = Serving(
            hub=hub,
            pacer=Pacer(),
            readers=readers,
            backfill=Backfill(event_log, hub, names, most=options.resume_messages),
            snapshots=Snapshots(event_log, hub),
            tokens=tokens,
            tickets=Tickets(event_log),
            sessions=sessions,
            options=options,
            metrics=metrics,
        )
        app = application(
            event_log=event_log, accounts=accounts, tokens=tokens, metrics=metrics, names=names, serving=serving
        )
        web = _web_server(app, options)
        frame.spawn("web", web.serve_on(listening))
        frame.on_stop(web.leave)
        frame.on_stop(sessions.drained)
        log.info("serving", host=options.host, port=options.port)
        await frame.until_stopped()


def _web_server(app: object, options: GatewayOptions) -> WebServer:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # litestar's types of ASGI and uvicorn's are not the same names
        http="httptools",
        ws=WireProtocol,
        ws_max_size=256 * 1024,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,  # CPU for bytes that a local network has
        log_config=None,
        access_log=False,
        ssl_certfile=options.cert_file,
        ssl_keyfile=options.key_file,
        lifespan="on",
        loop="none",
        limit_concurrency=2 * options.clients,
        timeout_graceful_shutdown=LEAVE_WITHIN_S,
    )
    return WebServer(config)


def main() -> None:
    """Run the gateway as a process."""
    run("gateway", GatewaySettings, serve)
