"""What templates there are, and rules made of them: answers to ``query.logic.templates`` and ``…fill``. Pure.

What a template needs is read off the function that makes its rule, so that neither can say what the other does not.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, Final, get_args

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.logic import ExportRules, FillTemplate, RulesText, Template, TemplateParameter
from kaiser.contracts.refusals import Fault, Refusal, refusal_of
from kaiser.contracts.rules import Place, Rule
from kaiser.logic import texts
from kaiser.logic.templates import TEMPLATES

KINDS: Final[dict[type, Any]] = {  # a word of :class:`TemplateParameter` by type
    SensorRef: "sensor",
    ActuatorRef: "actuator",
    Place: "place",
    float: "number",
    int: "whole",
    str: "text",
}
_ARGUMENT = re.compile(r"^ {4}(?P<name>\w+): (?P<words>.+)$", re.MULTILINE)


@cache
def offered() -> tuple[Template, ...]:
    """Every template, by name."""
    return tuple(_template(name) for name in sorted(TEMPLATES))


def fill(asked: FillTemplate) -> Rule:
    """The rule that a template makes of facts; nothing about the site is checked.

    Raises:
        Refusal: RULE_NOT_FOUND where there is no such template, RULE_INVALID with the faults by parameter.
    """
    make = TEMPLATES.get(asked.name)
    if make is None:
        words = f"there is no template {asked.name!r}; there are {', '.join(sorted(TEMPLATES))}"
        raise Refusal(Code.RULE_NOT_FOUND, words, "name")
    signature = inspect.signature(make)
    given, faults = {}, []
    for name, value in asked.parameters.items():
        if name not in signature.parameters:
            faults.append(_fault(name, f"the template takes {', '.join(signature.parameters)}"))
            continue
        try:
            given[name] = msgspec.convert(value, signature.parameters[name].annotation)
        except msgspec.ValidationError as error:
            words, _, path = str(error).removesuffix("`").partition(" - at `$")
            faults.append(_fault(name + path, words))
    faults += _missing(signature, asked.parameters)
    if faults:
        raise refusal_of(Code.RULE_INVALID, faults)
    return make(**given)


def export(asked: ExportRules, rules: Mapping[str, Rule]) -> RulesText:
    """Rules as YAML.

    Args:
        asked: Which.
        rules: All that there are, by id: live versions, else the newest.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    wanted = sorted(rules) if asked.rule_ids is None else asked.rule_ids
    missing = [rule_id for rule_id in wanted if rule_id not in rules]
    if missing:
        raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {', '.join(missing)}", "rule_ids")
    return RulesText(text=texts.dump({rule_id: rules[rule_id] for rule_id in wanted}))


def _template(name: str) -> Template:
    make = TEMPLATES[name]
    words, _, arguments = inspect.cleandoc(make.__doc__ or "").partition("\n\nArgs:\n")
    described = {found["name"]: found["words"] for found in _ARGUMENT.finditer(arguments)}
    parameters = [
        TemplateParameter(
            name=each.name,
            kind=KINDS[_type(each.annotation)],
            description=described[each.name],
            required=each.default is each.empty,
            default=None if each.default is each.empty else each.default,
        )
        for each in inspect.signature(make).parameters.values()
    ]
    return Template(name=name, description=words, parameters=parameters)


def _type(annotation: Any) -> type:  # a type, or one that may be left out
    found: type = next(each for each in (*get_args(annotation), annotation) if each is not NoneType)
    return found


def _missing(signature: inspect.Signature, given: Mapping[str, Any]) -> Iterator[Fault]:
    for each in signature.parameters.values():
        if each.default is each.empty and each.name not in given:
            yield _fault(each.name, "it is needed")


def _fault(path: str, detail: str) -> Fault:
    return Fault(path=path, code=Code.RULE_INVALID, detail=detail)
