"""What became of a load."""

from kaiser.ctl.load.counting import outcome

A, B, C = (("ESP_100000", 4, "ph", "", 1, raw) for raw in (1, 2, 3))
SENT = {A: 1_000, B: 1_000, C: 2_000}


def test_all_that_arrived_is_whole_and_timed() -> None:
    rows = [(A, 6_000), (B, 7_000), (C, 8_000), (C, 90_000)]  # a second sighting does not count
    found = outcome(SENT, 0, rows, rows, missed=0)
    assert found.whole
    assert (found.sent, found.stored, found.seen) == (3, 3, 3)
    assert (found.to_row.p50_ms, found.to_row.p99_ms) == (6.0, 6.0)


def test_what_was_acknowledged_and_not_stored_is_lost() -> None:
    found = outcome(SENT, 0, [(A, 2_000)], [(A, 2_000), (B, 2_000), (C, 3_000)], missed=0)
    assert (found.lost, found.unseen, found.whole) == (2, 0, False)


def test_what_the_client_was_told_to_have_missed_is_not_lost() -> None:
    rows = [(A, 2_000), (B, 2_000), (C, 3_000)]
    assert outcome(SENT, 0, rows, [(A, 2_000)], missed=2).whole
    assert not outcome(SENT, 0, rows, [(A, 2_000)], missed=1).whole


def test_what_the_broker_did_not_acknowledge_is_not_well() -> None:
    rows = [(A, 2_000), (B, 2_000), (C, 3_000)]
    found = outcome(SENT, 1, rows, rows, missed=0)
    assert (found.sent, found.acknowledged, found.whole) == (4, 3, False)


def test_readings_of_others_do_not_count() -> None:
    stranger = ("ESP_9F03D4", 4, "ph", "", 1, 1)
    assert outcome({}, 0, [(stranger, 1)], [(stranger, 1)], missed=0).to_row is None
