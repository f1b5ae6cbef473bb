"""The time that counts for a run, whatever is done to the wall clock."""

from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.safety.clocks import RunClock

PUMP = ActuatorRef("ESP_0A1B2C", 25)
NOW, SECOND = 1_800_000_000_000_000, 1_000_000


def test_a_run_is_no_longer_because_the_clock_was_set_back():
    clock = RunClock()
    assert clock.now(PUMP, NOW, NOW, 0) == NOW
    assert clock.now(PUMP, NOW, NOW - 3600 * SECOND, 60 * SECOND) == NOW + 60 * SECOND


def test_a_clock_that_is_set_forward_counts():
    clock = RunClock()
    clock.now(PUMP, NOW, NOW, 0)
    assert clock.now(PUMP, NOW, NOW + 3600 * SECOND, SECOND) == NOW + 3600 * SECOND


def test_each_run_has_a_clock_of_its_own():
    clock = RunClock()
    clock.now(PUMP, NOW, NOW, 0)
    back = NOW - 3600 * SECOND
    assert clock.now(PUMP, 0, back, 60 * SECOND) == back
    assert clock.now(PUMP, back, back, 61 * SECOND) == back
    assert clock.now(PUMP, back, back + SECOND, 62 * SECOND) == back + SECOND


def test_after_a_restart_a_run_whose_clock_was_set_back_is_at_most_as_long_again():
    clock, since = RunClock(), 1_800_000_000_000_000
    day_us = 86_400_000_000
    assert clock.now(PUMP, since, since - day_us, 5_000_000) == since
    assert clock.now(PUMP, since, since - day_us + 60_000_000, 65_000_000) == since + 60_000_000
