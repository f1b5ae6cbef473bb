"""How far a client is, as one opaque text: the last sequence of each stream that it has dealt with. Pure."""

import base64
import binascii
from collections.abc import Mapping

import msgspec

Positions = Mapping[str, int]
"""Stream to the last sequence that was dealt with."""

_decode = msgspec.json.Decoder(dict[str, int]).decode


class NoCursorError(ValueError):
    """A text that is no cursor."""


def write(positions: Positions) -> str:
    """Positions as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(positions)).decode().rstrip("=")


def read(cursor: str) -> dict[str, int]:
    """Positions behind a cursor.

    Raises:
        NoCursorError: It is none.
    """
    try:
        positions = _decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise NoCursorError("the cursor is not one that a message came with") from None
    if any(seq < 0 for seq in positions.values()):
        raise NoCursorError("the cursor is not one that a message came with")
    return positions
