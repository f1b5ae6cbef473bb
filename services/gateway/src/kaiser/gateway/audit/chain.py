"""Entries that carry the hash of the one before: whoever changes one has to make all later ones anew. Pure.

That whoever can rewrite the whole stream did so is seen against a head that was noted elsewhere.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.identity import Audited


class Head(msgspec.Struct, frozen=True):
    """The last entry of a chain, or of its beginning; number 0 before the first one."""

    number: int
    hash: str

    def words(self) -> str:
        """In the form that it is noted in."""
        return f"{self.number}:{self.hash}"


EMPTY: Final = Head(0, "")


def head_of(entry: Audited) -> Head:
    """The chain up to an entry."""
    return Head(entry.number, entry.hash)


def read_head(words: str) -> Head:
    """A head that somebody noted.

    Raises:
        ValueError: It is none.
    """
    number, colon, digest = words.partition(":")
    if not colon or len(digest) != 64:
        raise ValueError("a head is NUMBER:HASH, with 64 hexadecimal digits")
    return Head(int(number), digest.lower())


def link(entries: Iterable[Audited], head: Head) -> list[Audited]:
    """Entries as the next ones of a chain."""
    linked = []
    for entry in entries:
        open_ended = msgspec.structs.replace(entry, number=head.number + 1, previous=head.hash, hash="")
        whole = msgspec.structs.replace(open_ended, hash=digest(open_ended))
        linked.append(whole)
        head = head_of(whole)
    return linked


def digest(entry: Audited) -> str:
    """The hash that an entry is to have."""
    return hashlib.sha256(encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


class Check:
    """Holds entries to each other, one by one, from any entry on.

    Args:
        known: A head that was noted before; it has to be in the chain.

    Attributes:
        head: The last entry that was taken.
        entries: How many those were.
    """

    def __init__(self, known: Head | None = None) -> None:
        self.head = EMPTY
        self.entries = 0
        self._known = known
        self._met = known is None

    def take(self, entry: Audited) -> list[str]:
        """What is wrong with the next entry, each in words."""
        found = []
        if entry.hash != digest(entry):
            found.append(f"entry {entry.number} was changed: its hash is another one")
        if self.entries and entry.number != self.head.number + 1:
            found.append(f"entry {entry.number} comes after entry {self.head.number}")
        if (self.entries or entry.number <= 1) and entry.previous != self.head.hash:
            found.append(f"entry {entry.number} does not follow from the one before")
        self.head = head_of(entry)
        self.entries += 1
        self._met = self._met or self.head == self._known
        return found

    def end(self, *, whole: bool) -> list[str]:
        """What is wrong with all of it.

        Args:
            whole: Whether it is to begin at the first entry.
        """
        found = []
        if whole and self.entries != self.head.number:
            found.append(f"{self.entries} entries end with number {self.head.number}")
        if self._known is not None and not self._met:
            found.append(f"entry {self._known.number} is not the one that was noted")
        return found
