"""What rules are called, ids made of names, and versions in headers."""

import msgspec
import pytest
from litestar.exceptions import ValidationException

from kaiser.contracts.events.logic import RuleDefined, RuleEnabled
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Command, EmergencyActive, Rule
from kaiser.eventlog import Delivery
from kaiser.gateway.api.rules import expected
from kaiser.gateway.api.rules_as_monolith import rule_id_of
from kaiser.gateway.rulenames import RuleNames

RULE = Rule(
    name="Water",
    condition=EmergencyActive(),
    actions=(Command(actuator=ActuatorRef("ESP_9F03D4", 25), command="ON"),),
)


def delivery(event_type: str, data: bytes) -> Delivery:
    found = Delivery("logic.rule.water.defined", data, "$JS.ACK.LOGIC.c.1.7.7.1777500031250000000.0", b"")
    found.adopt({"ce-type": event_type})
    return found


def test_a_rule_is_called_what_its_newest_version_says():
    names = RuleNames()
    assert names.of("water") == "water"
    about = {"rule_id": "water", "at": 1, "by": "eva"}
    for version, name in enumerate(("Water", "Water more"), start=1):
        defined = RuleDefined(version=version, rule=msgspec.structs.replace(RULE, name=name), **about)
        names.take(delivery(RuleDefined.TYPE, msgspec.json.encode(defined)))
        assert names.of("water") == name
    names.take(delivery(RuleEnabled.TYPE, msgspec.json.encode(RuleEnabled(version=1, **about))))
    names.take(delivery(RuleDefined.TYPE, b"{}"))
    assert names.of("water") == "Water more"


@pytest.mark.parametrize(
    ("name", "rule_id"),
    [("Water North", "water-north"), ("  Gießen: 2x/Tag! ", "gie-en-2x-tag"), ("x" * 99, "x" * 60), ("a_b", "a_b")],
)
def test_an_id_is_made_of_a_name(name: str, rule_id: str):
    assert rule_id_of(name) == rule_id


@pytest.mark.parametrize("name", ["", "!", "---"])
def test_a_name_without_a_letter_makes_no_id(name: str):
    with pytest.raises(ValidationException):
        rule_id_of(name)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "version"),
    [
        (None, None, None),
        ("*", None, None),
        ('"3"', None, 3),
        ('W/"12"', None, 12),
        (None, "*", 0),
    ],
)
def test_headers_say_which_version_a_client_knows(if_match, if_none_match, version):
    assert expected(if_match, if_none_match) == version


@pytest.mark.parametrize(("if_match", "if_none_match"), [("three", None), ('"-3"', None), ('"³"', None), (None, '"3"')])
def test_other_headers_are_refused(if_match, if_none_match):
    with pytest.raises((ValidationException, Refusal)):
        expected(if_match, if_none_match)
