"""What conditions, triggers and actions of rules are made of."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.safeguards import SensorRef

RuleId = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
Span = Annotated[int, Meta(ge=1, le=7 * 86_400)]
"""Seconds, up to a week."""

Operator = Literal[">", ">=", "<", "<=", "==", "!=", "between", "outside"]
"""``between`` includes both ends; ``outside`` is its opposite."""

Quality = Literal["error", "bad", "suspect", "unknown", "poor", "fair", "good", "excellent"]
"""Grades of readings, the worst first."""

Unit = Annotated[str, Meta(max_length=16)]
TimeZone = Annotated[str, Meta(min_length=1, max_length=64)]
Cron = Annotated[str, Meta(min_length=9, max_length=120)]
Offset = Annotated[int, Meta(ge=-43_200, le=43_200)]

FRESH_S = 300
"""Age at which a reading does not count any more, unless a condition says otherwise."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every tagged part of a rule is: strict, and told from others by ``kind``."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the sun is looked at from, in degrees; north and east are positive."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Comparison(Part, frozen=True, kw_only=True):
    """A number held against others.

    Attributes:
        operator: How.
        value: What it is held against, but for ``between`` and ``outside``.
        low: Lower end of ``between`` and ``outside``.
        high: Upper end of ``between`` and ``outside``.
    """

    operator: Operator
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Watched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor and which of its readings count.

    Attributes:
        sensor: Which; without an address the only one of its type on its pin.
        unit: Unit that the thresholds are in; refused where the sensor's is another. Empty is not checked.
        fresh_s: A reading older than this says nothing any more.
        quality: A reading of a worse grade is none.
    """

    sensor: SensorRef
    unit: Unit = ""
    fresh_s: Span = FRESH_S
    quality: Quality = "poor"
