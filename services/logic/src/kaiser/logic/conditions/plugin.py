"""Conditions of others: entry points ``kaiser.logic.conditions``, each an evaluator that takes a :class:`Plugin`.

All rules are evaluated one after the other in one process, so what a plug-in does wrong must stay its own rule's
matter: one that raises is *not known*, and one that wants to be looked at again in the past waits for a second.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import Plugin
from kaiser.logic.conditions.node import (
    Build,
    ConditionError,
    Evaluator,
    Listener,
    Look,
    Memory,
    Needs,
    Node,
    Truth,
)
from kaiser.logic.times import SECOND
from kaiser.logic.world import Occurrence

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
    heard = len(needs.listeners)
    try:
        node = evaluator(condition, needs, build)
    except ConditionError:
        raise
    except Exception as error:  # whatever foreign code can raise
        words = f"plug-in {condition.name!r} does not take them: {type(error).__name__}: {error}"
        raise ConditionError("parameters", "RULE_INVALID", words) from error
    needs.listeners[heard:] = [_Hearing(listener) for listener in needs.listeners[heard:]]
    return _Guarded(condition.name, node)


class _Guarded:
    """The node of a plug-in, whose faults are its own."""

    __slots__ = ("_name", "_node")

    def __init__(self, name: str, node: Node) -> None:
        self._name = name
        self._node = node

    def truth(self, look: Look) -> Truth:
        """What the plug-in says; not known where it raises."""
        wake = look.wake
        try:
            truth = self._node.truth(look)
        except Exception:  # noqa: BLE001  # foreign code
            look.wake = wake
            return None
        if look.wake <= look.now:
            look.wake = min(wake, look.now + SECOND)
        return None if truth is None else bool(truth)

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""
        try:
            return self._node.seen(look)
        except Exception as error:  # noqa: BLE001
            # No more of it than its type: a text with an address in it would be another one in a backtest
            return Seen(kind="plugin", truth=None, what=self._name, note=f"it failed: {type(error).__name__}")


class _Hearing:
    """What a plug-in hears of what happens."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def notice(self, occurrence: Occurrence, at: int, seq: int, memory: Memory) -> bool:
        """Whether it waits for this; not where it raises."""
        try:
            return bool(self._listener.notice(occurrence, at, seq, memory))
        except Exception:  # noqa: BLE001  # foreign code
            return False
