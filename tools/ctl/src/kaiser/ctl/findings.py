"""What a check finds, and how people read it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

State = Literal["ok", "note", "wrong", "stop", "unreachable", "skipped"]
"""``note`` is worth knowing and nothing is to be done at once; ``stop``: this release must not be started before it is
mended; ``skipped`` could not be looked at with what is known of the site."""


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


def ok(check: str, words: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", words=words)


def note(check: str, words: str, advice: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check=check, state="note", words=words, advice=advice)


def wrong(check: str, words: str, advice: str) -> Finding:
    """Wrong, or about to be."""
    return Finding(check=check, state="wrong", words=words, advice=advice)


def stop(check: str, words: str, advice: str) -> Finding:
    """It cannot be upgraded like this."""
    return Finding(check=check, state="stop", words=words, advice=advice)


def lines(found: Sequence[Finding], marks: Mapping[State, str], *, indent: int) -> Iterator[str]:
    """Findings one a line, and what to do about each below it.

    Args:
        found: At least one.
        marks: What stands in front of a state.
        indent: Width of that.
    """
    width = max(len(each.check) for each in found)
    for each in found:
        yield f"{marks[each.state]:<{indent}} {each.check:<{width}}  {each.words}"
        if each.advice and each.state != "ok":
            yield f"{'':<{indent}} {'':<{width}}  -> {each.advice}"
