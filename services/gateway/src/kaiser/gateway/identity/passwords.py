"""Passwords: which are good enough, and their hashes, made in threads and a few at a time."""

import asyncio
from typing import Final

import argon2

SHORTEST: Final = 12
LONGEST: Final = 128
"""A longer one is no better, and hashing a megabyte is work for an attacker to hand out."""
FEWEST_DIFFERENT: Final = 5

COMMON: Final = frozenset(
    {
        "123456789012",
        "administrator",
        "changeme1234",
        "correcthorsebatterystaple",
        "iloveyou1234",
        "kaiserkaiser",
        "letmein12345",
        "passw0rd1234",
        "password1234",
        "passwordpassword",
        "qwertyuiop123",
        "qwertzuiop123",
        "welcome12345",
    }
)
"""The few of the well-known ones that are long enough."""

# OWASP's profile for argon2id: 19 MiB, two passes, one lane; the library's own default of 64 MiB does not fit a service
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$4bbD+y6Tjlwcre/bUcM3/Q$qH8PXfKJb/XUnvefwx/8LVSWULvPfBNwa3KcF1K/9vU"
"""Hash of a password that nobody knows; verified for unknown names, so that they take as long as known ones."""

AT_ONCE: Final = 1
"""A hash keeps a core busy for 20 ms, with 19 MiB; what is in a thread leaves the other core to everybody else."""
WAITING: Final = 16
"""More would wait for half a second and longer, and are told to come back instead."""


class BusyError(Exception):
    """Too many passwords are being hashed; the same may be asked again in a second."""


def fault(password: str, username: str) -> str:
    """What is wrong with a password, in words; empty where nothing is. Pure."""
    if len(password) < SHORTEST:
        return f"a password has at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"a password has at most {LONGEST} characters"
    if len(set(password)) < FEWEST_DIFFERENT:
        return f"a password has at least {FEWEST_DIFFERENT} different characters"
    plain = password.lower()
    if len(username) > 2 and username.lower() in plain:
        return "a password does not contain the user name"
    if plain in COMMON:
        return "this password is one of those that are tried first"
    return ""


class Hashing:
    """Hashes passwords, so that neither a flood of logins nor one login keeps the event loop or the memory."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, in PHC string format.

        Raises:
            BusyError: Too many are waiting already.
        """
        await self._enter()
        try:
            return await asyncio.to_thread(_hasher.hash, password)
        finally:
            self._leave()

    async def matches(self, password_hash: str, password: str) -> bool:
        """Whether a password is the one of a hash.

        Raises:
            BusyError: Too many are waiting already.
        """
        await self._enter()
        try:
            return await asyncio.to_thread(_matches, password_hash, password[: LONGEST + 1])
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self._waiting >= WAITING:
            raise BusyError
        self._waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self._waiting -= 1
            raise

    def _leave(self) -> None:
        self._waiting -= 1
        self._turn.release()


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
