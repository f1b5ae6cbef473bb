"""Limits and interlocks, what they forbade, and what needs attention. Safety decides.

``seq`` of an answer is the event's sequence in SAFETY.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post, put
from litestar.exceptions import NotFoundException
from litestar.params import Body, Parameter

from kaiser.contracts import safeguarding
from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import Limits, Rule
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import SafetyDecided, SafetyOrder
from kaiser.eventlog import EventLog
from kaiser.gateway.api import safeguard_views as views
from kaiser.gateway.api.actuators import ACTUATOR
from kaiser.gateway.api.commands import open_instant
from kaiser.gateway.api.conditions import known
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.paging import part
from kaiser.gateway.api.registry import By, Reason, Text, who_asks
from kaiser.gateway.api.sensors import From, Limit, To
from kaiser.gateway.api.views import PageView, page
from kaiser.gateway.asking import ask, order
from kaiser.gateway.places import ASKING, theirs

INTERLOCK: Final = "/interlocks/{interlock_id:str}"

LARGEST_SEQ: Final = 2**63 - 1
Why = Annotated[str, Parameter(min_length=1, max_length=500, description="why")]


class LimitsWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All limits of an actuator, and why; what is left out is as the defaults have it."""

    limits: Limits
    reason: Text


class InterlockWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule between actuators, and why."""

    rule: Rule
    reason: Text


LIMITS: Final = example(
    "a pump that empties its tank",
    limits={"max_on_s": 900, "min_off_s": 60, "starts_per_hour": 12, "power_w": 450},
    reason="the tank holds 15 minutes",
)
_HEATER: Final = {"esp_id": "ESP_9F03D4", "gpio": 25}
_FAN: Final = {"esp_id": "ESP_9F03D4", "gpio": 26}
_AIR: Final = {"esp_id": "ESP_9F03D4", "gpio": 4, "sensor_type": "sht31_temp"}
INTERLOCKS: Final = [
    example("never both", rule={"kind": "at_most", "most": 1, "actuators": [_HEATER, _FAN]}, reason="they fight"),
    example(
        "heat only while the fan has been on for ten seconds",
        rule={"kind": "only_while", "actuator": _HEATER, "requires": _FAN, "for_s": 10},
        reason="it would scorch",
    ),
    example("power of a zone", rule={"kind": "power_budget", "zone_id": "tent", "watts": 3000}, reason="16 A fuse"),
    example(
        "heat only below 30 °C, and only with a fresh reading",
        rule={"kind": "sensor_band", "actuator": _HEATER, "sensor": _AIR, "maximum": 30, "fresh_s": 120},
        reason="seedlings",
    ),
]


@get(f"{ACTUATOR}/limits", tags=["safety"], summary="Show limits")
async def limits(event_log: EventLog, esp_id: str, gpio: int) -> views.LimitsView:
    """What an actuator may do."""
    query = safeguarding.LimitsQuery(esp_id=esp_id, gpio=gpio)
    return views.limits(await ask(event_log, "safety", "limits", query, safeguarding.ActuatorLimits))


@put(f"{ACTUATOR}/limits", tags=["safety"], summary="Set limits")
async def set_limits(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    data: Annotated[LimitsWish, Body(examples=[LIMITS])],
) -> views.SafetyDecisionView:
    """Give an actuator other limits; they hold from now on, for what is on as well."""
    asked = safeguarding.SetLimits(
        esp_id=esp_id, gpio=gpio, limits=data.limits, by=who_asks(request), reason=data.reason
    )
    return await _decided(event_log, "set_limits", asked)


@delete(f"{ACTUATOR}/limits", status_code=200, tags=["safety"], summary="Take limits back")
async def reset_limits(
    event_log: EventLog, request: By, esp_id: str, gpio: int, reason: Why
) -> views.SafetyDecisionView:
    """Take the limits of an actuator back to the defaults."""
    asked = safeguarding.SetLimits(esp_id=esp_id, gpio=gpio, limits=None, by=who_asks(request), reason=reason)
    return await _decided(event_log, "set_limits", asked)


@get("/interlocks", tags=["safety"], summary="List interlocks")
async def interlocks(
    event_log: EventLog, limit: Limit = 100, cursor: str | None = None
) -> PageView[views.InterlockView]:
    """Rules between actuators, in the order of their ids."""
    found = await _interlocks(event_log)
    return part(found, views.interlock, by=lambda one: one.interlock_id, limit=limit, cursor=cursor)


@get(INTERLOCK, tags=["safety"], summary="Show an interlock", responses=refusals(Code.INTERLOCK_NOT_FOUND))
async def interlock(event_log: EventLog, interlock_id: str) -> views.InterlockView:
    """One rule between actuators; its ``ETag`` is for ``If-Match`` of the next change."""
    for found in await _interlocks(event_log):
        if found.interlock_id == interlock_id:
            return views.interlock(found)
    raise Refusal(Code.INTERLOCK_NOT_FOUND, f"there is no interlock {interlock_id!r}", "interlock_id")


@put(
    INTERLOCK,
    tags=["safety"],
    summary="Set an interlock",
    responses=refusals(Code.INTERLOCK_CONTRADICTION, Code.VALUE_OUT_OF_RANGE),
)
async def set_interlock(
    event_log: EventLog,
    request: By,
    interlock_id: Annotated[str, Parameter(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")],
    data: Annotated[InterlockWish, Body(examples=INTERLOCKS)],
) -> views.SafetyDecisionView:
    """Make or change a rule between actuators.

    Refused, with the way into it, where an actuator could never be switched on any more, or never be left on.
    """
    asked = safeguarding.SetInterlock(
        interlock_id=interlock_id, rule=data.rule, by=who_asks(request), reason=data.reason
    )
    return await _decided(event_log, "set_interlock", asked)


@delete(
    INTERLOCK,
    status_code=200,
    tags=["safety"],
    summary="Remove an interlock",
    responses=refusals(Code.INTERLOCK_NOT_FOUND),
)
async def remove_interlock(
    event_log: EventLog, request: By, interlock_id: str, reason: Why
) -> views.SafetyDecisionView:
    """Take a rule between actuators away."""
    asked = safeguarding.RemoveInterlock(interlock_id=interlock_id, by=who_asks(request), reason=reason)
    return await _decided(event_log, "remove_interlock", asked)


@get("/safety/violations", tags=["safety"], summary="List violations", responses=refusals(Code.DATABASE_ERROR))
async def violations(
    event_log: EventLog,
    esp_id: str | None = None,
    gpio: int | None = None,
    kind: Literal["rejected", "stopped"] | None = None,
    rule: str | None = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.ViolationView]:
    """Commands that were rejected and actuators that were stopped, newest first, each with the values that it saw."""
    query = safeguarding.ViolationsQuery(
        esp_id=esp_id,
        gpio=gpio,
        kind=kind,
        rule=rule,
        start=open_instant(from_, "from"),
        end=open_instant(to, "to"),
        limit=limit,
        cursor=cursor,
    )
    return page(await ask(event_log, "safety", "violations", query, Page[safeguarding.Violation]), views.violation)


@get(
    "/safety/violations/{seq:int}",
    tags=["safety"],
    summary="Show a violation",
    responses=refusals(Code.EVENT_NOT_FOUND, Code.DATABASE_ERROR),
)
async def violation(event_log: EventLog, seq: int) -> views.ViolationView:
    """A command that was rejected, or an actuator that was stopped, by the sequence of its event in SAFETY."""
    missing = Refusal(Code.EVENT_NOT_FOUND, f"event {seq} of SAFETY is no violation", "seq")
    if not 0 < seq < LARGEST_SEQ:
        raise missing
    query = safeguarding.ViolationsQuery(seq=seq, limit=1)
    found = (await ask(event_log, "safety", "violations", query, Page[safeguarding.Violation])).items
    return views.violation(theirs(found, missing))


@get("/safety/decisions/{seq:int}", tags=["safety"], summary="Show a decision")
async def decision(event_log: EventLog, seq: int) -> views.DecisionView:
    """What was decided on a command, by its ``decision_seq``; kept for ever."""
    if not 0 < seq <= LARGEST_SEQ:
        raise NotFoundException("no event has this sequence")
    query = safeguarding.DecisionQuery(seq=seq)
    return views.decision(await ask(event_log, "safety", "decision", query, safeguarding.DecisionView))


@get("/alerts", tags=["safety"], summary="List open alerts")
async def alerts(
    event_log: EventLog, esp_id: str | None = None, limit: Limit = 100, cursor: str | None = None
) -> PageView[views.AlertView]:
    """Open alerts, worst first."""
    query = safeguarding.AlertsQuery(esp_id=esp_id, limit=limit, cursor=cursor)
    return page(await ask(event_log, "safety", "alerts", query, Page[safeguarding.Alert]), views.alert)


@get(
    "/alerts/{alert_id:str}",
    tags=["safety"],
    summary="Show an open alert",
    responses=refusals(Code.ALERT_NOT_FOUND),
)
async def alert(event_log: EventLog, alert_id: str) -> views.AlertView:
    """One open alert. One that is over: ``GET /aggregates/alert/{alert_id}``."""
    return views.alert(await _alert(event_log, alert_id))


@post(
    "/alerts/{alert_id:str}/clear",
    status_code=200,
    tags=["safety"],
    summary="Clear an alert",
    responses=refusals(Code.ALERT_NOT_FOUND),
)
async def clear_alert(
    event_log: EventLog,
    request: By,
    alert_id: str,
    data: Annotated[Reason, Body(examples=[example("looked after", reason="the pump was replaced")])],
) -> views.SafetyDecisionView:
    """Say that an alert is over. What it stopped stays off until somebody switches it on."""
    if ASKING.get() is not None:
        await _alert(event_log, alert_id)
    asked = safeguarding.ClearAlert(alert_id=alert_id, by=who_asks(request), reason=data.reason)
    return await _decided(event_log, "clear_alert", asked)


async def _interlocks(event_log: EventLog) -> list[safeguarding.Interlock]:
    query = safeguarding.InterlocksQuery()
    return (await ask(event_log, "safety", "interlocks", query, Page[safeguarding.Interlock])).items


async def _alert(event_log: EventLog, alert_id: str) -> safeguarding.Alert:
    """An open alert that whoever asks may see.

    Raises:
        Refusal: ALERT_NOT_FOUND.
    """
    query = safeguarding.AlertsQuery(alert_id=alert_id, limit=1)
    found = (await ask(event_log, "safety", "alerts", query, Page[safeguarding.Alert])).items
    return theirs(found, Refusal(Code.ALERT_NOT_FOUND, "there is no such alert, or it is over", "alert_id"))


async def _decided(event_log: EventLog, name: str, asked: SafetyOrder) -> views.SafetyDecisionView:
    asked = msgspec.structs.replace(asked, known_seq=known())
    return views.decided(await order(event_log, "safety", name, asked, SafetyDecided))
