"""What the log's commands came to at a moment, to go on from: years of commands are not read again at each start. Pure.

It is a saving and no truth: without one, or with one of another version, every command is read from the log.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import xxhash

from kaiser.actuator.state import ActuatorState
from kaiser.contracts.actuation import Command

VERSION: Final = 2
"""Raise it when events are taken in differently, so that no instance goes on from what another code made of them."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One actuator.

    Attributes:
        esp_id: Its device.
        gpio: Its pin.
        state: What its events made of it.
        last_seq: Sequence in ACTUATORS of the last of them.
        sent_seq: Sequence of the dispatch of the command that was sent last.
    """

    esp_id: str
    gpio: int
    state: ActuatorState
    last_seq: int
    sent_seq: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at a moment.

    Attributes:
        read_to: Every event of ACTUATORS up to this sequence is in it, and of some actuators later ones, too.
        last_seq: Sequence of the last event that is in it.
        last_id: Its id, by which a log that was replaced is known.
        pages: Actuators.
        commands: The last commands, oldest first.
    """

    read_to: int
    last_seq: int
    last_id: str
    pages: tuple[Kept, ...]
    commands: tuple[Command, ...]


class _Head(msgspec.Struct, frozen=True):
    read_to: int
    last_seq: int
    last_id: str
    pages: int
    commands: int


_encode: Final = msgspec.json.Encoder().encode
_head: Final = msgspec.json.Decoder(_Head).decode
_kept: Final = msgspec.json.Decoder(Kept).decode
_command: Final = msgspec.json.Decoder(Command).decode


def fingerprint() -> str:
    """What a snapshot has to be made with to be of use here: the version, and the shape of all that is in it."""
    shape = msgspec.json.encode(msgspec.json.schema(Snapshot), order="deterministic")
    return f"{VERSION}.{xxhash.xxh3_64_hexdigest(shape)}"


def to_bytes(snapshot: Snapshot) -> bytes:
    """A snapshot, small; line by line, so that a thread which does it does not keep others from their turns."""
    return zlib.compress(b"\n".join(_lines(snapshot)), 1)


def _lines(snapshot: Snapshot) -> Iterator[bytes]:
    head = _Head(snapshot.read_to, snapshot.last_seq, snapshot.last_id, len(snapshot.pages), len(snapshot.commands))
    yield _encode(head)
    rows: Iterable[Kept | Command] = (*snapshot.pages, *snapshot.commands)
    yield from map(_encode, rows)


def from_bytes(data: bytes) -> Snapshot:
    """The reverse.

    Raises:
        ValueError: It is none.
    """
    try:
        first, *rows = zlib.decompress(data).split(b"\n")
        head = _head(first)
        if len(rows) != head.pages + head.commands:
            raise ValueError(f"{len(rows)} lines instead of {head.pages + head.commands}")
        return Snapshot(
            read_to=head.read_to,
            last_seq=head.last_seq,
            last_id=head.last_id,
            pages=tuple(map(_kept, rows[: head.pages])),
            commands=tuple(map(_command, rows[head.pages :])),
        )
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error
