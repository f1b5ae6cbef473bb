"""Cursors: where the next page begins, opaque to whoever carries them, checked when they come back. Pure."""

import base64
import binascii
from typing import Any

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal


def write(*position: str | int) -> str:
    """A position as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read(cursor: str | None, kinds: tuple[type, ...]) -> tuple[Any, ...] | None:  # the kinds are checked here
    """The position behind a cursor, None for none.

    Args:
        cursor: As given.
        kinds: Types of the position's parts.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: it is no cursor of this kind.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        position: tuple[Any, ...] = msgspec.json.decode(text, type=tuple.__class_getitem__(kinds))
    except (binascii.Error, ValueError):
        words = "the cursor is not one that this question was answered with"
        raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "cursor") from None
    return position
