"""Users: decided together, for a name is one user's and somebody has to be left who looks after them. Pure."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import (
    PasswordSet,
    Role,
    SessionsEnded,
    UserChanged,
    UserCreated,
    UserEvent,
    UserRemoved,
)
from kaiser.contracts.refusals import Refusal

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
"""Lower case only: two names that look alike are one to people. No colon: ``key:`` stands before names of machines."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user as the events made it.

    Attributes:
        zones: Zones that the user is confined to; empty for none.
        created_at: Unix microseconds.
        external: Issuer and subject of whoever an OpenID provider says that it is; empty for whoever has a password.
    """

    user_id: str
    username: str
    password_hash: str
    role: Role
    zones: frozenset[str] = frozenset()
    disabled: bool = False
    removed: bool = False
    created_at: int = 0
    created_by: str = ""
    external: str = ""

    @property
    def active(self) -> bool:
        """Whether the user may log in."""
        return not (self.disabled or self.removed)


Users = Mapping[str, User]
"""All users that there ever were, by id."""

NONE: Final[Users] = {}


class CreateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Make an account."""

    user_id: str
    username: str
    password_hash: str
    role: Role
    zones: frozenset[str]
    by: str
    at: int
    external: str = ""


class ChangeUser(msgspec.Struct, frozen=True, kw_only=True):
    """Change what a user may do; None leaves it."""

    user_id: str
    by: str
    at: int
    role: Role | None = None
    zones: frozenset[str] | None = None
    disabled: bool | None = None


class SetPassword(msgspec.Struct, frozen=True, kw_only=True):
    """Give a user another password."""

    user_id: str
    password_hash: str
    by: str
    at: int


class EndSessions(msgspec.Struct, frozen=True, kw_only=True):
    """End every session of a user."""

    user_id: str
    by: str
    at: int


class RemoveUser(msgspec.Struct, frozen=True, kw_only=True):
    """Remove an account for good."""

    user_id: str
    by: str
    at: int


Command = CreateUser | ChangeUser | SetPassword | EndSessions | RemoveUser


def decide(users: Users, command: Command) -> list[UserEvent]:
    """What comes of a command; nothing where nothing has to happen.

    Raises:
        Refusal: USER_NOT_FOUND, USER_EXISTS, LAST_ADMIN, or INVALID_PAYLOAD_FORMAT for a name that is none.
    """
    if isinstance(command, CreateUser):
        return [_created(users, command)]
    user = users.get(command.user_id)
    if user is None or user.removed:
        raise Refusal(Code.USER_NOT_FOUND, f"there is no user {command.user_id}")
    match command:
        case ChangeUser():
            return _changed(users, user, command)
        case SetPassword(password_hash=password_hash, by=by, at=at):
            return [PasswordSet(user_id=user.user_id, password_hash=password_hash, by=by, at=at)]
        case EndSessions(by=by, at=at):
            return [SessionsEnded(user_id=user.user_id, by=by, at=at)]
        case RemoveUser(by=by, at=at):
            _keep_an_admin(users, user)
            return [UserRemoved(user_id=user.user_id, by=by, at=at)]


def evolve(users: Users, event: UserEvent) -> Users:
    """The users after an event; one of a user whom nobody made changes nothing."""
    user = users.get(event.user_id)
    if isinstance(event, UserCreated):
        return {**users, event.user_id: _made(event)}
    return users if user is None else {**users, event.user_id: _evolved(user, event)}


def ends_sessions(event: UserEvent) -> bool:
    """Whether no token of before is good after an event."""
    return isinstance(event, (PasswordSet, SessionsEnded, UserRemoved)) or (
        isinstance(event, UserChanged) and event.disabled
    )


def _created(users: Users, command: CreateUser) -> UserCreated:
    if not NAME.fullmatch(command.username):
        words = "a name is 1 to 63 lower-case letters, digits, '.', '_', '@' and '-', and begins with a letter or digit"
        raise Refusal(Code.INVALID_PAYLOAD_FORMAT, words, "username")
    if command.user_id in users or any(user.username == command.username for user in users.values()):
        raise Refusal(Code.USER_EXISTS, f"there is, or was, a user {command.username}", "username")
    return UserCreated(
        user_id=command.user_id,
        username=command.username,
        password_hash=command.password_hash,
        role=command.role,
        created_at=command.at,
        created_by=command.by,
        zones=sorted(command.zones),
        external=command.external,
    )


def _changed(users: Users, user: User, command: ChangeUser) -> list[UserEvent]:
    role = user.role if command.role is None else command.role
    zones = user.zones if command.zones is None else command.zones
    disabled = user.disabled if command.disabled is None else command.disabled
    if (role, zones, disabled) == (user.role, user.zones, user.disabled):
        return []
    if role != "admin" or disabled or zones:
        _keep_an_admin(users, user)
    changed = UserChanged(
        user_id=user.user_id, role=role, zones=sorted(zones), disabled=disabled, by=command.by, at=command.at
    )
    return [changed]


def _keep_an_admin(users: Users, leaving: User) -> None:
    """Refuse what would leave nobody who may look after users."""
    if not _looks_after_users(leaving):
        return
    if not any(_looks_after_users(user) for user in users.values() if user.user_id != leaving.user_id):
        raise Refusal(Code.LAST_ADMIN, f"{leaving.username} is the last admin; make another one first")


def _looks_after_users(user: User) -> bool:
    return user.role == "admin" and user.active and not user.zones


def _made(event: UserCreated) -> User:
    return User(
        user_id=event.user_id,
        username=event.username,
        password_hash=event.password_hash,
        role=event.role,
        zones=frozenset(event.zones),
        created_at=event.created_at,
        created_by=event.created_by,
        external=event.external,
    )


def _evolved(user: User, event: UserChanged | PasswordSet | SessionsEnded | UserRemoved) -> User:
    match event:
        case UserChanged(role=role, zones=zones, disabled=disabled):
            return msgspec.structs.replace(user, role=role, zones=frozenset(zones), disabled=disabled)
        case PasswordSet(password_hash=password_hash):
            return msgspec.structs.replace(user, password_hash=password_hash)
        case UserRemoved():
            return msgspec.structs.replace(user, removed=True)
        case SessionsEnded():
            return user
