"""Templates as clients see them, and rules as YAML."""

import msgspec
import pytest

from kaiser.contracts.logic import ExportRules, FillTemplate
from kaiser.contracts.refusals import Refusal
from kaiser.logic.filling import export, fill, offered
from kaiser.logic.templates import TEMPLATES
from kaiser.logic.texts import load
from kaiser.logic.validating import Site, check, read

from .builders import ESP, rule

SENSOR = {"esp_id": ESP, "gpio": 34, "sensor_type": "moisture"}
FACTS = {"sensor": SENSOR, "actuator": {"esp_id": ESP, "gpio": 25}, "place": {"latitude": 52.52, "longitude": 13.405}}


def test_every_template_says_what_it_needs():
    assert [each.name for each in offered()] == sorted(TEMPLATES)
    for template in offered():
        assert template.description
        assert all(parameter.description for parameter in template.parameters)
    irrigation = next(each for each in offered() if each.name == "irrigation")
    assert [(each.name, each.kind, each.required, each.default) for each in irrigation.parameters] == [
        ("soil", "sensor", True, None),
        ("pump", "actuator", True, None),
        ("dry", "number", False, 30.0),
        ("wet", "number", False, 45.0),
        ("rain", "sensor", False, None),
        ("raining_above", "number", False, 0.0),
    ]


@pytest.mark.parametrize("template", offered(), ids=lambda template: template.name)
def test_a_template_is_filled_with_what_it_says_that_it_needs(template):
    needed = {each.name: FACTS[each.kind] for each in template.parameters if each.required}
    made = fill(FillTemplate(name=template.name, parameters=needed))
    assert check(template.name, made, Site()) == []


def test_what_does_not_fit_is_refused_by_the_name_of_the_parameter():
    wrong = {"soil": {**SENSOR, "gpio": "34"}, "dry": "very", "pmup": FACTS["actuator"]}
    with pytest.raises(Refusal) as refused:
        fill(FillTemplate(name="irrigation", parameters=wrong))
    assert [fault.path for fault in refused.value.faults] == ["soil.gpio", "dry", "pmup", "pump"]
    with pytest.raises(Refusal) as refused:
        fill(FillTemplate(name="tea"))
    assert (refused.value.code, "irrigation" in refused.value.detail) == ("RULE_NOT_FOUND", True)


def test_rules_are_written_so_that_they_are_read_as_they_were():
    rules = {"b": rule(name="B", cooldown_s=1, triggers=()), "a": fill_irrigation()}
    text = export(ExportRules(), rules).text
    back = {rule_id: read(value) for rule_id, value in load(text).items()}
    assert back == rules
    assert list(back) == ["a", "b"]
    assert list(load(export(ExportRules(rule_ids=["b"]), rules).text)) == ["b"]
    with pytest.raises(Refusal) as refused:
        export(ExportRules(rule_ids=["a", "c"]), rules)
    assert (refused.value.code, refused.value.detail) == ("RULE_NOT_FOUND", "there is no rule c")


def fill_irrigation():
    made = fill(FillTemplate(name="irrigation", parameters={"soil": SENSOR, "pump": FACTS["actuator"], "dry": 25}))
    return msgspec.structs.replace(made, cooldown_s=60)
