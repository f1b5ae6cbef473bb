"""Pages of lists that are whole in memory, with the cursors of all the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from kaiser.contracts import cursors
from kaiser.gateway.api.views import PageView

T = TypeVar("T")
V = TypeVar("V")


def part(
    items: Iterable[T],
    view: Callable[[T], V],
    *,
    by: Callable[[T], str],
    limit: int,
    cursor: str | None,
) -> PageView[V]:
    """A page of a list.

    Args:
        items: All of it.
        view: Shows one.
        by: What they are ordered by, which no two of them share.
        limit: Most items of the page.
        cursor: ``next_cursor`` of the page before; None for the first.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: the cursor is none.
    """
    after = cursors.read(cursor, (str,))
    rest = sorted((item for item in items if after is None or by(item) > after[0]), key=by)
    more = cursors.write(by(rest[limit - 1])) if len(rest) > limit else None
    return PageView([view(item) for item in rest[:limit]], more)
