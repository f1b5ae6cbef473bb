"""What a rebuild decides without a server: order, filters, and what counts as equal."""

from collections.abc import AsyncGenerator

import pytest

from kaiser.eventlog import ConsumerSpec, Delivery
from kaiser.service.rebuilding import Source
from kaiser.service.rebuilding.comparing import MOST, Difference, persisting, same
from kaiser.service.rebuilding.folding import Head, in_order, matches
from kaiser.service.rebuilding.places import Places
from kaiser.service.rebuilding.telling import line


async def _handle(_: list[Delivery]) -> None:
    """Takes everything."""


def source(stream: str, consumer: str = "c") -> Source:
    return Source(spec=ConsumerSpec(stream=stream, durable=consumer), consumer=consumer, handle=_handle)


async def _messages(stream: str, *stored: int) -> AsyncGenerator[list[Delivery], None]:
    for seq, at in enumerate(stored, 1):
        yield [Delivery("s", b"", f"$JS.ACK.{stream}.c.1.{seq}.{seq}.{at * 1000}.0", b"")]


async def test_messages_of_two_streams_come_in_the_order_in_which_they_were_stored() -> None:
    heads = {source("A"): Head(_messages("A", 1, 2, 7)), source("B"): Head(_messages("B", 3, 4))}
    told = [(each.spec.stream, [d.stored_at for d in run]) async for each, run in in_order(heads)]
    flat = [at for _, run in told for at in run]
    assert flat == sorted(flat) == [1, 2, 3, 4, 7]
    assert told[0][0] == "A"
    assert told[-1] == ("A", [7])


@pytest.mark.parametrize(
    ("subject", "filters", "through"),
    [
        ("heartbeat.god.esp", ("heartbeat.>",), True),
        ("health.god.esp.metrics", ("heartbeat.>",), False),
        ("device.god.esp.lost", ("device.*.*.discovered", "device.*.*.lost"), True),
        ("device.god.esp.registry.approved", ("device.*.*.lost",), False),
        ("heartbeat", ("heartbeat.>",), False),
    ],
)
def test_a_filter_lets_through_what_the_server_would(subject: str, filters: tuple[str, ...], through: bool) -> None:
    assert matches(subject, filters) is through


def test_sums_that_were_added_in_another_order_are_equal_and_other_values_are_not() -> None:
    assert same((3, 17, 0.1 + 0.2 + 0.3, 0.6), (3, 17, 0.3 + 0.2 + 0.1, 0.6))
    assert not same((3, 17, 0.6, 0.6), (3, 17, 0.6001, 0.6001))
    assert not same((3, 17, None, None), (3, 17, 0.0, 0.0))
    assert not same((3, 17), (3, 18))
    assert not same(None, (0, 0))
    assert same((1, 2, float("nan"), float("nan")), (1, 2, float("nan"), float("nan")))


def test_a_difference_that_passes_is_none() -> None:
    stays, passes = Difference("t", "(1)", "other"), Difference("t", "(2)", "only old")
    assert persisting([stays, passes], [stays, Difference("t", "(3)", "only old")]) == [stays]


def test_differences_that_are_too_many_to_be_listed_count_whichever_are_listed() -> None:
    earlier = [Difference("t", f"({n})", "other") for n in range(MOST)]
    later = [Difference("t", f"({n})", "other") for n in range(MOST, 2 * MOST)]
    assert persisting(earlier, later) == later


def test_tables_are_as_far_as_they_say_or_as_what_was_acknowledged_and_never_behind_the_end_of_the_stream() -> None:
    a, b, free = (
        source("A", "a"),
        source("A", "b"),
        Source(spec=ConsumerSpec(stream="B", durable=""), consumer="", handle=_handle),
    )
    before = Places({"A": 10, "B": 5}, {a: 7, b: 9, free: 0}, {})
    after = Places({"A": 12, "B": 6}, {a: 9, b: 9, free: 0}, {})
    assert before.of_tables({"a": 11, "b": 99}, after) == {a: 11, b: 12, free: 5}


def test_progress_says_rate_and_what_is_left() -> None:
    assert line(50, 200, 10.0) == "50 of 200 messages (25%), 5/s, 30 s left"
