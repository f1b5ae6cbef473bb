"""The server's clock, as it shows in what comes."""

from kaiser.logic.clocks import WINDOW, ServerClock
from kaiser.logic.times import SECOND

NOON = 1_777_464_000 * SECOND


def test_it_is_ours_until_something_shows():
    assert ServerClock().now(NOON) == NOON


def test_the_quickest_message_shows_it_best():
    clock = ServerClock()
    for took in (3_000, 400, 9_000):
        clock.observe(NOON + 50_000, NOON + took)
    assert clock.now(NOON) == NOON + 49_600


def test_what_an_outage_kept_shows_nothing():
    clock = ServerClock()
    clock.observe(NOON - 60 * SECOND, NOON)
    assert clock.now(NOON) == NOON


def test_a_clock_that_is_set_back_shows_after_two_windows():
    clock = ServerClock()
    clock.observe(NOON + 50_000, NOON)
    for number in range(1, 5):
        clock.observe(NOON + number * WINDOW - 1_000, NOON + number * WINDOW + 1)
    assert clock.now(NOON + 4 * WINDOW) < NOON + 4 * WINDOW
