"""What safety would have said in the past, as far as a backtest knows."""

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.events.registry import ZoneSettled
from kaiser.contracts.events.safeguards import (
    AtMost,
    DutyCycle,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    Limits,
    LimitsSet,
    OnlyWhile,
    PowerBudget,
    Scope,
    SensorBand,
)
from kaiser.contracts.rules import Command, CronTrigger, Delay
from kaiser.logic.backtest import backtest
from kaiser.logic.ordering import Message
from kaiser.logic.past.gathering import widened
from kaiser.logic.past.watching import Watch

from .builders import AIR, ESP, FAN, HOUR, MINUTE, NOON, PUMP, readings, rule, status

ABOUT = {"at": 0, "by": "t", "reason": "t"}
EACH_TEN_MINUTES = (CronTrigger(expression="*/10 * * * *"),)
FOR_A_MINUTE = Command(actuator=PUMP, command="ON", duration_s=60)


def interlock(rule, interlock_id="i"):
    return InterlockSet(interlock_id=interlock_id, rule=rule, **ABOUT)


def limits(actuator, **fields):
    return LimitsSet(esp_id=actuator.esp_id, gpio=actuator.gpio, limits=Limits(**fields), **ABOUT)


def settled(esp_id, zone_id):
    return ZoneSettled(
        kaiser_id="god", esp_id=esp_id, at=0, by="t", correlation_id="c", zone_id=zone_id, outcome="confirmed"
    )


def vetoes(*events, actions=(FOR_A_MINUTE,)):
    """Codes of what safety refuses in an hour in which the pump is to be on for a minute each ten; events by minute."""
    messages = [
        Message(NOON + minute * MINUTE - 1, "ANY", i, event) for i, (minute, event) in enumerate(events, start=1)
    ]
    tried = rule(None, actions, triggers=EACH_TEN_MINUTES)
    report = backtest({"r": (1, tried)}, "r", messages, start=NOON, end=NOON + HOUR - 1)
    return [((veto.at - NOON) // MINUTE, veto.code) for veto in report.vetoed]


def test_without_anything_in_force_nothing_is_refused() -> None:
    assert vetoes() == []


def test_of_two_that_exclude_each_other_one_waits_for_the_other() -> None:
    both = interlock(AtMost(most=1, actuators=(PUMP, FAN)))
    fan = [(minute, status(FAN, level, NOON + minute * MINUTE)) for minute, level in ((1, 0.0), (15, 1.0), (25, 0.0))]
    assert vetoes((0, both), *fan) == [(0, Code.INTERLOCKED), (20, Code.INTERLOCKED)]  # at first nothing is known of it


def test_an_interlock_holds_until_it_is_removed() -> None:
    both = interlock(AtMost(most=1, actuators=(PUMP, FAN)))
    fan = status(FAN, 1.0, NOON)
    gone = InterlockRemoved(interlock_id="i", **ABOUT)
    assert vetoes((0, both), (0, fan), (35, gone)) == [(minute, Code.INTERLOCKED) for minute in (0, 10, 20, 30)]


def test_what_needs_another_waits_until_that_has_been_on_for_long_enough() -> None:
    needs = interlock(OnlyWhile(actuator=PUMP, requires=FAN, for_s=900))
    on = status(FAN, 1.0, NOON + 9 * MINUTE)
    assert vetoes((0, needs), (9, on)) == [(minute, Code.INTERLOCKED) for minute in (0, 10, 20)]


@pytest.mark.parametrize(
    ("value", "code"), [(15.0, None), (5.0, Code.SENSOR_OUT_OF_BAND), (45.0, Code.SENSOR_OUT_OF_BAND)]
)
def test_a_band_asks_for_a_fresh_reading_within_it(value, code) -> None:
    band = interlock(SensorBand(actuator=PUMP, sensor=AIR, minimum=10.0, maximum=40.0, fresh_s=120))
    measured = [(minute, readings((AIR, value), at=NOON + minute * MINUTE - 2)) for minute in (0, 10, 20, 30)]
    said = [] if code is None else [(minute, code) for minute in (0, 10, 20, 30)]
    assert vetoes((0, band), *measured) == [*said, (40, Code.SENSOR_NOT_FRESH), (50, Code.SENSOR_NOT_FRESH)]


def test_a_zone_draws_no_more_than_its_budget() -> None:
    zone = (0, settled(ESP, "north"))
    budget = (0, interlock(PowerBudget(zone_id="north", watts=100)))
    powers = ((0, limits(PUMP, power_w=60)), (0, limits(FAN, power_w=80)))
    off, half, on = (status(FAN, level, NOON + 1) for level in (0.0, 0.45, 1.0))
    assert vetoes(zone, budget, *powers, (0, off), (15, half), (25, on), (35, off)) == [
        (30, Code.POWER_BUDGET_EXCEEDED)
    ]


def test_a_duty_cycle_counts_what_was_and_what_would_be() -> None:
    duty = limits(PUMP, duty_cycle=DutyCycle(share=0.05, window_s=3600))  # three minutes an hour
    assert vetoes((0, duty)) == [(minute, Code.DUTY_CYCLE_EXCEEDED) for minute in (30, 40, 50)]


def test_a_run_without_an_end_lasts_as_long_as_its_share_does() -> None:
    duty = limits(PUMP, duty_cycle=DutyCycle(share=0.05, window_s=3600))
    on = Command(actuator=PUMP, command="ON")
    tried = rule(None, (on, Delay(for_s=300)), triggers=(CronTrigger(expression="0 * * * *"),))
    message = Message(NOON - 2, "SAFETY", 1, duty)
    (pump,) = backtest({"r": (1, tried)}, "r", [message], start=NOON - 1, end=NOON + 30 * MINUTE).on_time
    assert pump.on_s == 180.0


def test_a_stop_of_a_zone_covers_what_is_or_may_be_in_it() -> None:
    def stop(zone_id):
        return EmergencyRequested(
            at=0, by="t", emergency_id=zone_id, scope=Scope(kind="zone", zone_id=zone_id), reason="leak"
        )

    assert vetoes((0, stop("north")))[0] == (0, Code.EMERGENCY_ACTIVE)  # nobody knows where the device is
    assert vetoes((0, settled(ESP, "north")), (0, stop("south"))) == []
    assert len(vetoes((0, settled(ESP, "north")), (25, stop("north")))) == 3


def test_what_safety_looks_at_is_read_with_what_the_rule_looks_at() -> None:
    known = [
        Message(1, "SAFETY", 1, interlock(AtMost(most=1, actuators=(PUMP, FAN)))),
        Message(2, "SAFETY", 2, interlock(SensorBand(actuator=PUMP, sensor=AIR), "band")),
        Message(3, "SAFETY", 3, InterlockRemoved(interlock_id="i", **ABOUT)),
    ]
    found = widened(Watch(), [known], frozenset({(ESP, PUMP.gpio)}))
    assert found.actuators == {(ESP, FAN.gpio)}
    assert set(found.sensors) == {(AIR.esp_id, AIR.gpio, AIR.sensor_type)}
    assert widened(Watch(), [known], frozenset({("ESP_9", 1)})) == Watch()
