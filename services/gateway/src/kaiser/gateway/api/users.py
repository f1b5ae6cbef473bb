"""Users, for admins."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, patch, post, put
from litestar.exceptions import ValidationException
from litestar.params import Body

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import Role
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import new_id, now_us
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.api.auth import Typed
from kaiser.gateway.api.conditions import known
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.paging import part
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.sensors import Limit
from kaiser.gateway.api.views import PageView, instant
from kaiser.gateway.identity.logins import Logins
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.identity.users import ChangeUser, CreateUser, EndSessions, RemoveUser, User

USER: Final = "/users/{user_id:str}"
Zones = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]], msgspec.Meta(max_length=100)]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account.

    Attributes:
        zones: Zones to confine the user to; empty for none.
    """

    username: Annotated[str, msgspec.Meta(max_length=63)]
    password: Typed
    role: Role
    zones: Zones = []


class UserChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed of a user; only what is there is.

    Attributes:
        disabled: Whether the account is out of use for now.
    """

    role: Role | None = None
    zones: Zones | None = None
    disabled: bool | None = None


class PasswordGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A password that somebody else chose; the user had better change it."""

    password: Typed


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account.

    Attributes:
        sessions: How many logins are good now.
        seq: Sequence of its last event in IDENTITY.
    """

    user_id: str
    username: str
    role: Role
    zones: list[str]
    disabled: bool
    created_at: datetime
    created_by: str
    sessions: int
    seq: int


@get("/users", tags=["users"], summary="List users")
async def users(accounts: Accounts, limit: Limit = 100, cursor: str | None = None) -> PageView[AccountView]:
    """Users, by name."""
    found = accounts.everybody()
    return part(found, lambda one: _view(accounts, one), by=lambda one: one.username, limit=limit, cursor=cursor)


@get(USER, tags=["users"], summary="Show a user", responses=refusals(Code.USER_NOT_FOUND))
async def user(accounts: Accounts, user_id: str) -> AccountView:
    """One user."""
    return _view(accounts, _found(accounts, user_id))


@post(
    "/users",
    status_code=201,
    tags=["users"],
    summary="Make a user",
    responses=refusals(Code.USER_EXISTS, Code.PASSWORD_WEAK, Code.SERVICE_ERROR),
)
async def create(
    accounts: Accounts,
    identity: Identity,
    logins: Logins,
    request: By,
    data: Annotated[
        NewUser,
        Body(
            examples=[
                example(
                    "confined to a tent",
                    username="ada",
                    password="a sentence is easy to keep",  # noqa: S106 - an example
                    role="operator",
                    zones=["north_tent"],
                )
            ]
        ),
    ],
) -> AccountView:
    """An account. A name that was somebody's is not given again, for the log says what they did."""
    if accounts.find(data.username) is not None:  # before the work of hashing
        raise Refusal(Code.USER_EXISTS, f"there is, or was, a user {data.username}", "username")
    password_hash = await logins.hashed(data.password, data.username)
    command = CreateUser(
        user_id=f"u{new_id()}",
        username=data.username,
        password_hash=password_hash,
        role=data.role,
        zones=frozenset(data.zones),
        by=who_asks(request),
        at=now_us(),
    )
    await identity.user(command)
    return _view(accounts, _found(accounts, command.user_id))


@patch(
    USER,
    tags=["users"],
    summary="Change a user",
    responses=refusals(Code.USER_NOT_FOUND, Code.LAST_ADMIN, Code.STATE_CHANGED),
)
async def change(accounts: Accounts, identity: Identity, request: By, user_id: str, data: UserChanges) -> AccountView:
    """Another role, other zones, or out of use for now. It counts from the next request on, whatever tokens are out."""
    if data == UserChanges():
        words = "give a role, zones, or whether the account is disabled"
        raise ValidationException("nothing to change", extra=[{"message": words, "key": ""}])
    command = ChangeUser(
        user_id=user_id,
        by=who_asks(request),
        at=now_us(),
        role=data.role,
        zones=None if data.zones is None else frozenset(data.zones),
        disabled=data.disabled,
    )
    await identity.user(command, known_seq=known())
    return _view(accounts, _found(accounts, user_id))


@put(
    f"{USER}/password",
    status_code=204,
    tags=["users"],
    summary="Give a user another password",
    responses=refusals(Code.USER_NOT_FOUND, Code.PASSWORD_WEAK),
)
async def set_password(accounts: Accounts, logins: Logins, request: By, user_id: str, data: PasswordGiven) -> None:
    """Another password for somebody who has lost theirs; all of their sessions end."""
    await logins.set_password(_found(accounts, user_id), data.password, by=who_asks(request))


@delete(
    f"{USER}/sessions",
    status_code=204,
    tags=["users"],
    summary="Log a user out",
    responses=refusals(Code.USER_NOT_FOUND),
)
async def end_sessions(identity: Identity, request: By, user_id: str) -> None:
    """End every session of a user, on every gateway."""
    await identity.user(EndSessions(user_id=user_id, by=who_asks(request), at=now_us()))


@delete(
    USER,
    status_code=204,
    tags=["users"],
    summary="Remove a user",
    responses=refusals(Code.USER_NOT_FOUND, Code.LAST_ADMIN, Code.STATE_CHANGED),
)
async def remove(identity: Identity, request: By, user_id: str) -> None:
    """Remove an account for good, with its sessions. What the user did stays in the log, under their name."""
    await identity.user(RemoveUser(user_id=user_id, by=who_asks(request), at=now_us()), known_seq=known())


def _found(accounts: Accounts, user_id: str) -> User:
    found = accounts.user(user_id)
    if found is None:
        raise Refusal(Code.USER_NOT_FOUND, f"there is no user {user_id}")
    return found


def _view(accounts: Accounts, found: User) -> AccountView:
    return AccountView(
        user_id=found.user_id,
        username=found.username,
        role=found.role,
        zones=sorted(found.zones),
        disabled=found.disabled,
        created_at=instant(found.created_at),
        created_by=found.created_by,
        sessions=len(accounts.sessions_of(found.user_id)),
        seq=accounts.seq_of(found.user_id),
    )
