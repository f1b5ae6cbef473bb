"""A rule: when it runs, and what it does."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.safeguards import Name
from kaiser.contracts.rules.actions import Action, Actions
from kaiser.contracts.rules.conditions import Condition, Happening
from kaiser.contracts.rules.parts import Cron, Offset, Part, Place, RuleId, TimeZone

Mode = Literal["single", "restart", "queued", "parallel"]
"""What becomes of a run that is due while another of the same rule is under way.

``single``: it does not begin; where the condition is still true when the other ends, it begins then. ``restart``: the
other is ended. ``queued``: it waits for its turn. ``parallel``: both run.
"""


class CronTrigger(Part, frozen=True, kw_only=True, tag="cron"):
    """At the minutes of a cron expression of five fields, once each.

    A fixed time in the hour that spring leaves out comes when the clocks have changed; one in the hour that comes twice
    in autumn comes at the first. With ``*`` for the hour, it goes by the minutes that there are.

    Attributes:
        missed_within_s: One that was missed while the service was away is made up for if it is not older than this; 0
            for never.
    """

    expression: Cron
    time_zone: TimeZone | None = None
    missed_within_s: Annotated[int, Meta(ge=0, le=86_400)] = 300


class SunTrigger(Part, frozen=True, kw_only=True, tag="sun"):
    """At sunrise or sunset, moved by an offset. There is none on days on which the sun does not rise or set."""

    event: Literal["sunrise", "sunset"]
    offset_s: Offset = 0
    place: Place | None = None
    missed_within_s: Annotated[int, Meta(ge=0, le=86_400)] = 300


class EventTrigger(Part, frozen=True, kw_only=True, tag="event"):
    """When something happens; None stands for any."""

    event: Happening
    esp_id: str | None = None
    gpio: int | None = None
    alert: str | None = None
    missed_within_s: Annotated[int, Meta(ge=0, le=86_400)] = 60


class RanTrigger(Part, frozen=True, kw_only=True, tag="ran"):
    """When another rule's run starts or comes to its end."""

    rule: RuleId
    what: Literal["started", "succeeded", "failed", "ended"] = "ended"


Trigger = CronTrigger | SunTrigger | EventTrigger | RanTrigger


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule.

    Without triggers it runs when its condition becomes true, and ``otherwise`` when that is over. With triggers it runs
    at their moments: ``actions`` where the condition is true or there is none, else ``otherwise``.

    Attributes:
        name: For people.
        priority: 1 to 100; the lower number wins where two rules want one actuator.
        triggers: Moments; none is whenever the condition becomes true.
        condition: None is always true, which needs a trigger.
        actions: What a run does, one after the other.
        otherwise: What is done when it is over. Neither cooldown nor limits hold it back.
        mode: What becomes of a run that is due while another is under way.
        most_waiting: Longest queue of ``queued``, most runs side by side of ``parallel``.
        cooldown_s: Shortest time from the beginning of one run to that of the next.
        most_runs_per_hour: In any hour; None for no limit.
        again_s: While the condition stays true, run again after so long; None for once.
        when_unknown: Whether a condition that is no longer known counts as over (``end``) or as what it was (``hold``).
        when_broken: Whether a run that fails or is ended switches off what it switched on without a duration.
        hold_s: How long after its last command to an actuator no rule of equal or lower priority gets a word in.
        lateness_s: How late a reading may be that comes after newer ones, and still be put into windows; a later one is
            of no effect.
        time_zone: IANA name, for hours and cron.
        place: For the sun.
    """

    name: Name
    description: Annotated[str, Meta(max_length=2000)] = ""
    priority: Annotated[int, Meta(ge=1, le=100)] = 100
    triggers: Annotated[tuple[Trigger, ...], Meta(max_length=20)] = ()
    condition: Condition | None = None
    actions: Actions
    otherwise: Annotated[tuple[Action, ...], Meta(max_length=50)] = ()
    mode: Mode = "single"
    most_waiting: Annotated[int, Meta(ge=1, le=50)] = 10
    cooldown_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0
    most_runs_per_hour: Annotated[int, Meta(ge=1, le=3600)] | None = None
    again_s: Annotated[int, Meta(ge=1, le=7 * 86_400)] | None = None
    when_unknown: Literal["end", "hold"] = "end"
    when_broken: Literal["off", "leave"] = "off"
    hold_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    lateness_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    time_zone: TimeZone = "UTC"
    place: Place | None = None
