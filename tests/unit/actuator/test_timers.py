"""Moments, counted down by the monotonic clock."""

import msgspec

from kaiser.actuator.commands import US, Due, Patience
from kaiser.actuator.state import HOUR_US, NEW
from kaiser.actuator.timers import AGAIN_S, Seen, Timers, dues

WALL = 1_777_500_000 * US


def due(name: str, *, in_s: float, since_s: float = 0.0) -> Due:
    return Due("off", name, 1, WALL + round(since_s * US), WALL + round(in_s * US))


def test_what_is_due_comes_in_the_order_of_its_moments():
    timers: Timers[str] = Timers()
    timers.plan("a", [due("later", in_s=20), due("sooner", in_s=5)], wall=WALL, monotonic=100)
    timers.plan("b", [due("between", in_s=10)], wall=WALL, monotonic=100)
    assert timers.next_at() == 105
    assert timers.take_due(104.9) == []
    assert [one.command_id for _, one in timers.take_due(111)] == ["sooner", "between"]
    assert timers.next_at() is not None


def test_a_plan_that_no_longer_holds_is_not_waited_for():
    timers: Timers[str] = Timers()
    timers.plan("a", [due("x", in_s=5)], wall=WALL, monotonic=100)
    timers.plan("a", [], wall=WALL, monotonic=101)
    assert timers.next_at() is None
    assert timers.take_due(1000) == []
    assert len(timers) == 0


def test_planning_the_same_again_does_not_begin_to_count_anew():
    timers: Timers[str] = Timers()
    assert timers.plan("a", [due("x", in_s=10)], wall=WALL, monotonic=100)
    assert not timers.plan("a", [due("x", in_s=10)], wall=WALL - 3600 * US, monotonic=105)
    assert timers.next_at() == 110


def test_a_clock_that_was_set_back_makes_no_wait_longer_than_it_was():
    timers: Timers[str] = Timers()
    timers.plan("a", [due("x", in_s=10)], wall=WALL - 3600 * US, monotonic=100)
    assert timers.next_at() == 110


def test_what_is_past_is_due_at_once():
    timers: Timers[str] = Timers()
    timers.plan("a", [due("x", in_s=10)], wall=WALL + 3600 * US, monotonic=100)
    assert [key for key, _ in timers.take_due(100)] == ["a"]


def test_what_stays_due_is_due_again_a_little_later_and_not_at_once():
    timers: Timers[str] = Timers()
    timers.plan("a", [due("x", in_s=1)], wall=WALL, monotonic=100)
    assert len(timers.take_due(101)) == 1
    assert timers.take_due(101) == []
    assert len(timers.take_due(101 + AGAIN_S)) == 1


def test_many_changes_of_plan_leave_nothing_behind():
    timers: Timers[str] = Timers()
    for number in range(1000):
        timers.plan("a", [due(str(number), in_s=10)], wall=WALL, monotonic=100)
    assert len(timers) == 1
    assert [one.command_id for _, one in timers.take_due(200)] == ["999"]


def test_what_does_not_do_what_it_says_after_a_reset_is_told_off_at_once_and_then_more_and_more_seldom():
    seen, patience = Seen(reset_at=WALL), Patience(insist_s=15.0)

    def pause_s(failed_after_s: float) -> float:
        state = msgspec.structs.replace(NEW, ended_at=WALL + round(failed_after_s * US))
        (found,) = dues(state, seen, patience)
        assert found.kind == "reset"
        return (found.at - found.since) / US

    assert dues(NEW, seen, patience) == (Due("reset", "", 0, WALL, WALL),)
    assert [pause_s(after_s) for after_s in (1, 30, 600, 7200)] == [15.0, 30.0, 600.0, HOUR_US / US]
    assert dues(msgspec.structs.replace(NEW, done_at=WALL), seen, patience) == ()
    assert dues(NEW, Seen(), patience) == ()
