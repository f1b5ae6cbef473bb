"""Keys of machines, for admins."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.exceptions import ValidationException
from litestar.params import Body

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import Scope
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import now_us
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.api.auth import NOT_STORED
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.paging import part
from kaiser.gateway.api.registry import By, Name, who_asks
from kaiser.gateway.api.sensors import Limit
from kaiser.gateway.api.users import Zones
from kaiser.gateway.api.views import PageView, instant
from kaiser.gateway.identity import keys as machine
from kaiser.gateway.identity.keys import Key
from kaiser.gateway.identity.storing import Identity


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key for a machine.

    Attributes:
        name: What it is for.
        scopes: What it is good for.
        zones: Zones to confine it to; empty for none.
        expires_at: When it is void; null for never.
    """

    name: Name
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=16)]
    zones: Zones = []
    expires_at: datetime | None = None


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without what opens."""

    key_id: str
    name: str
    scopes: list[Scope]
    zones: list[str]
    expires_at: datetime | None
    created_at: datetime
    created_by: str


class IssuedView(KeyView, frozen=True, kw_only=True):
    """A key that was just made.

    Attributes:
        key: What the machine sends as ``Authorization: Bearer …``; shown this once.
        seq: Sequence of its event in IDENTITY.
    """

    key: str
    seq: int


@get("/keys", tags=["keys"], summary="List keys")
async def keys(accounts: Accounts, limit: Limit = 100, cursor: str | None = None) -> PageView[KeyView]:
    """Keys that were not revoked, oldest first."""
    return part(accounts.machines(), _shown, by=_age, limit=limit, cursor=cursor)


@get("/keys/{key_id:str}", tags=["keys"], summary="Show a key", responses=refusals(Code.KEY_NOT_FOUND))
async def key(accounts: Accounts, key_id: str) -> KeyView:
    """One key, without what the machine sends."""
    found = accounts.key(key_id)
    if found is None or found.revoked:
        raise Refusal(Code.KEY_NOT_FOUND, f"there is no key {key_id}, or it was revoked")
    return _shown(found)


@post("/keys", status_code=201, tags=["keys"], summary="Make a key", responses=refusals(Code.SERVICE_ERROR))
async def issue(
    identity: Identity,
    request: By,
    data: Annotated[NewKey, Body(examples=[example("a nightly export", name="nightly export", scopes=["read"])])],
) -> Response[IssuedView]:
    """A key for a machine. It is in the answer, this once; only its hash is kept."""
    expires_at = _us(data.expires_at)
    key_id = secrets.token_hex(6)
    text = machine.text(key_id, secrets.token_urlsafe(32))
    asked = machine.Issue(
        key_id=key_id,
        name=data.name,
        digest=machine.digest(text),
        scopes=frozenset(data.scopes),
        zones=frozenset(data.zones),
        expires_at=expires_at,
        by=who_asks(request),
        at=now_us(),
    )
    executed = await identity.key(key_id, asked)
    assert executed.state is not None
    view = IssuedView(**_fields(executed.state), key=text, seq=executed.last_seq)
    return Response(view, headers=NOT_STORED, status_code=201)


@delete(
    "/keys/{key_id:str}",
    status_code=204,
    tags=["keys"],
    summary="Revoke a key",
    responses=refusals(Code.KEY_NOT_FOUND),
)
async def revoke(identity: Identity, request: By, key_id: str) -> None:
    """Make a key void, on every gateway."""
    await identity.key(key_id, machine.Revoke(by=who_asks(request), at=now_us()))


def _us(moment: datetime | None) -> int:
    if moment is None:
        return 0
    if moment.tzinfo is None or moment <= datetime.now(UTC):
        words = "a time to come, with its time zone, such as 2030-01-01T00:00:00Z"
        raise ValidationException("wrong time", extra=[{"message": words, "key": "expires_at"}])
    return int(moment.timestamp() * 1_000_000)


def _shown(key: Key) -> KeyView:
    return KeyView(**_fields(key))


def _age(key: Key) -> str:
    return f"{key.created_at:020} {key.key_id}"


def _fields(key: Key) -> dict[str, Any]:  # of whatever types the fields have
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "zones": sorted(key.zones),
        "expires_at": instant(key.expires_at) if key.expires_at else None,
        "created_at": instant(key.created_at),
        "created_by": key.created_by,
    }
