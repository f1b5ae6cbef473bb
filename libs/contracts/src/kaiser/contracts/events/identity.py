"""User accounts. Subject ``identity.user.{user}.{event}``, written by the gateway."""

from typing import ClassVar, Literal

import msgspec

Role = Literal["viewer", "operator", "engineer", "admin"]


class UserCreated(msgspec.Struct, frozen=True, kw_only=True):
    """An account was made.

    Attributes:
        user_id: Stable id, also the token of the subject.
        username: Name to log in with.
        password_hash: Argon2id hash in PHC string format, with its parameters and salt.
        role: What the user may do.
        created_at: Unix microseconds.
        created_by: User id of the author; ``setup`` for the first admin.
    """

    TYPE: ClassVar[str] = "io.kaiser.identity.user.created.v1"

    user_id: str
    username: str
    password_hash: str
    role: Role
    created_at: int
    created_by: str
