"""A segment as bytes, and what its manifest says of it: pure."""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from kaiser.eventlog.delivery import Delivery

LEVEL: Final = 3
"""Of zlib: more costs twice the time for some percent."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A message as the stream held it.

    Attributes:
        seq: Sequence in the stream.
        stored_at: When the stream stored it, unix microseconds.
        subject: Subject it was published to.
        headers: The header block as it came.
        data: Its body.
    """

    seq: int
    stored_at: int
    subject: str
    headers: bytes
    data: bytes


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment holds.

    Attributes:
        stream: Name of the stream.
        first: First sequence.
        last: Last sequence; every one between is there.
        messages: How many.
        first_stored_at: When the stream stored the first one, unix microseconds.
        last_stored_at: And the last one.
        file: Name of the data file beside the manifest.
        size: Bytes of the data file.
        sha256: Of the data file.
    """

    stream: str
    first: int
    last: int
    messages: int
    first_stored_at: int
    last_stored_at: int
    file: str
    size: int
    sha256: str


class BrokenError(ValueError):
    """A segment's bytes are not what its manifest says."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


def record_of(delivery: Delivery) -> Record:
    """A delivered message as it is archived."""
    return Record(delivery.seq, delivery.stored_at, delivery.subject, delivery.raw_headers, delivery.data)


def delivery_of(stream: str, record: Record) -> Delivery:
    """The message as a reader of the stream would get it; there is nobody to acknowledge it to."""
    reply = f"$JS.ACK.{stream}.archive.1.{record.seq}.{record.seq}.{record.stored_at * 1000}.0"
    return Delivery(record.subject, record.data, reply, record.headers)


def pack(stream: str, records: Sequence[Record]) -> tuple[Manifest, bytes]:
    """A segment of consecutive messages.

    Args:
        stream: Name of the stream.
        records: At least one.

    Raises:
        ValueError: The sequences are not consecutive.
    """
    first, last = records[0], records[-1]
    if [record.seq for record in records] != list(range(first.seq, first.seq + len(records))):
        raise ValueError(f"messages {first.seq} to {last.seq} of {stream} are not consecutive")
    body = zlib.compress(_encoder.encode(records), LEVEL)
    digest = hashlib.sha256(body).hexdigest()
    manifest = Manifest(
        stream=stream,
        first=first.seq,
        last=last.seq,
        messages=len(records),
        first_stored_at=first.stored_at,
        last_stored_at=last.stored_at,
        file=f"{first.seq:020}-{digest[:16]}.segment",
        size=len(body),
        sha256=digest,
    )
    return manifest, body


def unpack(manifest: Manifest, body: bytes) -> list[Record]:
    """The messages of a segment.

    Raises:
        BrokenError: It is not what its manifest says.
    """
    if len(body) != manifest.size or hashlib.sha256(body).hexdigest() != manifest.sha256:
        raise BrokenError(f"{manifest.file} is not what its manifest says: another size or digest")
    try:
        records = _decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as error:
        raise BrokenError(f"{manifest.file} cannot be read: {error}") from error
    if [record.seq for record in records] != list(range(manifest.first, manifest.last + 1)):
        raise BrokenError(f"{manifest.file} does not hold messages {manifest.first} to {manifest.last}")
    return records
