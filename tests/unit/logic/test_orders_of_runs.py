"""What a run asks for, as the actuator service is asked for it."""

from kaiser.contracts.events.logic import CommandAsked
from kaiser.logic.effects import order_of
from kaiser.logic.times import SECOND

NOON = 1_777_464_000 * SECOND


def asked(**fields):
    usual = {
        "n": 1,
        "at": NOON,
        "rule_id": "water",
        "version": 2,
        "run_id": "water.2.7",
        "step": 3,
        "path": "actions[0]",
    }
    return CommandAsked(**usual | {"esp_id": "ESP_0A1B2C", "gpio": 25, "command": "ON", "timeout_s": 30} | fields)


def test_the_same_step_has_the_same_key_and_says_who_asks():
    order = order_of(asked(), NOON)
    assert (order.idempotency_key, order.source, order.by) == ("water.2.7/3", "rule", "rule water")
    assert (order.correlation_id, order.reason) == ("water.2.7", "run water.2.7, actions[0]")


def test_time_that_has_passed_is_not_granted_again():
    assert order_of(asked(), NOON + 12 * SECOND).timeout_s == 18
    assert order_of(asked(command="OFF"), NOON + 99 * SECOND).timeout_s == 1
    waits = order_of(asked(hold_s=60), NOON + 12 * SECOND)
    assert (waits.hold_s, waits.timeout_s) == (48, 30)
