"""The dead man's switch waits for what it could have heard."""

import pytest

from kaiser.bridge.lease import DeadMansSwitch


def looked_at(switch: DeadMansSwitch, start: float, end: float) -> list[float]:
    """When it says that safety is silent, asked four times a second."""
    return [t / 4 for t in range(int(start * 4), int(end * 4)) if switch.silent(t / 4)]


def test_it_says_nothing_before_it_has_listened_for_a_lease() -> None:
    switch = DeadMansSwitch(10.0)
    switch.hear(0.0)
    switch.begin(100.0)
    assert looked_at(switch, 100, 120)[0] == 110


def test_signs_of_life_put_it_off_and_the_last_one_counts() -> None:
    switch = DeadMansSwitch(10.0)
    switch.begin(0.0)
    for second in range(1, 31):
        switch.hear(float(second))
        assert not looked_at(switch, second, second + 1)
    assert looked_at(switch, 31, 50)[0] == 40


def test_it_is_not_silent_any_more_when_safety_is_heard_again() -> None:
    switch = DeadMansSwitch(10.0)
    switch.begin(0.0)
    assert looked_at(switch, 0, 20)
    switch.hear(20.0)
    assert not looked_at(switch, 20, 29)


def test_time_in_which_the_process_was_frozen_does_not_count() -> None:
    switch = DeadMansSwitch(10.0)
    switch.begin(0.0)
    assert not looked_at(switch, 0, 5)
    assert looked_at(switch, 65, 80)[0] == pytest.approx(69, abs=0.5)


def test_a_loop_that_is_always_late_puts_it_off_and_does_not_defeat_it() -> None:
    switch = DeadMansSwitch(10.0)
    switch.begin(0.0)
    assert next(t for t in range(0, 60, 3) if switch.silent(float(t))) <= 33


def test_a_sign_of_life_right_after_a_freeze_counts_from_its_own_moment() -> None:
    switch = DeadMansSwitch(10.0)
    switch.begin(0.0)
    switch.hear(60.0)
    assert looked_at(switch, 60, 80)[0] == 70


def test_it_has_to_be_told_when_it_begins() -> None:
    with pytest.raises(RuntimeError, match="nobody listens"):
        DeadMansSwitch(10.0).silent(0.0)


def test_whether_it_was_heard_lately_is_known_without_listening_and_who_never_heard_it_says_nothing() -> None:
    switch = DeadMansSwitch(5.0)
    assert not switch.unheard(1000.0)
    switch.hear(1000.0)
    assert [switch.unheard(now) for now in (1004.9, 1005.0, 2000.0)] == [False, True, True]
    switch.hear(2000.0)
    assert not switch.unheard(2001.0)
