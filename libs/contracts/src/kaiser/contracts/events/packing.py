"""The MQTT payloads of a record batch as one blob: a zstd frame (RFC 8878) of their lengths and of themselves.

Readings of many devices are very alike, so that one frame for all of them has a tenth of their bytes. Inside of it are
the lengths, four bytes each, little endian, in the order of the records, and then the payloads one after the other.
"""

import struct
from collections.abc import Sequence
from typing import Final

import zstandard

LEVEL: Final = -1
"""A reading costs 0.4 µs in a batch of eight and 0.2 in larger ones. Level 1 takes twice as long for 15 % fewer bytes,
zlib four times as long; LZ4 takes half as long, and its block does not say what it is."""
LARGEST: Final = 4 * 1024 * 1024
"""Bytes that a frame may unpack to; the bridge packs a sixteenth of it."""
_LENGTH: Final = 4


class Packer:
    """Packs payloads; for one thread at a time."""

    __slots__ = ("_compress",)

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=LEVEL).compress

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        """The blob of a batch's payloads, in the order of its records."""
        return self._compress(struct.pack(f"<{len(payloads)}I", *map(len, payloads)) + b"".join(payloads))


def unpack(blob: bytes, count: int) -> list[bytes]:
    """The payloads of a batch.

    Args:
        blob: As it was packed.
        count: How many records the batch has.

    Raises:
        ValueError: It is none of so many records.
    """
    try:
        plain = zstandard.ZstdDecompressor().decompress(blob, max_output_size=LARGEST)
        lengths = struct.unpack_from(f"<{count}I", plain)
    except (zstandard.ZstdError, struct.error) as error:
        raise ValueError(f"not the payloads of {count} records: {error}") from error
    found, start = [], count * _LENGTH
    for length in lengths:
        found.append(plain[start : start + length])
        start += length
    if start != len(plain):
        raise ValueError(f"not the payloads of {count} records: {len(plain)} bytes instead of {start}")
    return found
