"""Messages of several streams in one order, before all of them are here."""

from hypothesis import given
from hypothesis import strategies as st

from kaiser.logic import feeds
from kaiser.logic.feeds import Feed
from kaiser.logic.ordering import Message, merged

STREAMS = ("LOGIC", "DEVICES", "TELEMETRY")


def fed(**messages):
    """Feeds that have nothing more to come; a message is its time, and its place is its sequence."""
    found = []
    for stream, times in messages.items():
        feed = Feed(stream, 0)
        for seq, at in enumerate(times, 1):
            feed.add(Message(at, stream, seq, at), seq, at)
        feed.behind = False
        found.append(feed)
    return found


def taken(messages):
    return [(message.stream, message.seq) for message in messages]


def test_the_oldest_comes_first_whatever_stream_it_is_of():
    found = feeds.due(fed(TELEMETRY=(1, 4), DEVICES=(2, 3)), 10, 100)
    assert taken(found) == [("TELEMETRY", 1), ("DEVICES", 1), ("DEVICES", 2), ("TELEMETRY", 2)]


def test_what_is_too_young_waits_and_so_does_what_a_stream_that_is_behind_could_still_precede():
    behind, other = fed(DEVICES=(5,), TELEMETRY=(3, 5, 6))
    behind.behind = True
    assert taken(feeds.due((behind, other), 10, 100)) == [("TELEMETRY", 1), ("DEVICES", 1), ("TELEMETRY", 2)]
    behind.behind = False
    assert taken(feeds.due((behind, other), 5, 100)) == []
    assert taken(feeds.due((behind, other), 6, 100)) == [("TELEMETRY", 3)]


def test_a_stream_that_was_not_opened_yet_holds_everything_up():
    assert taken(feeds.due((Feed("DEVICES", 0), *fed(TELEMETRY=(1,))), 10, 100)) == []


def test_what_says_nothing_counts_as_taken_with_what_came_before_it():
    feed = Feed("DEVICES", 3)
    feed.add(None, 4, 1)
    assert feed.taken == 4
    feed.add(Message(2, "DEVICES", 5, None), 5, 2)
    feed.add(None, 6, 3)
    assert feed.taken == 4
    feed.behind = False
    assert taken(feeds.due((feed,), 10, 100)) == [("DEVICES", 5)]
    assert feed.taken == 6


def test_a_follower_takes_what_the_leader_took_and_when():
    late = {("DEVICES", 1): 5}
    found = feeds.up_to(fed(DEVICES=(2,), TELEMETRY=(3, 4, 9)), {"DEVICES": 1, "TELEMETRY": 2}, late, 100)
    assert [(message.stream, message.at) for message in found] == [("TELEMETRY", 3), ("TELEMETRY", 4), ("DEVICES", 5)]


def test_a_follower_waits_for_what_has_not_come_yet():
    half, other = fed(DEVICES=(2,), TELEMETRY=(1, 3))
    half.behind = True
    found = feeds.up_to((half, other), {"DEVICES": 2, "TELEMETRY": 2}, {}, 100)
    assert taken(found) == [("TELEMETRY", 1), ("DEVICES", 1)]


@given(st.lists(st.lists(st.integers(1, 50), max_size=12), min_size=3, max_size=3), st.integers(1, 5))
def test_taking_in_pieces_is_the_order_of_the_whole(times, most):
    streams = dict(zip(STREAMS, (sorted(each) for each in times), strict=True))
    waiting = fed(**streams)
    pieces = []
    while piece := list(feeds.due(waiting, 100, most)):
        pieces += piece
    whole = merged(
        *([Message(at, stream, seq, at) for seq, at in enumerate(each, 1)] for stream, each in streams.items())
    )
    assert taken(pieces) == taken(whole)


def test_a_follower_does_not_wait_for_what_the_stream_has_let_go():
    half, other = fed(DEVICES=(2,), TELEMETRY=(1, 3))
    assert half.has(2)
    found = feeds.up_to((half, other), {"DEVICES": 2, "TELEMETRY": 2}, {}, 100)
    assert taken(found) == [("TELEMETRY", 1), ("DEVICES", 1), ("TELEMETRY", 2)]
