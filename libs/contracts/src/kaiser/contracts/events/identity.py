"""Who may do what, who is logged in, and who did what. Subjects ``identity.…``, all written by the gateway.

Users are on ``identity.user.{user}.{event}``, sessions on ``identity.session.{session}.{event}``, keys of machines on
``identity.key.{key}.{event}``, and what was done on ``identity.audit.{user}``. Times are unix microseconds, 0 for
never. Passwords and keys are here as hashes only.
"""

from typing import ClassVar, Literal

import msgspec

Role = Literal["viewer", "operator", "engineer", "admin"]
"""Each may do what those before it may."""

Scope = Literal["read", "control", "stop", "configure", "rules", "audit"]
"""What the key of a machine is good for: reading, commands and alerts, emergency stops, devices and their limits,
rules, and the list of what was done."""

EndReason = Literal["logout", "reused", "revoked"]
"""Why a session ended: its user left, a refresh token came twice, somebody else ended it."""


class UserCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A user account was made.

    Attributes:
        user_id: Stable id, also the token of the subject.
        username: Name to log in with.
        password_hash: Argon2id hash in PHC string format, with its parameters and salt.
        role: What the user may do.
        created_at: Unix microseconds.
        created_by: User name of the author; ``setup`` for the first admin.
        zones: Zones that the user is confined to; empty for none.
        external: Issuer and subject of whoever an OpenID provider says that it is; empty for whoever has a password.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.user.created.v1"
    EVENT: ClassVar[str] = "created"

    user_id: str
    username: str
    password_hash: str
    role: Role
    created_at: int
    created_by: str
    zones: list[str] = []
    external: str = ""


class UserChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may do was changed. All of it is said, whatever changed.

    Attributes:
        zones: Zones that the user is confined to; empty for none.
        disabled: Whether the account is out of use for now, which ends every session of it.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.user.changed.v1"
    EVENT: ClassVar[str] = "changed"

    user_id: str
    role: Role
    zones: list[str]
    disabled: bool
    by: str
    at: int


class PasswordSet(msgspec.Struct, frozen=True, kw_only=True):
    """A user got another password, which ends every session of before."""

    TYPE: ClassVar[str] = "io.kaiser.identity.user.password_set.v1"
    EVENT: ClassVar[str] = "password_set"

    user_id: str
    password_hash: str
    by: str
    at: int


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Every session of a user was ended."""

    TYPE: ClassVar[str] = "io.kaiser.identity.user.sessions_ended.v1"
    EVENT: ClassVar[str] = "sessions_ended"

    user_id: str
    by: str
    at: int


class UserRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A user account was removed. Its name is nobody else's after that, for the log says what it did."""

    TYPE: ClassVar[str] = "io.kaiser.identity.user.removed.v1"
    EVENT: ClassVar[str] = "removed"

    user_id: str
    by: str
    at: int


UserEvent = UserCreated | UserChanged | PasswordSet | SessionsEnded | UserRemoved
USER_EVENTS: tuple[type[UserEvent], ...] = (UserCreated, UserChanged, PasswordSet, SessionsEnded, UserRemoved)


class SessionStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody logged in.

    Attributes:
        session_id: All tokens that come of this login, its family.
        user_seq: Sequence of the user's last event that the login was decided on: what was known of the password.
        address: Where from.
        expires_at: When the last refresh token of it is void.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.session.started.v1"
    EVENT: ClassVar[str] = "started"

    session_id: str
    user_id: str
    user_seq: int
    address: str
    expires_at: int
    at: int


class SessionRenewed(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token was taken and another one given.

    Attributes:
        generation: Number of the refresh token that is good from now on; the first one is 1.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.session.renewed.v1"
    EVENT: ClassVar[str] = "renewed"

    session_id: str
    generation: int
    address: str
    at: int


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A session is over: none of its tokens is good any more."""

    TYPE: ClassVar[str] = "io.kaiser.identity.session.ended.v1"
    EVENT: ClassVar[str] = "ended"

    session_id: str
    reason: EndReason
    by: str
    at: int


SessionEvent = SessionStarted | SessionRenewed | SessionEnded
SESSION_EVENTS: tuple[type[SessionEvent], ...] = (SessionStarted, SessionRenewed, SessionEnded)


class KeyIssued(msgspec.Struct, frozen=True, kw_only=True):
    """A machine got a key.

    Attributes:
        name: What it is for.
        digest: SHA-256 of the key in hex; a key is 256 random bits, which nobody guesses.
        scopes: What it is good for.
        zones: Zones that it is confined to; empty for none.
        expires_at: When it is void; 0 for never.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.key.issued.v1"
    EVENT: ClassVar[str] = "issued"

    key_id: str
    name: str
    digest: str
    scopes: list[Scope]
    zones: list[str]
    expires_at: int
    by: str
    at: int


class KeyRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """A machine's key is void."""

    TYPE: ClassVar[str] = "io.kaiser.identity.key.revoked.v1"
    EVENT: ClassVar[str] = "revoked"

    key_id: str
    by: str
    at: int


KeyEvent = KeyIssued | KeyRevoked
KEY_EVENTS: tuple[type[KeyEvent], ...] = (KeyIssued, KeyRevoked)


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked for a change, and this came of it.

    Attributes:
        number: Counts the entries from 1, without a gap.
        previous: Hash of the entry before; empty for the first.
        username: Who; ``key:`` and its name for a machine, what was typed for a login that failed.
        user_id: The same as a stable id; empty for a login that failed.
        via: Session or key that it was done by.
        address: Where from.
        method: HTTP method.
        path: Path that was asked for, without its query.
        route: The route that it is.
        status: HTTP status of the answer.
        code: Code of the problem; empty for none.
        subject: What it was about: the command, the stop, the user, as the answer names it.
        seq: Sequence of the event that came of it, as the answer says it; 0 for none.
        at: When the answer was made.
        hash: SHA-256 in hex of this entry with an empty hash, as JSON.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.audited.v1"
    EVENT: ClassVar[str] = "audited"

    number: int
    previous: str
    username: str
    user_id: str
    via: str
    address: str
    method: str
    path: str
    route: str
    status: int
    code: str
    subject: str
    seq: int
    at: int
    hash: str = ""
