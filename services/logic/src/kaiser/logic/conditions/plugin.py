"""Conditions of others: entry points ``kaiser.logic.conditions``, each an evaluator that takes a :class:`Plugin`."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from kaiser.contracts.rules import Plugin
from kaiser.logic.conditions.node import Build, ConditionError, Evaluator, Needs, Node

GROUP: Final = "kaiser.logic.conditions"


class PluginError(ValueError):
    """A plug-in cannot be loaded, or is not what it should be."""


def plugins(found: Iterable[EntryPoint] | None = None) -> dict[str, Evaluator]:
    """Evaluators of plug-ins by name. Looks through installed packages, so do it once.

    Args:
        found: Entry points; None for those of the installed packages.

    Raises:
        PluginError: One cannot be loaded, cannot be called, or has a name that another has.
    """
    evaluators: dict[str, Evaluator] = {}
    for entry in entry_points(group=GROUP) if found is None else found:
        if entry.name in evaluators:
            raise PluginError(f"Two packages offer a condition {entry.name!r}: uninstall one of them.")
        try:
            evaluator = entry.load()
        except Exception as error:  # whatever an import of foreign code can raise
            raise PluginError(f"Cannot load condition {entry.name!r}: {type(error).__name__}: {error}") from error
        if not callable(evaluator):
            raise PluginError(f"Condition {entry.name!r} is no function, but {type(evaluator).__name__}.")
        evaluators[entry.name] = evaluator
    return evaluators


def build(condition: Plugin, needs: Needs, build: Build) -> Node:
    """Its node, which the plug-in makes."""
    evaluator = needs.plugins.get(condition.name)
    if evaluator is None:
        raise ConditionError("name", "PLUGIN_UNKNOWN", f"no plug-in offers a condition {condition.name!r}")
    return evaluator(condition, needs, build)
