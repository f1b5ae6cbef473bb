"""What a store does, whatever it is. Names are paths with ``/`` between, relative to the store."""

from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store cannot be read or written; says which, and why."""


class MissingError(StoreError):
    """There is nothing under the name."""


class TakenError(StoreError):
    """There is something under the name already."""


class Entries(NamedTuple):
    """What is directly below a folder, by their last parts, sorted.

    Attributes:
        folders: Folders with something in them.
        files: Files.
    """

    folders: list[str]
    files: list[str]


class Store(Protocol):
    """Files by name. What is written is there as a whole or not at all, and durable when the call returns.

    Attributes:
        where: Its place in words, without secrets.
    """

    where: str

    def put(self, name: str, body: bytes) -> None:
        """Write a file, in place of one that may be there.

        Raises:
            StoreError: It cannot be written.
        """
        ...

    def create(self, name: str, body: bytes) -> None:
        """Write a file unless there is one; of several writers one succeeds.

        Raises:
            TakenError: There is one.
            StoreError: It cannot be written.
        """
        ...

    def get(self, name: str) -> bytes:
        """A whole file.

        Raises:
            MissingError: There is none.
            StoreError: It cannot be read.
        """
        ...

    def entries(self, folder: str = "") -> Entries:
        """What is directly below a folder; nothing if there is no such folder.

        Raises:
            StoreError: It cannot be looked at.
        """
        ...

    def names(self, folder: str = "") -> list[str]:
        """Whole names of all files below a folder, sorted.

        Raises:
            StoreError: It cannot be looked at.
        """
        ...

    def delete(self, name: str) -> None:
        """Take a file away; a no-op where there is none.

        Raises:
            StoreError: It cannot be taken away.
        """
        ...
