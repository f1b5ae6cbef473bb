"""Actuators: what they are to be, what they are, and what they were."""

from typing import Annotated

import msgspec
from litestar import get, put
from litestar.params import Body, Parameter

from kaiser.contracts import actuation
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import DriftPolicy
from kaiser.contracts.queries import Page
from kaiser.eventlog import EventLog
from kaiser.gateway.api import actuation_views as views
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, Text, who_asks
from kaiser.gateway.api.sensors import From, Limit, Points, To, span
from kaiser.gateway.api.views import PageView, page
from kaiser.gateway.asking import ask, order

ACTUATOR = "/actuators/{esp_id:str}/{gpio:int}"

AtLeast = Annotated[int, Parameter(ge=0, description="wait until the event of this sequence is in it")]
Drifted = Annotated[
    bool | None, Parameter(description="only those whose reported state is, or is not, the desired one")
]


class PolicyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done where desired and reported state differ.

    Attributes:
        policy: ``reassert`` commands it again, a few times; ``accept`` desires what is; ``alarm`` says so.
        reason: Why.
    """

    policy: DriftPolicy
    reason: Text


@get("/actuators", tags=["actuators"], summary="List actuators")
async def actuators(
    event_log: EventLog,
    esp_id: str | None = None,
    zone_id: str | None = None,
    actuator_type: str | None = None,
    drifted: Drifted = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.ActuatorView]:
    """Actuators in the order of device and pin; works while the database is away."""
    query = actuation.ActuatorsQuery(
        esp_id=esp_id, zone_id=zone_id, actuator_type=actuator_type, drifted=drifted, limit=limit, cursor=cursor
    )
    return page(await ask(event_log, "actuator", "actuators", query, Page[actuation.Actuator]), views.actuator)


@get(ACTUATOR, tags=["actuators"], summary="Show an actuator", responses=refusals(Code.ACTUATOR_NOT_FOUND))
async def actuator(event_log: EventLog, esp_id: str, gpio: int, at_least: AtLeast = 0) -> views.ActuatorView:
    """One actuator: desired state, reported state, and whether they agree."""
    query = actuation.ActuatorQuery(esp_id=esp_id, gpio=gpio, at_least=at_least)
    return views.actuator(await ask(event_log, "actuator", "actuator", query, actuation.Actuator))


@get(
    f"{ACTUATOR}/history", tags=["actuators"], summary="History of an actuator", responses=refusals(Code.DATABASE_ERROR)
)
async def history(
    event_log: EventLog,
    esp_id: str,
    gpio: int,
    from_: From = None,
    to: To = None,
    limit: Points = 1000,
    cursor: str | None = None,
) -> PageView[views.StateView]:
    """Changes of what an actuator reported, oldest first; the last day by default. Its commands: ``GET /commands``."""
    start, end = span(from_, to)
    query = actuation.StatesQuery(esp_id=esp_id, gpio=gpio, start=start, end=end, limit=limit, cursor=cursor)
    return page(await ask(event_log, "actuator", "states", query, Page[actuation.ReportedState]), views.state)


@put(
    f"{ACTUATOR}/policy",
    tags=["actuators"],
    summary="Set the policy for drift",
    responses=refusals(Code.ACTUATOR_NOT_FOUND),
)
async def set_policy(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    data: Annotated[
        PolicyWish, Body(examples=[example("command it again", policy="reassert", reason="must not stand still")])
    ],
) -> views.ActuatorView:
    """Say what is to be done where an actuator reports another state than the desired one."""
    asked = actuation.SetShadowPolicy(
        esp_id=esp_id, gpio=gpio, by=who_asks(request), policy=data.policy, reason=data.reason
    )
    return views.actuator(await order(event_log, "actuator", "set_policy", asked, actuation.Actuator))
