"""Event bodies to JSON and back, old versions included.

An event's type ends in its version (``….v1``). When a body must change in a way that the old one cannot be read as the
new one, the struct gets the next version and an upcaster that turns an old body, as plain JSON values, into the next
one. Readers then only ever see the newest.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

Body = dict[str, Any]  # plain JSON values of a body whose struct no longer exists
Upcaster = tuple[str, Callable[[Body], Body]]
"""Type that the old body becomes, and the pure function that turns it."""

UPCASTERS: dict[str, Upcaster] = {}
"""Old type to upcaster; empty while every event is in its first version."""

encode = msgspec.json.Encoder().encode
"""The JSON body of an event struct."""


class UnknownEventError(ValueError):
    """An event of a type that this release does not read."""


class EventDecoder:
    """Decodes bodies of the types it is given, upcasting old ones.

    Args:
        structs: Newest type to its struct.
        upcasters: Old type to upcaster; without them, those of :data:`UPCASTERS` that lead to a type of ``structs``.

    Raises:
        ValueError: One of ``upcasters`` leads to a type that no struct reads.
    """

    def __init__(self, structs: Mapping[str, Any], upcasters: Mapping[str, Upcaster] | None = None) -> None:
        self._upcasters = dict(_leading_to(structs) if upcasters is None else upcasters)
        self._structs = dict(structs)
        self._decoders = {name: msgspec.json.Decoder(struct) for name, struct in structs.items()}
        for old, (new, _) in self._upcasters.items():
            if new not in self._decoders and new not in self._upcasters:
                raise ValueError(f"upcaster of {old} leads to {new}, which nothing reads")

    def decode(self, event_type: str, body: bytes) -> Any:  # the struct follows from the type's name
        """The newest struct of an event.

        Raises:
            UnknownEventError: No struct and no upcaster for ``event_type``.
            msgspec.ValidationError: The body is not of its type.
            msgspec.DecodeError: The body is not JSON.
        """
        decoder = self._decoders.get(event_type)
        if decoder is not None:
            return decoder.decode(body)
        values, name = msgspec.json.decode(body), event_type
        while name in self._upcasters:
            name, upcast = self._upcasters[name]
            values = upcast(values)
        if name not in self._structs or name == event_type:
            raise UnknownEventError(f"no struct reads events of type {event_type}")
        return msgspec.convert(values, self._structs[name])


def _leading_to(structs: Mapping[str, Any]) -> dict[str, Upcaster]:
    """A reader of a few types has nothing to do with the old versions of others."""
    found: dict[str, Upcaster] = {}
    while more := {
        old: upcaster
        for old, upcaster in UPCASTERS.items()
        if old not in found and (upcaster[0] in structs or upcaster[0] in found)
    }:
        found |= more
    return found
