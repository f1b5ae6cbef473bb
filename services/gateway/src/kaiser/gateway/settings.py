"""Settings of the gateway, from the environment."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from kaiser.service import CommonSettings
from kaiser.service.settings import Port

MIB = 1024 * 1024


class GatewayOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_GATEWAY_…``.

    Attributes:
        host: Address to listen on.
        port: Port for REST and WebSocket.
        frames_per_s: Most frames a second to a WebSocket client that did not ask for immediate delivery.
        buffer_bytes: What may wait for one WebSocket client; what comes then is counted as missed.
        buffers_bytes: What may wait for all WebSocket clients together, before each may have a 64th of its own only.
        clients: WebSocket clients at most.
        heartbeat_s: Seconds without anything else to say after which a WebSocket client gets a sign of life.
        recent_bytes: What is kept in memory of each stream for clients that come back.
        resume_messages: Messages of one stream that a client which comes back gets from the log at most.
        cert_file: Certificate for HTTPS, with its chain; without it the API is plain HTTP, for a proxy in front.
        key_file: The certificate's key.
        proxies: Addresses of proxies that are believed for whom they ask (``X-Forwarded-For``), separated by commas.
        user_per_s: Requests a second that a user or a key may make for long, and ten times as many at once; 0 for any.
        address_per_s: The same of an address, whoever asks from there.
        body_bytes: What the body of a request may have at most.
        origins: Origins (``https://host``) whose pages may use the API in a browser, separated by commas.
        access_log: Whether each request is a line in the log.
        console: Folder that the console was built into; none is served without it.
        demo: Whether secrets that could be guessed are good enough.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    frames_per_s: Annotated[float, Meta(gt=0, le=100)] = 10.0
    buffer_bytes: Annotated[int, Meta(ge=64 * 1024, le=256 * MIB)] = 4 * MIB
    buffers_bytes: Annotated[int, Meta(ge=64 * 1024, le=64 * 1024 * MIB)] = 64 * MIB
    clients: Annotated[int, Meta(ge=1)] = 1000
    heartbeat_s: Annotated[float, Meta(ge=0.1, le=3600)] = 15.0
    recent_bytes: Annotated[int, Meta(ge=64 * 1024, le=1024 * MIB)] = 16 * MIB
    resume_messages: Annotated[int, Meta(ge=1, le=100_000_000)] = 500_000
    cert_file: Path | None = None
    key_file: Path | None = None
    proxies: str = ""
    user_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 100.0
    address_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 500.0
    body_bytes: Annotated[int, Meta(ge=1024, le=64 * MIB)] = MIB
    origins: str = ""
    access_log: bool = True
    console: Path | None = None
    demo: bool = False


class JwtOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_JWT_…``.

    Attributes:
        secret: Key of the signatures (HS256); whoever knows it can be anybody, so it has no default, and a shorter one
            than the hash could be guessed (RFC 7518, 3.2).
        expires_s: Seconds that an access token is good for.
        refresh_expires_s: Seconds from a login to the end of its session, however often it is refreshed.
    """

    secret: Annotated[str, Meta(min_length=32)]
    expires_s: Annotated[int, Meta(ge=60, le=86_400)] = 1800
    refresh_expires_s: Annotated[int, Meta(ge=600, le=90 * 86_400)] = 14 * 86_400


class OidcOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_OIDC_…``: a provider that says who somebody is; without an issuer there is none.

    Attributes:
        issuer: Its address, where it says the rest of itself below ``/.well-known/openid-configuration``.
        client_id: Who we are there.
        client_secret: Proves that; none for a public client.
        redirect_url: Where it sends the browser back to: a page of the frontend.
        scopes: What to ask it for.
        username_claim: What somebody is called here.
        roles_claim: Claim with groups.
        roles: ``GROUP=ROLE,…``; who is in none of them does not get in.
    """

    issuer: str = ""
    client_id: str = "kaiser"
    client_secret: str | None = None
    redirect_url: str = ""
    scopes: str = "openid profile email"
    username_claim: str = "preferred_username"
    roles_claim: str = "groups"
    roles: str = ""


class AdminOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_ADMIN_…``: the first admin, made when there is no user yet.

    Attributes:
        password: Its password; without one, one is made and written to ``password_out``.
        password_out: File for a password that was made.
    """

    password: Annotated[str, Meta(min_length=12)] | None = None
    password_out: Path = Path("kaiser-admin-password")


class GatewaySettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that the gateway reads from the environment."""

    gateway: GatewayOptions
    jwt: JwtOptions
    admin: AdminOptions
    oidc: OidcOptions
