"""A store in a folder of this machine, or of a network file system that knows links and sync."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaiser.storage.store import Entries, MissingError, StoreError, TakenError


class FolderStore:
    """Files below a folder. A name that begins with a dot is the rest of a crash, and no file of the store.

    Args:
        root: The folder; made at the first write.
    """

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root

    def put(self, name: str, body: bytes) -> None:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(name, "written"):
            self._place(self._root / name, body, replace=True)

    def create(self, name: str, body: bytes) -> None:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(name, "written"):
            self._place(self._root / name, body, replace=False)

    def get(self, name: str) -> bytes:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(name, "read"):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError as error:
                raise MissingError(f"{name} is not in {self.where}") from error

    def entries(self, folder: str = "") -> Entries:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(folder, "looked at"):
            try:
                found = sorted(self._visible(self._root / folder), key=lambda entry: entry.name)
            except FileNotFoundError:
                return Entries([], [])
            folders = [entry.name for entry in found if entry.is_dir()]
            return Entries(folders, [entry.name for entry in found if not entry.is_dir()])

    def names(self, folder: str = "") -> list[str]:
        """As of :class:`kaiser.storage.Store`."""
        return sorted(self._below(folder))

    def delete(self, name: str) -> None:
        """As of :class:`kaiser.storage.Store`; folders that are empty then go, too."""
        path = self._root / name
        with self._explained(name, "taken away"):
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self._root or not parent.is_dir() or any(parent.iterdir()):
                    break
                parent.rmdir()

    def _below(self, folder: str) -> Iterator[str]:
        entries = self.entries(folder)
        prefix = f"{folder}/" if folder else ""
        yield from (f"{prefix}{name}" for name in entries.files)
        for name in entries.folders:
            yield from self._below(f"{prefix}{name}")

    def _visible(self, path: Path) -> list[os.DirEntry[str]]:
        with os.scandir(path) as found:
            return [entry for entry in found if not entry.name.startswith(".")]

    def _place(self, path: Path, body: bytes, *, replace: bool) -> None:
        """Write beside, sync, give it its name, sync the name."""
        _make(path.parent)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                Path(beside).replace(path)
            else:
                os.link(beside, path)
        except FileExistsError as error:
            raise TakenError(f"{path.relative_to(self._root)} is in {self.where} already") from error
        finally:
            Path(beside).unlink(missing_ok=True)
        _sync(path.parent)

    @contextmanager
    def _explained(self, name: str, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{name or 'the folder'} of {self.where} cannot be {what}: {error}") from error


def _make(folder: Path) -> None:
    """A folder and those above it, each with its name on disk."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
