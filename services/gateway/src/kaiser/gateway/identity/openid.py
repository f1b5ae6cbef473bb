"""OpenID Connect: lets a provider say who somebody is (Core 1.0, authorization code with PKCE, discovery).

Nothing is kept between the two requests of a login: what the second one needs is in a signed handle, which the frontend
keeps and no address ever holds. So any gateway finishes what another began.
"""

import asyncio
import base64
import hashlib
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

import jwt
import msgspec
import structlog

from kaiser.contracts.events.identity import Role
from kaiser.gateway.settings import OidcOptions

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""None of them with a secret that both sides know, which would let this one be taken for a key (RFC 8725, 3.1)."""
LEEWAY_S: Final = 30.0
GOOD_FOR_S: Final = 600
KNOWN_FOR_S: Final = 3600.0
TIMEOUT_S: Final = 5.0
LARGEST: Final = 1024 * 1024
AT_ONCE: Final = 4
HANDLE: Final = "kaiser/openid"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
ORDER: Final[tuple[Role, ...]] = ("admin", "engineer", "operator", "viewer")


class OpenIdError(Exception):
    """The provider does not say who it is, or cannot be asked; the message may be shown."""


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself (Discovery 1.0, section 3), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Begun(msgspec.Struct, frozen=True):
    """A login that has begun.

    Attributes:
        authorization_url: Where the browser goes.
        state: What comes back with it.
        handle: What finishes it.
    """

    authorization_url: str
    state: str
    handle: str


class Identified(msgspec.Struct, frozen=True):
    """Somebody, as the provider has them.

    Attributes:
        external: Issuer and subject, which no one else ever has.
        username: What they are called there, in lower case.
        role: The highest of their groups; None for none of those that have one.
    """

    external: str
    username: str
    role: Role | None


class _Tokens(msgspec.Struct):
    id_token: str


_decode_metadata = msgspec.json.Decoder(Metadata).decode
_decode_tokens = msgspec.json.Decoder(_Tokens).decode


def role_of(groups: object, roles: str) -> Role | None:
    """The highest role of some groups. Pure.

    Args:
        groups: The claim, which may be a name, names, or nothing.
        roles: ``GROUP=ROLE,…`` of the settings.
    """
    named = {groups} if isinstance(groups, str) else set(groups) if isinstance(groups, list) else set()
    pairs = [pair.partition("=") for pair in roles.split(",")]
    mine = {role.strip() for group, _, role in pairs if group.strip() in named}
    return next((role for role in ORDER if role in mine), None)


def fault(options: OidcOptions) -> str:
    """What is wrong with the settings of a provider, in words; empty where nothing is. Pure."""
    if not options.issuer:
        return ""
    if not options.redirect_url:
        return "KAISER_OIDC_REDIRECT_URL: is required with an issuer"
    roles = [pair.partition("=")[2].strip() for pair in options.roles.split(",")]
    if not set(roles) <= set(ORDER):
        return f"KAISER_OIDC_ROLES: is GROUP=ROLE,… with the roles {', '.join(reversed(ORDER))}"
    return ""


class OpenId:
    """Logins by one provider.

    Args:
        options: Which one, and who we are there.
        secret: Signs handles.
    """

    def __init__(self, options: OidcOptions, secret: str) -> None:
        self._options = options
        self._secret = secret
        self._metadata: tuple[float, Metadata, dict[str, Any]] | None = None
        self._asking = asyncio.Semaphore(AT_ONCE)

    @property
    def offered(self) -> bool:
        """Whether there is a provider."""
        return bool(self._options.issuer)

    async def begin(self) -> Begun:
        """Begin a login.

        Raises:
            OpenIdError: The provider cannot be asked.
        """
        metadata, _ = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": self._options.redirect_url,
            "scope": self._options.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        claims = {
            "iss": HANDLE,
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "exp": int(time.time()) + GOOD_FOR_S,
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        url = metadata.authorization_endpoint + joint + urllib.parse.urlencode(query)
        return Begun(url, state, jwt.encode(claims, self._secret, algorithm="HS256"))

    async def finish(self, code: str, state: str, handle: str) -> Identified:
        """Who has logged in.

        Raises:
            OpenIdError: The login is not the one that was begun, or the provider does not say who it is.
        """
        try:
            begun = jwt.decode(handle, self._secret, algorithms=["HS256"], issuer=HANDLE, options={"require": ["exp"]})
        except jwt.InvalidTokenError:
            raise OpenIdError("the login was not begun here, or too long ago; begin again") from None
        if not secrets.compare_digest(state.encode(), str(begun["state"]).encode()):
            raise OpenIdError("the answer of the provider belongs to another login")
        metadata, keys = await self._discovered()
        id_token = await self._redeemed(metadata, code, str(begun["verifier"]))
        if _key_id(id_token) not in keys:  # it has changed its keys since
            metadata, keys = await self._discovered(anew=True)
        return self._read(id_token, metadata, keys, str(begun["nonce"]))

    def _read(self, id_token: str, metadata: Metadata, keys: dict[str, Any], nonce: str) -> Identified:
        """Who an ID token is about (Core 1.0, 3.1.3.7)."""
        options = self._options
        try:
            key = keys.get(_key_id(id_token)) or (next(iter(keys.values())) if len(keys) == 1 else None)
            if key is None:
                raise OpenIdError("the provider signs with a key that it does not publish")
            claims = jwt.decode(
                id_token,
                key,
                algorithms=list(ALGORITHMS),
                audience=options.client_id,
                issuer=metadata.issuer,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.InvalidTokenError as error:
            log.warning("an ID token is not valid", reason=str(error))
            raise OpenIdError("what the provider says is not valid") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != options.client_id:
            raise OpenIdError("what the provider says is for another client")
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise OpenIdError("what the provider says belongs to another login")
        name = str(claims.get(options.username_claim) or claims["sub"]).lower()
        role = role_of(claims.get(options.roles_claim), options.roles)
        return Identified(f"{metadata.issuer}#{claims['sub']}", name, role)

    async def _redeemed(self, metadata: Metadata, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._options.redirect_url,
            "client_id": self._options.client_id,
            "code_verifier": verifier,
        }
        if self._options.client_secret:
            form["client_secret"] = self._options.client_secret
        body = await self._ask(metadata.token_endpoint, urllib.parse.urlencode(form).encode())
        try:
            return _decode_tokens(body).id_token
        except msgspec.MsgspecError:
            raise OpenIdError("the provider gave no ID token") from None

    async def _discovered(self, *, anew: bool = False) -> tuple[Metadata, dict[str, Any]]:
        """What the provider says of itself, and its keys by id."""
        now = time.monotonic()
        if self._metadata is not None and now - self._metadata[0] < KNOWN_FOR_S and not anew:
            return self._metadata[1], self._metadata[2]
        issuer = self._options.issuer.rstrip("/")
        try:
            metadata = _decode_metadata(await self._ask(f"{issuer}/.well-known/openid-configuration"))
            if metadata.issuer.rstrip("/") != issuer:
                raise OpenIdError("the provider says that it is another one")
            found = jwt.PyJWKSet.from_json((await self._ask(metadata.jwks_uri)).decode())
        except (msgspec.MsgspecError, UnicodeDecodeError, jwt.PyJWTError) as error:
            log.warning("the OpenID provider is not understood", reason=str(error))
            raise OpenIdError("the provider is not understood") from None
        keys = {str(each.key_id): each for each in found.keys if each.public_key_use in (None, "sig")}
        self._metadata = now, metadata, keys
        return metadata, keys

    async def _ask(self, url: str, body: bytes | None = None) -> bytes:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise OpenIdError("the provider has to be asked by https")
        async with self._asking:
            try:
                return await asyncio.to_thread(_fetch, url, body)
            except (OSError, ValueError) as error:
                log.warning("the OpenID provider does not answer", url=url, reason=str(error))
                raise OpenIdError("the provider does not answer, or refuses") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A provider says where its endpoints are; to be sent elsewhere might be to where anybody listens."""

    def redirect_request(self, *_: Any) -> None:
        """Go nowhere, which makes the redirect an error."""


_opener: Final = urllib.request.build_opener(_NoRedirects)


def _key_id(id_token: str) -> str:
    try:
        return str(jwt.get_unverified_header(id_token).get("kid"))
    except jwt.InvalidTokenError:
        raise OpenIdError("what the provider says is no token") from None


def _fetch(url: str, body: bytes | None) -> bytes:
    request = urllib.request.Request(url, body, {"Accept": "application/json"})  # noqa: S310 - https, as checked above
    with _opener.open(request, timeout=TIMEOUT_S) as answer:
        found: bytes = answer.read(LARGEST)
    return found
