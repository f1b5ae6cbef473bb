import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts import cursors
from kaiser.contracts.refusals import Refusal


@given(st.text(), st.integers(-(2**62), 2**62))
def test_a_cursor_leads_back_to_its_position(text, number):
    cursor = cursors.write(text, number)
    assert cursors.read(cursor, (str, int)) == (text, number)
    assert cursor.isascii()
    assert "=" not in cursor


def test_no_cursor_is_no_position():
    assert cursors.read(None, (int,)) is None


@pytest.mark.parametrize("cursor", ["", "x", "!", "é", cursors.write("a"), cursors.write(1, 2), "bnVsbA"])
def test_a_cursor_of_another_question_is_refused(cursor):
    with pytest.raises(Refusal) as refused:
        cursors.read(cursor, (int,))
    assert (refused.value.code, refused.value.where) == ("VALUE_OUT_OF_RANGE", "cursor")
