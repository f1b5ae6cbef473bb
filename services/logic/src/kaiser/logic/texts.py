"""Rules as YAML, for people and their repositories.

YAML as of version 1.2 in what looks like a number or a truth: ``ON`` and ``22:00`` are texts here, which older readers
take for *true* and for 1320. What is written is quoted where those would misread it.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import msgspec
import yaml

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import Rule

Values = dict[str, Any]  # plain JSON values of a rule


class TextError(ValueError):
    """This is no YAML of rules.

    Attributes:
        fault: What is wrong, and where.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(path=path, code=Code.RULE_INVALID, detail=detail)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # how PyYAML is told

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Aliases are refused: a few of them can mean more than fits into memory."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise TextError("", f"line {mark.line + 1}: aliases are not read; write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A key that comes twice is refused: one of them would be lost."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            raise TextError(str(twice), f"line {node.start_mark.line + 1}: {twice!r} comes twice")
        return super().construct_mapping(node, deep=deep)


def _finite(loader: Any, node: Any) -> float:
    """What is not finite is refused: JSON, which the log keeps, has nothing for it."""
    value = float(loader.construct_yaml_float(node))
    if not isfinite(value):
        raise TextError("", f"line {node.start_mark.line + 1}: {node.value} is no finite number")
    return value


_Loader.add_constructor("tag:yaml.org,2002:float", _finite)

_SCALARS: Final = (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def dump(rules: Mapping[str, Rule]) -> str:
    """Rules by id, without what is as it would be anyway."""
    values = {"rules": {rule_id: _plain(rule) for rule_id, rule in rules.items()}}
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return text


def load(text: str) -> dict[str, Values]:
    """Rules by id as JSON values, not checked yet.

    Raises:
        TextError: It is no YAML, or has no rules.
    """
    try:
        values = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise TextError("", " ".join(str(error).split())) from None
    except RecursionError:
        raise TextError("rules", "there is too much within each other") from None
    if not isinstance(values, dict) or set(values) != {"rules"} or not isinstance(values["rules"], dict):
        raise TextError("rules", "a mapping with one key, rules, from ids to rules, is expected")
    for rule_id, rule in values["rules"].items():
        if not isinstance(rule_id, str) or not isinstance(rule, dict):
            raise TextError(f"rules.{rule_id}", "an id and a rule are expected")
    rules: dict[str, Values] = values["rules"]
    return rules


def _plain(value: Any) -> Any:  # a part of a rule, to JSON values
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field is not None and config.tag is not None else {}
        fields = {
            field.name: _plain(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if getattr(value, field.name) != _default(field)
        }
        return tag | fields
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
