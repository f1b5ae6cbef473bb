"""Signed tokens: JWT, HS256. What they say is not believed for itself; :mod:`kaiser.gateway.admission` asks the log.

Access tokens are short-lived and speak for a session. Refresh tokens are good once; which one it is, is a number, so
that one which was used before can be told from one that never was. Device tokens open nothing: they only say that
somebody has logged in with this client before, who is then not held back for what strangers guess.
"""

import time
from collections import OrderedDict
from typing import Any, Final

import jwt
import msgspec

from kaiser.contracts.events.identity import Scope

ALGORITHM: Final = "HS256"
ISSUER: Final = "kaiser"
REFRESH: Final = "kaiser/refresh"
DEVICE: Final = "kaiser/device"
REMEMBERED: Final = 1024
"""Tokens that are not verified again: a client sends the same one with every request, and that costs it 0.1 ms each."""
DEVICE_EXPIRES_S: Final = 180 * 86_400


class Principal(msgspec.Struct, frozen=True):
    """Who is asking, as the log has it now.

    Attributes:
        user_id: ``key:`` and its id for a machine.
        username: ``key:`` and its name for a machine.
        role: Empty for a machine, which has scopes instead.
        expires_at: Unix seconds; for a key that is good for ever a time that nobody here sees.
        via: Session or key.
        zones: Zones that they are confined to; empty for none.
    """

    user_id: str
    username: str
    role: str
    expires_at: int
    via: str = ""
    scopes: frozenset[Scope] = frozenset()
    zones: frozenset[str] = frozenset()


class Claims(msgspec.Struct, frozen=True):
    """What an access token says.

    Attributes:
        seq: Sequence in IDENTITY that whoever judges it must have seen.
    """

    user_id: str
    username: str
    role: str
    session_id: str
    seq: int
    expires_at: int


class RefreshClaims(msgspec.Struct, frozen=True):
    """What a refresh token says."""

    user_id: str
    session_id: str
    generation: int
    seq: int


class InvalidTokenError(Exception):
    """The token is not ours, or not valid any more; the message may be shown."""


class Tokens:
    """Issues and reads tokens.

    Args:
        secret: Key of the signatures.
        expires_s: Seconds that an access token is good for.
        refresh_expires_s: Seconds that a session lasts.
    """

    def __init__(self, secret: str, *, expires_s: int, refresh_expires_s: int = 14 * 86_400) -> None:
        self.expires_s = expires_s
        self.refresh_expires_s = refresh_expires_s
        self._secret = secret
        self._read: OrderedDict[str, Claims] = OrderedDict()

    def issue(self, user_id: str, username: str, role: str, *, now_s: int, session_id: str = "", seq: int = 0) -> str:
        """An access token for a session of a user.

        Args:
            user_id: User.
            username: Their name, for whoever looks into the token.
            role: Their role, for the same.
            now_s: Unix seconds.
            session_id: Session.
            seq: Sequence of the session's last event.
        """
        claims = {"sub": user_id, "name": username, "role": role, "sid": session_id, "seq": seq}
        return self._signed(ISSUER, claims, now_s, now_s + self.expires_s)

    def issue_refresh(
        self, user_id: str, session_id: str, generation: int, *, seq: int, now_s: int, expires_at_s: int
    ) -> str:
        """The refresh token of a generation of a session, good until the session ends."""
        claims = {"sub": user_id, "sid": session_id, "gen": generation, "seq": seq}
        return self._signed(REFRESH, claims, now_s, expires_at_s)

    def issue_device(self, user_id: str, *, now_s: int) -> str:
        """A token that says that a user has logged in with a client."""
        return self._signed(DEVICE, {"sub": user_id}, now_s, now_s + DEVICE_EXPIRES_S)

    def read(self, token: str) -> Claims:
        """What an access token says.

        Raises:
            InvalidTokenError: It is not ours, was changed, or has expired.
        """
        claims = self._read.get(token)
        if claims is None or claims.expires_at <= time.time():
            found = self._verified(token, ISSUER, ["name", "role", "sid", "seq"])
            claims = Claims(found["sub"], found["name"], found["role"], found["sid"], found["seq"], found["exp"])
            self._read[token] = claims
            if len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
        return claims

    def read_refresh(self, token: str) -> RefreshClaims:
        """What a refresh token says; errors as :meth:`read`."""
        found = self._verified(token, REFRESH, ["sid", "gen", "seq"])
        return RefreshClaims(found["sub"], found["sid"], found["gen"], found["seq"])

    def read_device(self, token: str) -> str:
        """Whose client it is; errors as :meth:`read`."""
        return str(self._verified(token, DEVICE, [])["sub"])

    def _signed(self, issuer: str, claims: dict[str, Any], now_s: int, expires_at_s: int) -> str:
        whole = {"iss": issuer, **claims, "iat": now_s, "exp": expires_at_s}
        return jwt.encode(whole, self._secret, algorithm=ALGORITHM)

    def _verified(self, token: str, issuer: str, required: list[str]) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=issuer,
                # When it was issued is by the clock of another gateway, which may be ahead
                options={"require": ["iss", "sub", "exp", *required], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("the token has expired") from None
        except jwt.InvalidTokenError:
            raise InvalidTokenError("the token is not valid") from None
