"""Whom a token or a key speaks for now: the signature is verified once, what the log says of it each time."""

import time
from typing import Final

from kaiser.gateway.accounts import Accounts
from kaiser.gateway.identity import keys
from kaiser.gateway.tokens import Claims, InvalidTokenError, Principal, Tokens

SEEN_WITHIN_S: Final = 3.0
"""A token of another gateway is a few milliseconds ahead of what is known here."""
NEVER: Final = 4_102_444_800
"""The year 2100, in unix seconds."""


class Admission:
    """Lets people and machines in.

    Args:
        tokens: Reads tokens.
        accounts: Users, sessions and keys as the log has them.
    """

    def __init__(self, tokens: Tokens, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def admit(self, given: str) -> Principal:
        """Whom a token or a key speaks for.

        Raises:
            InvalidTokenError: It is not ours, has expired, or was revoked.
        """
        if key_id := keys.id_of(given):
            key = self._accounts.key(key_id)
            if key is None or not keys.opens(key, given, now=time.time_ns() // 1000):
                raise InvalidTokenError("the key is not valid")
            return _machine(key)
        claims = self._tokens.read(given)
        if claims.seq > self._accounts.position:
            await self._accounts.reached(claims.seq, within_s=SEEN_WITHIN_S)
        return self._person(claims)

    def stands(self, principal: Principal) -> bool:
        """Whether somebody who was let in would still be, with the same rights."""
        if key_id := _key_id(principal):
            key = self._accounts.key(key_id)
            return key is not None and not key.revoked
        session, user = self._accounts.session(principal.via), self._accounts.user(principal.user_id)
        if session is None or user is None:
            return False
        return user.active and (user.role, user.zones) == (principal.role, principal.zones)

    def _person(self, claims: Claims) -> Principal:
        session, user = self._accounts.session(claims.session_id), self._accounts.user(claims.user_id)
        if session is None or user is None or not user.active or session.user_id != user.user_id:
            raise InvalidTokenError("the session has ended; log in again")
        return Principal(
            user.user_id, user.username, user.role, claims.expires_at, via=session.session_id, zones=user.zones
        )


def _machine(key: keys.Key) -> Principal:
    expires_at = key.expires_at // 1_000_000 or NEVER
    return Principal(
        f"key:{key.key_id}",
        f"key:{key.name}",
        "",
        expires_at,
        via=key.key_id,
        scopes=key.scopes,
        zones=key.zones,
    )


def _key_id(principal: Principal) -> str:
    return "" if principal.role else principal.via
