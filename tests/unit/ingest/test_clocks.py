import pytest

from kaiser.ingest.clocks import UNKNOWN, Clock, date, hear

NOW_S = 1_767_100_125
NOW = NOW_S * 1_000_000 + 400_000
HOUR_S = 3600
DAY_S = 86_400
YEAR_S = 365 * 86_400


@pytest.mark.parametrize(
    ("device_ts", "clock_wrong", "source", "flag"),
    [
        (NOW_S, False, "device", ""),
        (NOW_S - 59, False, "device", ""),
        (NOW_S - 61, False, "device", "late"),
        (NOW_S - HOUR_S, False, "device", "late"),
        (NOW_S - 29 * DAY_S, False, "device", "late"),
        (NOW_S - 31 * DAY_S, False, "server", "clock_implausible"),
        (NOW_S - YEAR_S, False, "server", "clock_implausible"),
        (1, False, "server", "clock_implausible"),
        (NOW_S + 300, False, "device", ""),
        (NOW_S + 301, False, "server", "clock_implausible"),
        (NOW_S + YEAR_S, False, "server", "clock_implausible"),
        (0, False, "server", "clock_unset"),
        (0, True, "server", "clock_unset"),
        (NOW_S - HOUR_S, True, "server", "clock_skewed"),
        (4_294_967_295, False, "server", "clock_implausible"),
    ],
)
def test_the_device_dates_a_reading_only_where_its_clock_can_be_right(device_ts, clock_wrong, source, flag):
    measured_at, whose, why = date(device_ts, NOW, clock_wrong=clock_wrong)
    assert (whose, why) == (source, flag)
    assert measured_at == (device_ts * 1_000_000 if source == "device" else NOW)


def heard(*beats: tuple[int, int], boot: str = "b1") -> Clock:
    """Clock after heartbeats of (device time, seconds since NOW at receipt)."""
    clock = UNKNOWN
    for device_ts, after_s in beats:
        clock = hear(clock, device_ts=device_ts, received_at=NOW + after_s * 1_000_000, boot=boot)
    return clock


def test_a_clock_that_agrees_with_ours_is_right():
    assert not heard((NOW_S, 0), (NOW_S + 60, 60)).wrong


def test_a_clock_that_starts_an_hour_slow_is_wrong_from_its_first_heartbeat():
    assert heard((NOW_S - HOUR_S, 0)).wrong


def test_a_clock_an_hour_ahead_is_wrong_at_once():
    assert heard((NOW_S, 0), (NOW_S + 60 + HOUR_S, 60)).wrong


def test_a_clock_that_was_right_counts_as_slow_when_two_heartbeats_agree():
    once = heard((NOW_S, 0), (NOW_S + 60 - HOUR_S, 60))
    twice = heard((NOW_S, 0), (NOW_S + 60 - HOUR_S, 60), (NOW_S + 120 - HOUR_S, 120))
    assert (once.wrong, twice.wrong) == (False, True)


def test_a_backlog_of_heartbeats_does_not_make_a_right_clock_slow():
    backlog = [(NOW_S + 60 * i, 1200) for i in range(1, 20)]
    assert not heard((NOW_S, 0), *backlog).wrong


def test_a_clock_that_was_set_is_right_again_with_the_next_heartbeat():
    assert not heard((NOW_S - HOUR_S, 0), (NOW_S + 60, 60)).wrong


def test_a_slow_clock_stays_slow():
    assert heard((NOW_S - HOUR_S, 0), (NOW_S - HOUR_S + 60, 60), (NOW_S - HOUR_S + 130, 120)).wrong


def test_a_new_boot_is_judged_anew():
    clock = hear(heard((NOW_S, 0)), device_ts=NOW_S - HOUR_S, received_at=NOW, boot="b2")
    assert clock.wrong


def test_a_clock_that_is_not_set_says_nothing():
    assert heard((0, 0)) == Clock(boot="b1")
