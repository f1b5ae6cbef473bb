"""Lists that are whole in memory come in pages as all the others do."""

import pytest

from kaiser.contracts.refusals import Refusal
from kaiser.gateway.api.paging import part


def pages(items: list[str], limit: int) -> list[list[str]]:
    found, cursor = [], None
    while True:
        page = part(items, str.upper, by=str, limit=limit, cursor=cursor)
        found.append(page.items)
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


@pytest.mark.parametrize(
    ("items", "limit", "expected"),
    [
        ("", 2, [[]]),
        ("ab", 2, [["A", "B"]]),
        ("cab", 2, [["A", "B"], ["C"]]),
        ("dcba", 2, [["A", "B"], ["C", "D"]]),
    ],
)
def test_pages_together_are_the_list_in_order(items, limit, expected):
    assert pages(list(items), limit) == expected


def test_what_is_made_or_taken_away_meanwhile_moves_nothing_else():
    first = part(["b", "d", "f"], str.upper, by=str, limit=2, cursor=None)
    second = part(["a", "b", "e", "f"], str.upper, by=str, limit=2, cursor=first.next_cursor)
    assert (first.items, second.items) == (["B", "D"], ["E", "F"])


def test_a_cursor_that_is_none_is_refused():
    with pytest.raises(Refusal):
        part(["a"], str.upper, by=str, limit=1, cursor="x")
