"""What verbs print: tables for people, JSON for programs."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def show(arguments: Namespace, found: T, text: Callable[[T], str]) -> None:
    """Print what was found.

    Args:
        arguments: Whether it is for people or for programs.
        found: What msgspec can make JSON of.
        text: Makes lines of text of it.
    """
    print(as_json(found) if arguments.json else text(found))


def as_json(found: Any) -> str:  # whatever msgspec takes
    """JSON with indentation."""
    return json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Rows in columns as wide as what is in them; the last one is not filled up.

    Args:
        titles: Of the columns.
        rows: Cells.
        right: Numbers of columns that hold figures, and end at the right.
    """
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    figures = set(right)

    def cell(number: int, text: str) -> str:
        if number in figures:
            return text.rjust(widths[number])
        return text if number == len(widths) - 1 else text.ljust(widths[number])

    return "\n".join("  ".join(cell(i, text) for i, text in enumerate(line)).rstrip() for line in lines)


def size(number: float) -> str:
    """Bytes as people read them."""
    for unit in _UNITS:
        if number < 1024 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError  # the last unit takes everything


def moment(at: datetime | None) -> str:
    """A time in UTC, to the second; nothing for none."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
