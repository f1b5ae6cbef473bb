"""Conditions: what may be true, false, or not known at a moment. One kind a struct, told apart by ``kind``.

``all``, ``any``, ``not`` and ``at_least`` follow Kleene: what is not known stays so unless the rest decides. A rule
runs on *true* only.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.safeguards import ActuatorRef, ClockTime, Level, SensorRef, Weekday
from kaiser.contracts.rules.parts import (
    FRESH_S,
    Comparison,
    Cron,
    Offset,
    Part,
    Place,
    Quality,
    RuleId,
    Span,
    TimeZone,
    Unit,
    Watched,
)

WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Compare(Comparison, frozen=True, kw_only=True, tag="compare"):
    """The latest value of a sensor against a number. Not known without a fresh reading that is good enough."""

    sensor: SensorRef
    unit: Unit = ""
    fresh_s: Span = FRESH_S
    quality: Quality = "poor"


class Hysteresis(Part, frozen=True, kw_only=True, tag="hysteresis"):
    """A switch with two thresholds: within the band it stays what it is.

    ``on_above`` goes with ``off_below``, ``on_below`` with ``off_above``. It starts as false. While no reading is fresh
    it is not known, and then goes on from what it was.
    """

    sensor: SensorRef
    on_above: float | None = None
    off_below: float | None = None
    on_below: float | None = None
    off_above: float | None = None
    unit: Unit = ""
    fresh_s: Span = FRESH_S
    quality: Quality = "poor"


class Sustained(Part, frozen=True, kw_only=True, tag="sustained"):
    """Another condition has been true for so long without a break, counted from the reading that made it so."""

    condition: "Condition"
    for_s: Span


class RateOfChange(Comparison, frozen=True, kw_only=True, tag="rate"):
    """How fast a sensor's value changes: from the first to the last reading of a span.

    Not known while they are less than half of the span apart.

    Attributes:
        over_s: The span.
        per_s: The rate is given for so long: 3600 for units an hour.
    """

    sensor: SensorRef
    over_s: Span
    per_s: Span = 3600
    unit: Unit = ""
    quality: Quality = "poor"


class Window(Comparison, frozen=True, kw_only=True, tag="window"):
    """The readings of a span taken together, by the times at which they were measured.

    Attributes:
        aggregate: ``range`` is the distance from the lowest to the highest.
        over_s: The span, up to now.
        at_least: Not known with fewer readings than this; does not apply to ``count``.
    """

    sensor: SensorRef
    aggregate: Literal["mean", "min", "max", "count", "range"]
    over_s: Span
    at_least: Annotated[int, Meta(ge=1, le=10_000)] = 1
    unit: Unit = ""
    quality: Quality = "poor"


class Difference(Comparison, frozen=True, kw_only=True, tag="difference"):
    """The latest value of one sensor less that of another; both must be fresh."""

    left: Watched
    right: Watched
    absolute: bool = False


class Silent(Part, frozen=True, kw_only=True, tag="silent"):
    """Nothing usable was measured for so long, counted from the rule's own start where nothing ever was."""

    sensor: SensorRef
    for_s: Span
    quality: Quality = "poor"


class QualityAtLeast(Part, frozen=True, kw_only=True, tag="quality"):
    """The latest reading has at least this grade."""

    sensor: SensorRef
    at_least: Quality
    fresh_s: Span = FRESH_S


class DeviceIs(Part, frozen=True, kw_only=True, tag="device"):
    """A device is there, or is not; not known of a device that was never heard."""

    esp_id: str
    state: Literal["online", "offline"]
    for_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0


class ActuatorIs(Part, frozen=True, kw_only=True, tag="actuator"):
    """What an actuator reported last, and for how long it has done so; not known before it has.

    Attributes:
        state: ``at_least`` compares its level with ``level``.
        for_s: For at least so long.
    """

    actuator: ActuatorRef
    state: Literal["on", "off", "at_least"]
    level: Level = 0.0
    for_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0


class DuringHours(Part, frozen=True, kw_only=True, tag="hours"):
    """A span of the day, in the rule's time zone unless it names another.

    One that ends before it starts goes across midnight and belongs to its first day; one that ends when it starts is a
    whole day. What begins in the hour that spring leaves out begins after it; what begins or ends in the hour that
    comes twice in autumn begins with the first and ends with the second.
    """

    start: ClockTime
    end: ClockTime
    days: tuple[Weekday, ...] = WEEK
    time_zone: TimeZone | None = None


class CronMatches(Part, frozen=True, kw_only=True, tag="cron"):
    """The minute matches a cron expression of five fields, in the rule's time zone unless it names another."""

    expression: Cron
    time_zone: TimeZone | None = None


class Sun(Part, frozen=True, kw_only=True, tag="sun"):
    """Day is from sunrise to sunset, each moved by an offset; night is the rest. At the rule's place or its own."""

    phase: Literal["day", "night"]
    sunrise_offset_s: Offset = 0
    sunset_offset_s: Offset = 0
    place: Place | None = None


Happening = Literal["alert", "discovered", "lost", "returned", "restarted", "emergency_stop", "emergency_released"]


class Happened(Part, frozen=True, kw_only=True, tag="event"):
    """Something happened within the last so many seconds.

    Attributes:
        event: What.
        esp_id: Of this device; None for any.
        gpio: Of this pin; None for any.
        alert: Kind of alert; None for any.
        within_s: How long it stays true.
    """

    event: Happening
    esp_id: str | None = None
    gpio: int | None = None
    alert: str | None = None
    within_s: Span = 60


class EmergencyActive(Part, frozen=True, kw_only=True, tag="emergency"):
    """An emergency stop is in force that names this device or zone, or everything; any at all without either."""

    esp_id: str | None = None
    zone_id: str | None = None


class RuleRan(Part, frozen=True, kw_only=True, tag="ran"):
    """Another rule's run started or came to its end within the last so many seconds."""

    rule: RuleId
    what: Literal["started", "succeeded", "failed", "ended"] = "ended"
    within_s: Span = 60


class AllOf(Part, frozen=True, kw_only=True, tag="all"):
    """All of them are true."""

    conditions: Annotated[tuple["Condition", ...], Meta(min_length=1, max_length=50)]


class AnyOf(Part, frozen=True, kw_only=True, tag="any"):
    """One of them is true."""

    conditions: Annotated[tuple["Condition", ...], Meta(min_length=1, max_length=50)]


class Not(Part, frozen=True, kw_only=True, tag="not"):
    """It is false."""

    condition: "Condition"


class AtLeast(Part, frozen=True, kw_only=True, tag="at_least"):
    """So many of them are true."""

    count: Annotated[int, Meta(ge=1, le=50)]
    conditions: Annotated[tuple["Condition", ...], Meta(min_length=1, max_length=50)]


class Plugin(Part, frozen=True, kw_only=True, tag="plugin"):
    """A condition that a plug-in evaluates (entry points ``kaiser.logic.conditions``).

    Attributes:
        name: Name of its entry point.
        parameters: What it takes; it says what it does not like when the rule is defined.
    """

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


Condition = (
    Compare
    | Hysteresis
    | Sustained
    | RateOfChange
    | Window
    | Difference
    | Silent
    | QualityAtLeast
    | DeviceIs
    | ActuatorIs
    | DuringHours
    | CronMatches
    | Sun
    | Happened
    | EmergencyActive
    | RuleRan
    | AllOf
    | AnyOf
    | Not
    | AtLeast
    | Plugin
)
