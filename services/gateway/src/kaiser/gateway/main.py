"""Wires the gateway."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn

from kaiser.contracts.streams import DEADLETTER, IDENTITY, LOGIC, SAFETY
from kaiser.eventlog import EventLog, connect, ensure_streams, now_us
from kaiser.gateway import accounts as users
from kaiser.gateway import rulenames
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.admission import Admission
from kaiser.gateway.audit.recording import Recording
from kaiser.gateway.audit.trail import Trail
from kaiser.gateway.backfill import Backfill
from kaiser.gateway.consumers import LiveReaders
from kaiser.gateway.edge import origins
from kaiser.gateway.edge.deadlines import Deadlines
from kaiser.gateway.edge.front import Front
from kaiser.gateway.edge.protocol import PatientProtocol
from kaiser.gateway.hub import Hub
from kaiser.gateway.idempotency import Repeats
from kaiser.gateway.identity import openid
from kaiser.gateway.identity.failures import Failures
from kaiser.gateway.identity.first import ensure_first_admin, faults
from kaiser.gateway.identity.logins import Logins
from kaiser.gateway.identity.openid import OpenId
from kaiser.gateway.identity.passwords import Hashing
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.letters import Letters
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.outbox import Budget
from kaiser.gateway.pacing import Pacer
from kaiser.gateway.places import Places
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.sessions import Sessions
from kaiser.gateway.settings import GatewayOptions, GatewaySettings
from kaiser.gateway.settlements import Settlements
from kaiser.gateway.snapshots import Snapshots
from kaiser.gateway.sockets import Serving
from kaiser.gateway.tickets import Tickets
from kaiser.gateway.tokens import Tokens
from kaiser.gateway.web import Who, application
from kaiser.gateway.wire import WireProtocol
from kaiser.roster import Roster
from kaiser.service import CannotStartError, Frame, listen, run

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
    check_secrets(settings)
    # Before anything else, so that a port that is taken is known at once
    listening = listen(options.host, options.port, purpose="the API", variable="KAISER_GATEWAY_PORT")
    metrics = GatewayMetrics(frame.registry)
    async with await connect(nats.url, name="gateway", user=nats.user, password=nats.password) as event_log:
        frame.health.event_log(
            event_log,
            name="nats",
            whom=f"NATS at {nats.url}",
            meanwhile="nothing can be asked or ordered, and the live stream stands still",
        )
        await ensure_streams(event_log, (SAFETY, LOGIC, IDENTITY, DEADLETTER))
        who = await _identity(frame, event_log, settings)
        trail = Trail(event_log, metrics)
        frame.spawn("audit-reader", trail.follow())
        frame.spawn("audit-writer", trail.write())
        roster = Roster()
        frame.spawn("roster", roster.follow(event_log))
        places = Places(roster)
        frame.health.add("devices", places.finding)
        hub = Hub(metrics, places.zone_of, recent_bytes=options.recent_bytes)
        names = RuleNames()
        frame.spawn("rule-names", rulenames.follow(event_log, names))
        readers = LiveReaders(event_log, hub, metrics, names)
        for name, reading in readers.spawnable().items():
            frame.spawn(name, reading)
        frame.health.add("live", readers.finding)
        sessions = Sessions()
        who.accounts.watch(lambda: sessions.revoke(lambda principal: not who.admission.stands(principal)))
        serving = Serving(
            hub=hub,
            budget=Budget(options.buffers_bytes),
            pacer=Pacer(),
            readers=readers,
            backfill=Backfill(event_log, hub, names, most=options.resume_messages),
            snapshots=Snapshots(event_log, hub, places),
            places=places,
            admission=who.admission,
            tickets=Tickets(event_log),
            sessions=sessions,
            options=options,
            metrics=metrics,
        )
        repeats = Repeats(event_log, settings.jwt.secret)
        settlements = Settlements(event_log)
        frame.spawn("settlements", settlements.follow())
        app = application(
            event_log=event_log,
            who=who,
            metrics=metrics,
            names=names,
            serving=serving,
            repeats=repeats,
            letters=Letters(event_log, settlements),
        )
        frame.on_stop(trail.written)
        bounded = Front(Recording(Deadlines(app), trail), access_log=options.access_log)
        web = _web_server(bounded, options)
        frame.spawn("web", web.serve_on(listening))
        frame.on_stop(web.leave)
        frame.on_stop(sessions.drained)
        log.info("serving", host=options.host, port=options.port)
        await frame.until_stopped()


def check_secrets(settings: GatewaySettings) -> None:
    """Refuse to start with secrets that could be guessed, but for a demo, half a provider, and origins that are none.

    Raises:
        CannotStartError: There is one, and this is no demo; or the settings of the provider make no sense.
    """
    if words := openid.fault(settings.oidc):
        raise CannotStartError(words)
    if words := origins.fault(settings.gateway.origins):
        raise CannotStartError(words)
    found = faults(settings.jwt.secret, settings.admin.password)
    if found and not settings.gateway.demo:
        words = "; ".join([*found, "give a random one, such as 'openssl rand -hex 32' makes"])
        raise CannotStartError(words)
    if found:
        log.warning("secrets could be guessed, which is for demos only", faults=found)


async def _identity(frame: Frame, event_log: EventLog, settings: GatewaySettings) -> Who:
    """Users, sessions and keys as they are now, and followed from then on; with an admin where there was nobody."""
    jwt = settings.jwt
    tokens = Tokens(jwt.secret, expires_s=jwt.expires_s, refresh_expires_s=jwt.refresh_expires_s)
    accounts, hashing = Accounts(), Hashing()
    await users.load(event_log, accounts, sessions_since=now_us() - jwt.refresh_expires_s * 1_000_000)
    following = users.follower(event_log, accounts)
    frame.spawn("accounts", following.follow(accounts.take, asyncio.Event()))
    frame.health.add("identity", lambda: users.finding(following))
    identity, failures = Identity(event_log, accounts), Failures(event_log)
    await failures.listen()
    await ensure_first_admin(identity, accounts, hashing, settings.admin)
    return Who(
        accounts,
        identity,
        Logins(identity, accounts, tokens, hashing, failures),
        Admission(tokens, accounts),
        OpenId(settings.oidc, jwt.secret),
    )


def _web_server(app: object, options: GatewayOptions) -> WebServer:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # litestar's types of ASGI and uvicorn's are not the same names
        http=PatientProtocol,
        server_header=False,
        ws=WireProtocol,
        ws_max_size=256 * 1024,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,  # CPU for bytes that a local network has
        log_config=None,
        access_log=False,
        ssl_certfile=options.cert_file,
        ssl_keyfile=options.key_file,
        proxy_headers=bool(options.proxies),
        forwarded_allow_ips=options.proxies or None,
        lifespan="on",
        loop="none",
        limit_concurrency=2 * options.clients,
        timeout_graceful_shutdown=LEAVE_WITHIN_S,
    )
    return WebServer(config)


def main() -> None:
    """Run the gateway as a process."""
    run("gateway", GatewaySettings, serve)
