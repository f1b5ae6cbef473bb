"""Subjects carry any id, and nothing that means something to NATS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts import subjects


@given(st.text())
def test_any_text_becomes_one_token_and_comes_back(text: str) -> None:
    token = subjects.token(text)
    assert subjects.untoken(token) == text
    assert token
    assert not set(token) & set(".*> \t\r\n")


def test_the_empty_kaiser_id_has_a_token_of_its_own() -> None:
    assert subjects.telemetry_raw("", 3) == "telemetry.raw.~.3"
    assert subjects.token("~") != "~"


@pytest.mark.parametrize("token", ["a.b", "=zz", "=41", "=FF", "~~"])
def test_a_token_that_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(subjects.SubjectError):
        subjects.untoken(token)


def test_a_device_is_always_in_the_same_partition() -> None:
    assert [subjects.partition(f"ESP_{n:06X}") for n in range(4)] == [
        subjects.partition(f"ESP_{n:06X}") for n in range(4)
    ]
    assert {subjects.partition(f"ESP_{n:06X}") for n in range(500)} == set(range(subjects.PARTITIONS))
