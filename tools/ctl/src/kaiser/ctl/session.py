"""Who is logged in where: tokens of ``kaiserctl login``, in a file that only their owner may read, one a gateway."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from kaiser.ctl.errors import UnreachableError

FOLDER: Final = "KAISER_CTL_SESSIONS"
"""Variable with the folder of the files, by default ``kaiser`` in the user's configuration."""


class Tokens:
    """An access token, and how to get the next one.

    Args:
        access: What is sent.
        file: Where both tokens are kept; None for one that was given and cannot be renewed.
        client: Asks for a new one.
    """

    def __init__(self, access: str, file: Path | None = None, client: httpx.Client | None = None) -> None:
        self.access = access
        self._file = file
        self._client = client

    def renew(self) -> bool:
        """Get a new token, and keep it; whether there is one.

        A refresh token is good once: two commands at the same time take turns, and the second one finds the
        tokens that the first one got.
        """
        if self._file is None or self._client is None:
            return False
        with _alone(self._file):
            kept = _read(self._file)
            if kept.get("access_token") not in {None, self.access}:
                self.access = kept["access_token"]
                return True
            try:
                answer = self._client.post("/auth/refresh", json={"refresh_token": kept.get("refresh_token", "")})
            except httpx.TransportError as error:
                raise UnreachableError(f"the gateway does not answer: {error}") from error
            if not answer.is_success:
                self._file.unlink(missing_ok=True)
                return False
            tokens = answer.json()["tokens"]
            _write(self._file, tokens)
            self.access = tokens["access_token"]
            return True


def tokens_of(url: str, client: httpx.Client) -> Tokens | None:
    """The tokens of whoever logged in at a gateway; None for nobody."""
    file = file_of(url)
    kept = _read(file)
    return Tokens(kept["access_token"], file, client) if kept else None


def keep(url: str, tokens: dict[str, Any]) -> Path:
    """Keep the tokens of a login; returns the file."""
    file = file_of(url)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(file):
        _write(file, tokens)
    return file


def forget(url: str) -> bool:
    """Forget who is logged in; whether somebody was."""
    file = file_of(url)
    was = file.exists()
    file.unlink(missing_ok=True)
    file.with_suffix(".lock").unlink(missing_ok=True)
    return was


def file_of(url: str) -> Path:
    """File with the tokens for a gateway."""
    default = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaiser"
    folder = Path(os.environ.get(FOLDER) or default)
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return kept


def _write(file: Path, tokens: dict[str, Any]) -> None:
    unfinished = file.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump({name: tokens[name] for name in ("access_token", "refresh_token")}, stream)
    unfinished.rename(file)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
