"""Logging in, refreshing and leaving: what the routes of ``auth`` do."""

import hashlib
import time
from typing import Final

import msgspec
import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import EndReason, Role, SessionEnded
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import new_id, now_us
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.identity import passwords, sessions
from kaiser.gateway.identity.failures import Failures
from kaiser.gateway.identity.openid import Identified
from kaiser.gateway.identity.passwords import BusyError, Hashing
from kaiser.gateway.identity.sessions import Session
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.identity.users import ChangeUser, CreateUser, SetPassword, User
from kaiser.gateway.throttle import Attempt
from kaiser.gateway.tokens import InvalidTokenError, Principal, Tokens

log = structlog.get_logger(__name__)

SEEN_WITHIN_S: Final = 3.0
PROVIDER: Final = "openid"
"""Who makes and changes accounts of whom a provider knows."""
MOST_SESSIONS: Final = 100
"""Of one user; the oldest ends for one more. A script that logs in for each request would fill the memory."""


class ThrottledError(Exception):
    """Too many failures; ``wait_s`` says how many seconds are left."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failed logins; wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Granted(msgspec.Struct, frozen=True):
    """Tokens of a session.

    Attributes:
        expires_in: Seconds that the access token is good for.
        refresh_expires_in: Seconds that the session has left.
        device: Token that says that the user has logged in with this client; empty where nobody logged in.
    """

    user: User
    session_id: str
    access: str
    refresh: str
    expires_in: int
    refresh_expires_in: int
    device: str = ""


class Logins:
    """Gives tokens, and takes them back.

    Args:
        identity: Decides.
        accounts: What the log has.
        tokens: Signs.
        hashing: Verifies passwords.
        failures: Knows who guesses, at whatever gateway.
    """

    def __init__(
        self, identity: Identity, accounts: Accounts, tokens: Tokens, hashing: Hashing, failures: Failures
    ) -> None:
        self._identity = identity
        self._accounts = accounts
        self._tokens = tokens
        self._hashing = hashing
        self._failures = failures

    async def log_in(self, username: str, password: str, *, address: str, device: str) -> Granted | None:
        """Tokens for a user name and a password; None where they are wrong.

        Args:
            username: As typed.
            password: As typed.
            address: Where from.
            device: Token of a login before; empty for none.

        Raises:
            ThrottledError: Who asks has to wait.
            BusyError: Too many are logging in.
            ProblemError: The log takes nothing.
        """
        user = self._accounts.find(username)
        seq = self._accounts.seq_of(user.user_id) if user else 0
        user = await self._verified(user, username, password, address=address, device=device)
        if user is None:
            return None
        return await self._start(user, seq, address)

    async def log_in_from_outside(self, somebody: Identified, role: Role, *, address: str) -> Granted | None:
        """Tokens for somebody whom a provider has identified; None where the account is disabled.

        The account is made at the first login. Its role follows the provider's.

        Raises:
            Refusal: USER_EXISTS: somebody else is called so here; LAST_ADMIN.
            ProblemError: The log takes nothing.
        """
        user = self._accounts.external(somebody.external)
        if user is None:
            await self._make(somebody, role)
            user = self._accounts.external(somebody.external)
        if user is None or not user.active:
            return None
        if user.role != role:
            await self._identity.user(ChangeUser(user_id=user.user_id, role=role, by=PROVIDER, at=now_us()))
            user = self._accounts.user(user.user_id) or user
        return await self._start(user, self._accounts.seq_of(user.user_id), address)

    async def refresh(self, refresh_token: str, *, address: str) -> Granted:
        """Other tokens for a refresh token, which is good this once.

        Raises:
            InvalidTokenError: It is not ours, or has expired, or its session has ended.
            Refusal: TOKEN_REUSED: it came before, and its session has ended with that; NOT_AUTHENTICATED: another
                gateway has just ended it.
            ProblemError: The log takes nothing.
        """
        claims = self._tokens.read_refresh(refresh_token)
        await self._accounts.reached(claims.seq, within_s=SEEN_WITHIN_S)
        session, user = self._accounts.session(claims.session_id), self._accounts.user(claims.user_id)
        if session is None or user is None or not user.active:
            raise InvalidTokenError("the session has ended; log in again")
        renew = sessions.Renew(generation=claims.generation, username=user.username, address=address, at=now_us())
        executed = await self._identity.session(claims.session_id, renew)
        if any(isinstance(event, SessionEnded) for event in executed.events):
            log.warning("a refresh token came twice", user=user.username, session=claims.session_id, address=address)
            raise Refusal(Code.TOKEN_REUSED, "this token was used before, so the session has ended; log in again")
        # A password that was changed meanwhile has ended the session, whatever was decided here
        if executed.state is None or self._accounts.session(claims.session_id) is None:
            raise InvalidTokenError("the session has ended; log in again")
        return self._granted(user, executed.state, executed.last_seq)

    async def end(self, session_id: str, *, by: str, reason: EndReason) -> None:
        """End a session; one that has ended is none to end.

        Raises:
            ProblemError: The log takes nothing.
        """
        await self._identity.session(session_id, sessions.End(reason=reason, by=by, at=now_us()))

    async def change_password(
        self, principal: Principal, current: str, new: str, *, address: str, device: str
    ) -> Granted | None:
        """Another password for whoever knows the one of now, which ends all their sessions; tokens of a new one.

        None where the one of now is wrong.

        Raises:
            ThrottledError: As :meth:`log_in`.
            BusyError: As :meth:`log_in`.
            Refusal: PASSWORD_WEAK.
            ProblemError: The log takes nothing.
        """
        user = await self._verified(
            self._accounts.user(principal.user_id), principal.username, current, address=address, device=device
        )
        if user is None:
            return None
        seq = await self.set_password(user, new, by=user.username)
        return await self._start(user, seq, address)

    async def set_password(self, user: User, new: str, *, by: str) -> int:
        """Give a user another password, which ends all their sessions; returns the event's sequence.

        Raises:
            BusyError: Too many are logging in.
            Refusal: PASSWORD_WEAK, USER_NOT_FOUND.
            ProblemError: The log takes nothing.
        """
        hashed = await self.hashed(new, user.username)
        executed = await self._identity.user(
            SetPassword(user_id=user.user_id, password_hash=hashed, by=by, at=now_us())
        )
        return executed.last_seq

    async def hashed(self, password: str, username: str) -> str:
        """The hash of a password that is good enough.

        Raises:
            Refusal: PASSWORD_WEAK.
            BusyError: Too many are logging in.
        """
        if words := passwords.fault(password, username):
            raise Refusal(Code.PASSWORD_WEAK, words, "password")
        return await self._hashing.hash(password)

    async def _make(self, somebody: Identified, role: Role) -> None:
        command = CreateUser(
            user_id=f"u{new_id()}",
            username=somebody.username,
            password_hash=passwords.NOBODY,
            role=role,
            zones=frozenset(),
            by=PROVIDER,
            at=now_us(),
            external=somebody.external,
        )
        try:
            await self._identity.user(command)
        except Refusal:
            if self._accounts.external(somebody.external) is None:  # else they have logged in twice at once
                raise

    async def _verified(
        self, user: User | None, username: str, password: str, *, address: str, device: str
    ) -> User | None:
        attempt = self._attempt(user, username, address, device)
        if wait := self._failures.wait_s(attempt):
            raise ThrottledError(wait)
        await self._failures.failed(attempt)  # until it is proved otherwise
        known_hash = user.password_hash if user else passwords.NOBODY
        try:
            right = await self._hashing.matches(known_hash, password)
        except BusyError:  # else who comes while others guess would be held back for their guesses
            await self._failures.unverified(attempt)
            raise
        if not right or user is None or not user.active:
            return None
        await self._failures.succeeded(attempt)
        return user

    def _attempt(self, user: User | None, username: str, address: str, device: str) -> Attempt:
        owner = ""
        if device and user is not None:
            try:
                owner = self._tokens.read_device(device)
            except InvalidTokenError:
                owner = ""
        mine = user is not None and owner == user.user_id
        known = user is not None and self._accounts.knows(user.user_id, address)
        return Attempt(
            username[:128], address, device=hashlib.sha256(device.encode()).hexdigest() if mine else "", known=known
        )

    async def _start(self, user: User, user_seq: int, address: str) -> Granted:
        now = now_us()
        for oldest in self._accounts.sessions_of(user.user_id)[: 1 - MOST_SESSIONS]:
            await self.end(oldest.session_id, by=user.username, reason="revoked")
        start = sessions.Start(
            session_id=new_id(),
            user_id=user.user_id,
            user_seq=user_seq,
            address=address,
            expires_at=now + self._tokens.refresh_expires_s * 1_000_000,
            at=now,
        )
        executed = await self._identity.session(start.session_id, start)
        assert executed.state is not None
        granted = self._granted(user, executed.state, executed.last_seq)
        return msgspec.structs.replace(granted, device=self._tokens.issue_device(user.user_id, now_s=int(time.time())))

    def _granted(self, user: User, session: Session, seq: int) -> Granted:
        now_s, expires_at_s = int(time.time()), session.expires_at // 1_000_000
        access = self._tokens.issue(
            user.user_id, user.username, user.role, now_s=now_s, session_id=session.session_id, seq=seq
        )
        refresh = self._tokens.issue_refresh(
            user.user_id, session.session_id, session.generation, seq=seq, now_s=now_s, expires_at_s=expires_at_s
        )
        return Granted(user, session.session_id, access, refresh, self._tokens.expires_s, max(0, expires_at_s - now_s))
