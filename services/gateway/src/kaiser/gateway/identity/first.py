"""The first admin, and what a site may not start with."""

import os
import secrets
from pathlib import Path
from typing import Final

import structlog

from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import now_us
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.identity import passwords
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.identity.users import CreateUser
from kaiser.gateway.settings import AdminOptions

log = structlog.get_logger(__name__)

FIRST_ADMIN: Final = "admin"
FEWEST_DIFFERENT: Final = 12
GIVEN_AWAY: Final = ("changeme", "change-me", "change_me", "secret", "password", "kaiser", "default", "example")
"""What is in examples, and so in the lists of those who look for them."""


def secret_fault(secret: str) -> str:
    """What is wrong with the key of signatures, in words; empty where nothing is. Pure."""
    if len(set(secret)) < FEWEST_DIFFERENT:
        return f"it has fewer than {FEWEST_DIFFERENT} different characters"
    left = secret.lower()
    for word in GIVEN_AWAY:
        left = left.replace(word, "")
    if len(left) < len(secret) / 2:
        return "it is made of words that examples use"
    if any(secret == secret[:size] * (len(secret) // size) for size in range(1, len(secret) // 2 + 1)):
        return "it repeats itself"
    return ""


def faults(jwt_secret: str, admin_password: str | None) -> list[str]:
    """What is wrong with the secrets that a gateway starts with, each in words. Pure."""
    found = {
        "KAISER_JWT_SECRET": secret_fault(jwt_secret),
        "KAISER_ADMIN_PASSWORD": passwords.fault(admin_password, FIRST_ADMIN) if admin_password else "",
    }
    return [f"{name}: {fault}" for name, fault in found.items() if fault]


async def ensure_first_admin(
    identity: Identity, accounts: Accounts, hashing: passwords.Hashing, options: AdminOptions
) -> None:
    """Make the first admin where there is no user; of several gateways that try, one succeeds."""
    if accounts.everybody() or accounts.find(FIRST_ADMIN) is not None:
        return
    password = options.password or _generated(options.password_out)
    command = CreateUser(
        user_id=FIRST_ADMIN,
        username=FIRST_ADMIN,
        password_hash=await hashing.hash(password),
        role="admin",
        zones=frozenset(),
        by="setup",
        at=now_us(),
    )
    try:
        await identity.user(command)
    except Refusal:
        log.info("another gateway made the first admin")
        return
    log.info("made the first admin", username=FIRST_ADMIN)


def _generated(path: Path) -> str:
    """A new password, in a file before it is anybody's: a crash in between must not lock everyone out."""
    password = secrets.token_urlsafe(18)
    path.unlink(missing_ok=True)  # a file that is there might be readable by others
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    log.warning("made a password for the first admin", username=FIRST_ADMIN, password_file=str(path.absolute()))
    return password
