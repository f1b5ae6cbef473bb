"""What the check finds."""

from typing import Literal

import msgspec

State = Literal["ok", "note", "stop", "skipped"]
"""``note``: it happens by itself when this release starts; ``stop``: this release must not be started before it is
mended."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one place, and what to do about it."""

    check: str
    state: State
    words: str
    advice: str = ""


def ok(check: str, words: str) -> Finding:
    """Nothing changes."""
    return Finding(check=check, state="ok", words=words)


def tell(check: str, words: str, advice: str = "") -> Finding:
    """It changes, and that is well."""
    return Finding(check=check, state="note", words=words, advice=advice)


def stop(check: str, words: str, advice: str) -> Finding:
    """It cannot be upgraded like this."""
    return Finding(check=check, state="stop", words=words, advice=advice)
