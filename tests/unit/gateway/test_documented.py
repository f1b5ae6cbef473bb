"""What the API says of itself is true: its examples are taken, and its codes have their status."""

import msgspec
import pytest

from kaiser.contracts.codes import Code
from kaiser.gateway.api import (
    actuators,
    commands,
    documented,
    emergencies,
    rule_runs,
    rule_texts,
    rules,
    rules_as_monolith,
    safeguards,
)
from kaiser.gateway.api.problems import STATUS_OF

HANDLERS = (
    commands.command,
    actuators.set_policy,
    emergencies.stop,
    emergencies.release,
    safeguards.set_limits,
    safeguards.set_interlock,
    safeguards.clear_alert,
    rules.define,
    rules.enable,
    rules.disable,
    rules.hold_up,
    rule_runs.backtest,
    rule_runs.what_if,
    rule_texts.fill,
    rules_as_monolith.create,
)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.handler_name)
def test_every_example_is_a_body_that_is_taken(handler):
    body = handler.parsed_fn_signature.parameters["data"]
    examples = body.kwarg_definition.examples
    assert examples
    for example in examples:
        msgspec.convert(example.value, body.annotation)


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (400, {Code.COMMAND_NOT_FOR_TYPE, Code.VALUE_OUT_OF_RANGE, Code.INVALID_PAYLOAD_FORMAT}),
        (404, {code for code in Code if code.endswith("_NOT_FOUND")}),
        (503, {Code.SAFETY_UNAVAILABLE, Code.DATABASE_ERROR, Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT}),
        (409, {Code.ESP_OFFLINE, Code.DEVICE_DEAF, Code.EMERGENCY_ACTIVE, Code.IDEMPOTENCY_CONFLICT}),
        (409, {Code.COMMAND_ENDED, Code.EMERGENCY_UNCONFIRMED, Code.INTERLOCK_CONTRADICTION}),
        (409, {Code.LEVEL_NOT_ALLOWED, Code.RUN_TOO_LONG, Code.COOLING_DOWN, Code.TOO_MANY_STARTS, Code.SAFE_MODE}),
        (409, {Code.DUTY_CYCLE_EXCEEDED, Code.OUTSIDE_ALLOWED_HOURS, Code.INTERLOCKED, Code.POWER_BUDGET_EXCEEDED}),
        (409, {Code.RULE_CHANGED, Code.BACKTEST_REQUIRED}),
        (400, {Code.RULE_INVALID, Code.RULE_CYCLE, Code.UNIT_MISMATCH}),
        (409, {Code.SENSOR_NOT_FRESH, Code.SENSOR_OUT_OF_BAND, Code.STATE_UNKNOWN}),
    ],
)
def test_a_code_has_the_status_that_tells_a_client_what_to_do(status, codes):
    assert {code: STATUS_OF.get(code, 400) for code in codes} == dict.fromkeys(codes, status)


def test_refusals_are_grouped_by_their_status():
    found = documented.refusals(Code.COMMAND_NOT_FOUND, Code.COOLING_DOWN, Code.ESP_OFFLINE)
    assert list(found) == [404, 409]
    assert [example.value["code"] for example in found[409].examples] == ["COOLING_DOWN", "ESP_OFFLINE"]
