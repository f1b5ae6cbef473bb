"""What a check finds, and from where on it is wrong."""

from typing import Literal

import msgspec

State = Literal["ok", "note", "wrong", "unreachable", "skipped"]
"""``note`` is worth knowing and nothing is to be done at once; ``skipped`` could not be looked at with what is known of
the site."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    Attributes:
        check: Its name.
        words: What it found, in a sentence.
        advice: What to do; empty where nothing is.
    """

    check: str
    state: State
    words: str
    advice: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From where on something is wrong.

    Attributes:
        skew_s: Seconds between two clocks.
        min_free: Percent of a disk that has to be free.
        full: Percent of a stream's limit that is worth knowing; ten less than nothing left is wrong.
        stuck_s: Seconds without an acknowledgement while there is something to take.
        letters: Dead letters in the last hour.
        archive_behind_s: Age of the oldest message that ought to be archived and is not.
        days: Days that a certificate is still good for.
    """

    skew_s: float = 1.0
    min_free: float = 10.0
    full: float = 80.0
    stuck_s: float = 60.0
    letters: int = 100
    archive_behind_s: float = 900.0
    days: float = 30.0


def ok(check: str, words: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", words=words)


def note(check: str, words: str, advice: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check=check, state="note", words=words, advice=advice)


def wrong(check: str, words: str, advice: str) -> Finding:
    """Wrong, or about to be."""
    return Finding(check=check, state="wrong", words=words, advice=advice)
