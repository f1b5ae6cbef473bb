"""Whether today's event schemas still get along with those of the last release.

Both directions matter, because old and new services run side by side during an upgrade, and the log is kept for ever:
new code reads old events, and old code reads new events. A field may therefore only be added with a default, and a
released one may neither vanish, nor change its type, nor become optional where readers count on it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]  # JSON Schema, whose values are of any JSON type


def breaks(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> Iterator[str]:
    """Each incompatible change, in a sentence that names the event type and the field.

    Args:
        released: Event type to JSON Schema as of the last release.
        current: The same today; a type with an upcaster counts as present under its old schema.
    """
    for name, old in released.items():
        if name not in current:
            yield f"{name}: was released and is gone; keep it or add an upcaster"
        else:
            yield from _object_breaks(name, _Side(old), _Side(current[name]))


class _Side:
    """A schema with its definitions at hand."""

    def __init__(self, root: Schema, node: Schema | None = None) -> None:
        self.root = root
        self.node = self._resolve(root if node is None else node)

    def _resolve(self, node: Schema) -> Schema:
        while "$ref" in node:
            node = self.root["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return node

    def below(self, node: Schema) -> "_Side":
        return _Side(self.root, node)


def _object_breaks(path: str, old: _Side, new: _Side) -> Iterator[str]:
    old_fields: Schema = old.node.get("properties", {})
    new_fields: Schema = new.node.get("properties", {})
    old_required, new_required = set(old.node.get("required", ())), set(new.node.get("required", ()))
    for field in old_fields:
        if field not in new_fields:
            yield f"{path}.{field}: was released and is gone; old readers or old events need it"
        else:
            yield from _type_breaks(f"{path}.{field}", old.below(old_fields[field]), new.below(new_fields[field]))
    for field in sorted(new_required - old_required):
        yield f"{path}.{field}: is required now; events of the last release do not have it, give it a default"
    for field in sorted((old_required - new_required) & new_fields.keys()):
        yield f"{path}.{field}: is optional now; readers of the last release need it"


def _type_breaks(path: str, old: _Side, new: _Side) -> Iterator[str]:
    if "properties" in old.node and "properties" in new.node:
        yield from _object_breaks(path, old, new)
        return
    if old.node.get("type") == "array" == new.node.get("type"):
        yield from _type_breaks(f"{path}[]", old.below(old.node.get("items", {})), new.below(new.node.get("items", {})))
        return
    if _shape(old) != _shape(new):
        yield f"{path}: was {_shape(old)} and is {_shape(new)} now; give the event a new version and an upcaster"


def _shape(side: _Side) -> str:
    node = side.node
    if "anyOf" in node:
        return " or ".join(sorted(_shape(side.below(option)) for option in node["anyOf"]))
    if "enum" in node:
        return f"one of {node['enum']}"
    if node.get("type") == "array":
        return f"list of {_shape(side.below(node.get('items', {})))}"
    return str(node.get("title", node.get("type", "anything")))
