"""How an event of the log is shown to clients. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

Fields = dict[str, Any]  # fields of an event's body, which differ by its type


def never(_: Fields) -> bool:
    """Of no event."""
    return False


def always(_: Fields) -> bool:
    """Of every event."""
    return True


def grave(fields: Fields) -> bool:
    """Of those that are more than a warning."""
    return fields.get("severity") in {"error", "critical"}


class Shown(NamedTuple):
    """Under which name an event is shown, and with which fields.

    Attributes:
        name: What clients ask for.
        fields: Its fields, of those of its body.
        urgent: Which of them wait for no frame.
        meant: Which of them are shown at all.
    """

    name: str
    fields: Callable[[Fields], Fields]
    urgent: Callable[[Fields], bool] = never
    meant: Callable[[Fields], bool] = always


def as_it_is(message: Fields) -> Fields:
    """The body itself."""
    return message


def in_state(state: str) -> Callable[[Fields], Fields]:
    """A step in the life of a command, a stop, an alert or a rule."""

    def fields(message: Fields) -> Fields:
        return message | {"state": state}

    return fields
