"""What docs/rules.md shows is taken, and no kind is left out."""

import re
import textwrap
from pathlib import Path
from typing import get_args

import pytest

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Action, Condition, Rule, Trigger
from kaiser.logic import walking
from kaiser.logic.filling import offered
from kaiser.logic.texts import load
from kaiser.logic.validating import Site, check, read

from .builders import ON, rule

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml (\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMAND = "[{kind: command, actuator: {esp_id: ESP_9F03D4, gpio: 25}, command: ON, duration_s: 60}]"
AROUND = {
    "condition": f"name: A rule\nactions: {COMMAND}\ncondition:\n",
    "triggers": f"name: A rule\nactions: {COMMAND}\ntriggers:\n",
    "actions": "name: A rule\ncondition: {kind: emergency}\nactions:\n",
}
OTHERS = {"heat": rule(name="Heat", actions=(ON,))}


class _Deficit:
    """A condition of somebody else."""

    def truth(self, _):
        return None

    def seen(self, _):
        return Seen(kind="plugin", truth=None)


PLUGINS = {"vapour_deficit": lambda *_: _Deficit()}


def within(around, text):
    return "rules:\n  example:\n" + textwrap.indent(around + textwrap.indent(text, "  "), "    ")


SHOWN = [
    read(values)
    for form, text in BLOCKS
    for values in load(text if form == "rules" else within(AROUND[form], text)).values()
]


@pytest.mark.parametrize("shown", SHOWN)
def test_an_example_is_a_rule_without_faults(shown):
    assert isinstance(shown, Rule), shown
    assert [fault for fault in check("example", shown, Site(rules=OTHERS), PLUGINS) if fault.weight == "error"] == []


def test_there_is_an_example_of_every_kind():
    conditions = {type(each) for one in SHOWN for _, each in walking.conditions(one)}
    actions = {type(each) for one in SHOWN for _, each in walking.actions(one)}
    triggers = {type(each) for one in SHOWN for each in one.triggers}
    assert conditions == set(get_args(Condition))
    assert actions == set(get_args(Action))
    assert triggers == set(get_args(Trigger))


def test_the_templates_are_those_that_there_are():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [(name, what, re.findall(r"\w+", needs), re.findall(r"\w+", told)) for name, what, needs, told in rows] == [
        (
            each.name,
            each.description,
            [parameter.name for parameter in each.parameters if parameter.required],
            [parameter.name for parameter in each.parameters if not parameter.required],
        )
        for each in offered()
    ]
