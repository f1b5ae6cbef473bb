"""What a backup holds, as data, and its pieces in a store."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from kaiser.local.backup.errors import BackupError
from kaiser.storage import MissingError, Store, StoreError

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
PIECE_BYTES: Final = 16 * 1024 * 1024
_ID: Final = "%Y%m%dT%H%M%SZ"


class Piece(msgspec.Struct, frozen=True):
    """A file of the backup.

    Attributes:
        name: Its name within the backup.
        size: Bytes.
        sha256: Digest of them.
    """

    name: str
    size: int
    sha256: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a durable consumer goes on.

    Attributes:
        durable: Its name.
        config: Its configuration as the server says it.
        floor: Last sequence of the stream up to which everything is done.
    """

    durable: str
    config: dict[str, Any]
    floor: int


class StreamPart(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, or the stream of a bucket.

    Attributes:
        name: Its name.
        config: Its configuration as the server says it.
        state: Its state at the moment of the snapshot, as the server says it.
        places: Its durable consumers.
        pieces: The snapshot, in order.
    """

    name: str
    config: dict[str, Any]
    state: dict[str, Any]
    places: tuple[Place, ...]
    pieces: tuple[Piece, ...]


class TablePart(msgspec.Struct, frozen=True, kw_only=True):
    """A table.

    Attributes:
        schema: Its schema.
        name: Its name.
        columns: Columns in the order in which they were written.
        rows: How many.
        pieces: Rows as COPY writes text, compressed by zlib.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int
    pieces: tuple[Piece, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup.

    Attributes:
        id: Its folder in the store: the UTC second at which it was begun.
        tables_at: When the tables were looked at, unix microseconds.
        streams_at: When the streams were.
        streams: Streams of events.
        buckets: Key-value buckets.
        migrations: Migrations that had been applied, by schema.
        tables: All tables.
        archive: Segments of the archive that were copied for this backup; None where the archive is elsewhere.
        secrets: The site's secrets, locked; None where they were left out.
        format: Of the manifest.
    """

    id: str
    tables_at: int
    streams_at: int
    streams: tuple[StreamPart, ...]
    buckets: tuple[StreamPart, ...]
    migrations: dict[str, tuple[str, ...]]
    tables: tuple[TablePart, ...]
    archive: int | None = None
    secrets: Piece | None = None
    format: int = FORMAT

    def pieces(self) -> list[Piece]:
        """All of them."""
        parts: list[StreamPart | TablePart] = [*self.streams, *self.buckets, *self.tables]
        return [*(piece for part in parts for piece in part.pieces), *((self.secrets,) if self.secrets else ())]


def new_id(at: datetime) -> str:
    """Id of a backup that begins now; ids sort by time."""
    return at.astimezone(UTC).strftime(_ID)


def whole(store: Store) -> list[str]:
    """Ids of the backups that are whole, oldest first.

    Raises:
        BackupError: The store cannot be looked at.
    """
    return [name for name in _folders(store) if MANIFEST in _entries(store, name)]


def unfinished(store: Store, before: str) -> list[str]:
    """Ids of what is left of backups that were begun before one and never finished.

    Raises:
        BackupError: The store cannot be looked at.
    """
    return [name for name in _folders(store) if name < before and MANIFEST not in _entries(store, name)]


def read_manifest(store: Store, id_: str) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupError: There is no such backup, it is of another format, or it cannot be read.
    """
    try:
        manifest = msgspec.json.decode(store.get(f"{id_}/{MANIFEST}"), type=Manifest)
    except MissingError as error:
        raise BackupError(f"there is no whole backup {id_} in {store.where}") from error
    except (StoreError, msgspec.DecodeError) as error:
        raise BackupError(f"the backup {id_} cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise BackupError(f"the backup {id_} is of a newer release: take that one to restore it")
    return manifest


def write_pieces(store: Store, id_: str, name: str, blocks: Iterable[bytes]) -> tuple[Piece, ...]:
    """Write bytes as pieces of a backup; they are safe when this returns.

    Args:
        store: Where backups are.
        id_: The backup.
        name: Name of what is written.
        blocks: The bytes in order, in blocks of any size.

    Raises:
        StoreError: One cannot be written.
    """
    made: list[Piece] = []
    for body in _filled(blocks):
        piece = Piece(f"{name}.{len(made):05}", len(body), hashlib.sha256(body).hexdigest())
        store.put(f"{id_}/{piece.name}", body)
        made.append(piece)
    return tuple(made)


def read_piece(store: Store, id_: str, piece: Piece) -> bytes:
    """The bytes of a piece.

    Raises:
        BackupError: They are not those that were written, or cannot be read.
    """
    try:
        body = store.get(f"{id_}/{piece.name}")
    except StoreError as error:
        raise BackupError(str(error)) from error
    if len(body) != piece.size or hashlib.sha256(body).hexdigest() != piece.sha256:
        raise BackupError(f"{piece.name} of {id_} is not what its manifest says: another size or digest")
    return body


def gather(store: Store, id_: str, pieces: Iterable[Piece], file: BinaryIO) -> None:
    """Write pieces into a file, one after the other, and go to its beginning.

    Raises:
        BackupError: As of :func:`read_piece`.
    """
    file.writelines(read_piece(store, id_, piece) for piece in pieces)
    file.seek(0)


def blocks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while block := file.read(PIECE_BYTES):
            yield block


def _filled(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)


def _folders(store: Store) -> list[str]:
    try:
        found = store.entries().folders
    except StoreError as error:
        raise BackupError(str(error)) from error
    return [name for name in found if name[:1].isdecimal()]


def _entries(store: Store, folder: str) -> list[str]:
    try:
        return store.entries(folder).files
    except StoreError as error:
        raise BackupError(str(error)) from error
