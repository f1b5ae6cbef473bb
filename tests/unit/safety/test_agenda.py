"""When to look at an actuator again."""

from kaiser.safety.agenda import Agenda

from .builders import LAMP, PUMP


def test_whose_time_has_come_is_due_once():
    agenda = Agenda()
    agenda.plan(PUMP, 10)
    agenda.plan(LAMP, 20)
    assert agenda.due(9) == frozenset()
    assert agenda.due(20) == {PUMP, LAMP}
    assert agenda.due(30) == frozenset()


def test_a_look_that_is_planned_over_and_over_is_kept_once():
    agenda = Agenda()
    for _ in range(1000):
        agenda.plan(PUMP, 10)
    assert len(agenda) == 1
    agenda.due(10)
    agenda.plan(PUMP, 10)
    assert agenda.due(10) == {PUMP}


def test_a_look_that_is_put_forward_is_due_then():
    agenda = Agenda()
    agenda.plan(PUMP, 20)
    agenda.plan(PUMP, 10)
    assert agenda.due(10) == {PUMP}
    agenda.plan(PUMP, 30)
    assert PUMP in agenda.due(30)
