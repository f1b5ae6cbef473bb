"""Keys of machines: what they are good for, and how they look. Pure."""

import hashlib
import hmac
from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import KeyEvent, KeyIssued, KeyRevoked, Scope
from kaiser.contracts.refusals import Refusal

PREFIX: Final = "kaiser_"
"""What a key begins with, so that tools which look for leaked secrets find it."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the events made it.

    Attributes:
        digest: SHA-256 of the key in hex.
        zones: Zones that it is confined to; empty for none.
        expires_at: Unix microseconds; 0 for never.
    """

    key_id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    zones: frozenset[str]
    expires_at: int
    created_at: int
    created_by: str
    revoked: bool = False


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Give a machine a key."""

    key_id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    zones: frozenset[str]
    expires_at: int
    by: str
    at: int


class Revoke(msgspec.Struct, frozen=True, kw_only=True):
    """Make a key void."""

    by: str
    at: int


def text(key_id: str, secret: str) -> str:
    """A key as its machine sends it."""
    return f"{PREFIX}{key_id}_{secret}"


def id_of(given: str) -> str:
    """Id in a key; empty where it is none."""
    if not given.startswith(PREFIX):
        return ""
    return given.removeprefix(PREFIX).partition("_")[0]


def digest(given: str) -> str:
    """What is kept of a key. One round is enough: 256 random bits cannot be guessed, however fast."""
    return hashlib.sha256(given.encode()).hexdigest()


def opens(key: Key, given: str, *, now: int) -> bool:
    """Whether what was given is a key, and good at ``now``, unix microseconds."""
    alive = not key.revoked and (not key.expires_at or now < key.expires_at)
    return hmac.compare_digest(key.digest, digest(given)) and alive


def decide(key: Key | None, command: Issue | Revoke) -> list[KeyEvent]:
    """What comes of a command.

    Raises:
        Refusal: KEY_NOT_FOUND: there is no such key, or it was revoked.
    """
    if isinstance(command, Issue):
        return [
            KeyIssued(
                key_id=command.key_id,
                name=command.name,
                digest=command.digest,
                scopes=sorted(command.scopes),
                zones=sorted(command.zones),
                expires_at=command.expires_at,
                by=command.by,
                at=command.at,
            )
        ]
    if key is None or key.revoked:
        raise Refusal(Code.KEY_NOT_FOUND, "there is no such key, or it was revoked")
    return [KeyRevoked(key_id=key.key_id, by=command.by, at=command.at)]


def evolve(key: Key | None, event: KeyEvent) -> Key | None:
    """A key after an event."""
    if isinstance(event, KeyIssued):
        return Key(
            key_id=event.key_id,
            name=event.name,
            digest=event.digest,
            scopes=frozenset(event.scopes),
            zones=frozenset(event.zones),
            expires_at=event.expires_at,
            created_at=event.at,
            created_by=event.by,
        )
    return None if key is None else msgspec.structs.replace(key, revoked=True)
