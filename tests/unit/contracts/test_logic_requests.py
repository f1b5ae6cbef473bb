"""What is asked of logic and what it answers can be written and read again."""

from typing import Any

import msgspec
import pytest

from kaiser.contracts import logic
from kaiser.contracts.queries import Page, Problem, Reply
from kaiser.contracts.refusals import Fault, refusal_of

STRUCTS = [each for each in vars(logic).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_every_request_and_answer_can_be_read(kind: Any):
    for form in (kind, Reply[kind], Reply[Page[kind]], Reply[list[kind]]):  # type: ignore[valid-type]
        msgspec.json.Decoder(form)


def test_a_refusal_says_every_fault_with_its_path_in_words_and_as_data():
    faults = [
        Fault(path="condition.sensor", code="SENSOR_NOT_FOUND", detail="there is no sensor"),
        Fault(path="", code="RULE_CYCLE", detail="a sets off a", weight="warning"),
    ]
    refusal = refusal_of("RULE_INVALID", faults)
    assert refusal.detail == "condition.sensor: there is no sensor\na sets off a"
    problem = Problem(refusal.code, refusal.detail, refusal.where, refusal.faults)
    assert msgspec.json.decode(msgspec.json.encode(problem), type=Problem).faults == tuple(faults)
