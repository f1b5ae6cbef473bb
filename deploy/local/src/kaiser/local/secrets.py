"""Passwords and keys: made at first use, kept in files that only their owner may read, never a fixed one."""

import os
import secrets
from pathlib import Path


class Secrets:
    """The secrets of one home, one file each.

    Args:
        folder: Where the files are; made at first use with mode 700.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """File with the secret and nothing else (no newline), made with a random one if it is not there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        if not path.exists():
            unfinished = path.with_suffix(".new")
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
            unfinished.rename(path)
        return path

    def value(self, name: str) -> str:
        """The secret itself."""
        return self.path(name).read_text()
