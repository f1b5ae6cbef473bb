"""How an event names its causes: by sequence, as the last of something, or by what both have in common. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.safeguards import EmergencyRequested
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import Message
from kaiser.gateway.browsing import body

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
LONGEST_COMMAND_US: Final = DAY + 3600 * SECOND
"""How long before its end a command can have been asked for: held for a day, and then carried out."""
LONGEST_DURATION_US: Final = 31 * DAY
NEAR_US: Final = 100_000
FARTHER: Final = 16
"""What is looked for backwards: in the last tenth of a second first, then in spans that are so many times as long."""
CLOCKS_DIFFER_US: Final = 5 * SECOND
LEADERS_DIFFER_US: Final = 100_000
"""Clocks of two NATS servers that store two streams."""
ANSWERED_US: Final = 120 * SECOND
"""The audit notes what somebody asked for when it is answered, which is so long after it was decided at most."""

Said = Mapping[str, Any]  # a body as JSON has it


class At(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a sequence."""

    relation: str
    stream: str
    seq: int


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """An output that emergency stops may be about, in the words of :meth:`Scope.covers`."""

    kaiser_id: str
    zones: tuple[str, ...]
    esp_id: str
    gpio: int

    def stopped_by(self, message: Message) -> bool:
        """Whether an emergency stop is about it."""
        try:
            scope = msgspec.json.decode(message.event.data, type=EmergencyRequested).scope
        except msgspec.MsgspecError:
            return False
        return scope.covers(kaiser_id=self.kaiser_id, zones=self.zones, esp_id=self.esp_id, gpio=self.gpio)


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The last event on some subjects before a time, whichever stream it is in; there need be none.

    Attributes:
        of: Streams and subjects.
        before: Unix microseconds.
        stopped: Or the last emergency stop of this output, where that is later; None for no such.
    """

    relation: str
    of: tuple[tuple[str, str], ...]
    before: int
    stopped: Output | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The first event in a span of time that has something in common with this one.

    Attributes:
        start: Unix microseconds.
        end: Unix microseconds; exclusive.
        kind: What its type begins with.
        any_of: Fields and values, one of which it has.
        event_id: Its id instead; empty for any.
        asked: Instead, of the audit: what it is about, as subject or in its path, and whose it is.
        needed: Whether something is missing where none is found.
        backwards: There is but one, and most likely it is near the end of the span.
        seq: Where it is, if it is there at all; 0 for unknown.
    """

    relation: str
    stream: str
    subjects: tuple[str, ...]
    start: int
    end: int
    kind: str = ""
    any_of: tuple[tuple[str, Any], ...] = ()
    event_id: str = ""
    asked: tuple[str, str] | None = None
    needed: bool = True
    backwards: bool = False
    seq: int = 0

    def spans(self) -> Iterator[tuple[int, int]]:
        """Spans of time to look in, in this order, each up to its end."""
        end, length = self.end, NEAR_US
        while self.backwards and self.end - length > self.start:
            yield self.end - length, end
            end, length = self.end - length, length * FARTHER
        yield self.start, end

    def takes(self, message: Message) -> bool:
        """Whether an event is one of them."""
        if not message.event.type.startswith(self.kind) or (self.event_id and message.event.id != self.event_id):
            return False
        said = body(message)
        if self.asked is not None:
            about, by = self.asked
            path = str(said.get("path", "")).split("/")
            return said.get("username") == by and (said.get("subject") == about or about in path)
        if not self.any_of:
            return True
        return any(said.get(name) == value for name, value in self.any_of)


Reference = At | Last | Search


IDS: Final = (
    "command_id",
    "emergency_id",
    "alert_id",
    "interlock_id",
    "rule_id",
    "key_id",
    "letter_id",
    "user_id",
    "esp_id",
)
"""What an event is about, the most particular first."""


def asked_for(message: Message, said: Said) -> Iterator[Reference]:
    """The entry of the audit, for what somebody decided: their first about it after it was decided.

    Sequences do not tell, for an entry does not say of which stream its is.
    """
    by = str(said.get("by") or said.get("created_by") or "")
    if by.startswith(("kaiser", "rule ", "setup")):
        return
    yield Search(
        relation="asked for by",
        stream=IDENTITY.name,
        subjects=(subjects.AUDIT,),
        start=message.stored_at - LEADERS_DIFFER_US,
        end=message.stored_at + ANSWERED_US,
        kind="io.kaiser.identity.audited",
        asked=(next((str(said[name]) for name in IDS if said.get(name)), ""), by),
    )
