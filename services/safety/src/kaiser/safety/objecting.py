"""Why something may not be: what limits, interlocks and the rules about devices answer with."""

from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code

SECOND: Final = 1_000_000
"""Microseconds."""


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks against a command, or against an actuator staying on.

    Attributes:
        rule: Name of the rule: ``min_off``, ``interlock lamp-or-heater``, …
        code: Stable code.
        detail: In words.
        saw: The values that it saw, by name; enough to decide the same again by hand.
        retry_at: When the same rule would allow it, unix microseconds, if that is known; 0 otherwise.
    """

    rule: str
    code: Code
    detail: str
    saw: dict[str, Any] = {}  # as it goes into the event, whose reader is a person
    retry_at: int = 0
