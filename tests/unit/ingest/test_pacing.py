from kaiser.ingest.pacing import LONGEST_S, Pace


def paced(rate, size, *, took=0.002, seconds=4, more=False):
    """Pause after the last of many transactions of one size, at a steady rate."""
    pace, now, pause = Pace(), 100.0, 0.0
    for _ in range(int(seconds * rate / size)):
        now += size / rate
        pause = pace.pause_s(size, took, now, more=more)
    return pause


def test_a_quiet_fleet_waits_for_less_than_a_millisecond():
    assert paced(100, 1) < 0.001


def test_a_reading_after_a_long_silence_does_not_wait():
    pace = Pace()
    assert pace.pause_s(1, 0.001, 1000.0, more=False) == 0.0


def test_a_busy_fleet_waits_for_company():
    assert 0.0015 < paced(5_000, 30, took=0.0005) < 0.0025
    assert 0.035 < paced(20_000, 500) < 0.04


def test_latency_comes_first_while_the_machine_has_time():
    assert paced(2_000, 5, took=0.001) == 0.0


def test_no_transaction_waits_longer_than_the_longest_pause():
    assert 0.04 < paced(300_000, 900, took=0.001) <= LONGEST_S


def test_a_full_transaction_and_a_backlog_do_not_wait():
    assert paced(20_000, 1000) == 0.0
    assert paced(20_000, 200, more=True) == 0.0
