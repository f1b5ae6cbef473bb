"""Emergency stops: request, see, release; under names of our own, and under those of the monolith.

A stop is answered when the log has it. It needs neither safety nor the actuator service nor the database; the bridge
tells the devices until their own status says that they are off.
"""

from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.exceptions import ValidationException
from litestar.params import Body

from kaiser.contracts import safeguarding
from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import ReleaseEmergency, SafetyDecided
from kaiser.eventlog import EventLog, new_id, now_us
from kaiser.gateway.api import safeguard_views as views
from kaiser.gateway.api.documented import by_path, example, refusals
from kaiser.gateway.api.paging import part
from kaiser.gateway.api.registry import By, Text, who_asks
from kaiser.gateway.api.sensors import Limit
from kaiser.gateway.api.views import PageView
from kaiser.gateway.asking import ask, order
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.places import ASKING, must_cover, theirs
from kaiser.gateway.stopping import fault, store

UNSAID: Final = "no reason given"
"""A stop is not refused for want of words."""
Why = Annotated[str, msgspec.Meta(max_length=500)]


class StopWish(msgspec.Struct, frozen=True):
    """What is to be off at once, and stay off until it is released."""

    scope: Scope
    reason: Why = ""


class MonolithStopWish(msgspec.Struct, frozen=True):
    """The same in the monolith's form: one actuator, one device, or, without either, everything there is."""

    esp_id: str | None = None
    gpio: int | None = None
    reason: Why = ""


class ReleaseWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a stop is over.

    Attributes:
        unconfirmed: Although some actuators have not said that they are off: devices that are gone for good.
    """

    reason: Text
    unconfirmed: bool = False


class MonolithReleaseWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which stops are over: those of one actuator, of one device and its actuators, or, without either, all of them.

    A field that nobody knows is refused: a misspelt ``esp_id`` would release everything.
    """

    reason: Text
    esp_id: str | None = None
    gpio: int | None = None


class StopAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A stop that is in the log, and so in force.

    Attributes:
        emergency_id: For its release.
        seq: Sequence of its event in SAFETY.
    """

    emergency_id: str
    seq: int
    scope: Scope
    reason: str
    success: bool = True


class MonolithReleaseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Which stops were released, and which are in force still, that cover it or something else."""

    released: list[str]
    in_force: list[str]
    success: bool = True


@post(
    "/emergency-stops",
    status_code=202,
    tags=["emergency"],
    summary="Stop at once",
    responses=refusals(Code.INVALID_PAYLOAD_FORMAT, Code.SERVICE_ERROR),
)
async def stop(
    event_log: EventLog,
    request: By,
    metrics: GatewayMetrics,
    data: Annotated[
        StopWish,
        Body(
            examples=[
                example("everything", scope={"kind": "site"}, reason="water on the floor"),
                example("a zone", scope={"kind": "zone", "zone_id": "north_tent"}, reason="smoke"),
                example("a device", scope={"kind": "device", "esp_id": "ESP_9F03D4"}),
                example("an actuator", scope={"kind": "actuator", "esp_id": "ESP_9F03D4", "gpio": 25}),
            ]
        ),
    ],
) -> StopAnswer:
    """Switch off everything in a scope, at once, and refuse to switch it on again until the stop is released.

    ``GET /emergency-stops`` says which actuators have confirmed it. A stop that is asked for twice is two stops, each
    with a release of its own.
    """
    return await _stop(event_log, metrics, data.scope, who_asks(request), data.reason)


@post(
    ["/actuators/emergency_stop", "/actuators/emergency-stop"],
    status_code=202,
    operation_id=by_path,
    tags=["emergency"],
    summary="Stop at once, in the monolith's form",
    responses=refusals(Code.INVALID_PAYLOAD_FORMAT, Code.SERVICE_ERROR),
)
async def stop_as_monolith(
    event_log: EventLog, request: By, metrics: GatewayMetrics, data: MonolithStopWish
) -> StopAnswer:
    """As ``POST /emergency-stops``, for clients of the monolith. Without ``esp_id`` it stops the whole site."""
    if data.esp_id is None:
        scope = Scope(kind="site", gpio=data.gpio)  # a pin of no device is a fault
    elif data.gpio is None:
        scope = Scope(kind="device", esp_id=data.esp_id)
    else:
        scope = Scope(kind="actuator", esp_id=data.esp_id, gpio=data.gpio)
    return await _stop(event_log, metrics, scope, who_asks(request), data.reason)


@get("/emergency-stops", tags=["emergency"], summary="List stops in force")
async def stops(event_log: EventLog, limit: Limit = 100, cursor: str | None = None) -> PageView[views.EmergencyView]:
    """Emergency stops in force, oldest first, and how many actuators have said that they are off."""
    found = (await _in_force(event_log)).items
    return part(found, views.emergency, by=lambda one: f"{one.seq:020}", limit=limit, cursor=cursor)


@get(
    "/emergency-stops/{emergency_id:str}",
    tags=["emergency"],
    summary="Show a stop in force",
    responses=refusals(Code.EMERGENCY_NOT_FOUND),
)
async def stop_in_force(event_log: EventLog, emergency_id: str) -> views.EmergencyView:
    """One emergency stop in force, and how many actuators have said that they are off."""
    found = [each for each in (await _in_force(event_log)).items if each.emergency_id == emergency_id]
    missing = Refusal(Code.EMERGENCY_NOT_FOUND, "there is no such emergency stop, or it was released")
    return views.emergency(theirs(found, missing))


@post(
    "/emergency-stops/{emergency_id:str}/release",
    status_code=200,
    tags=["emergency"],
    summary="Release a stop",
    responses=refusals(Code.EMERGENCY_NOT_FOUND, Code.EMERGENCY_UNCONFIRMED, Code.SERVICE_ERROR),
)
async def release(
    event_log: EventLog,
    request: By,
    emergency_id: str,
    data: Annotated[ReleaseWish, Body(examples=[example("all clear", reason="the floor is dry, the pipe is mended")])],
) -> views.SafetyDecisionView:
    """Let actuators in the scope be switched on again. None is."""
    if ASKING.get() is not None:
        found = next((each for each in (await _in_force(event_log)).items if each.emergency_id == emergency_id), None)
        if found is None:
            raise Refusal(Code.EMERGENCY_NOT_FOUND, "there is no such emergency stop, or it was released")
        must_cover(found.scope)
    return views.decided(await _release(event_log, emergency_id, who_asks(request), data.reason, data.unconfirmed))


@post(
    ["/actuators/clear_emergency", "/actuators/clear-emergency"],
    status_code=200,
    operation_id=by_path,
    tags=["emergency"],
    summary="Release stops, in the monolith's form",
    responses=refusals(Code.EMERGENCY_UNCONFIRMED, Code.SERVICE_ERROR),
)
async def release_as_monolith(event_log: EventLog, request: By, data: MonolithReleaseWish) -> MonolithReleaseAnswer:
    """Release the stops that were made for one actuator, for one device, or all of them, oldest first.

    A device stays off while a wider stop covers it; ``in_force`` has those that are left.
    """
    if data.esp_id is None and data.gpio is not None:  # it would be all of them
        raise ValidationException("no device", extra=[{"message": "a pin needs an esp_id", "key": "esp_id"}])
    confined = ASKING.get()
    found = [each for each in (await _in_force(event_log)).items if confined is None or confined.covers(each.scope)]
    chosen = [each.emergency_id for each in sorted(found, key=lambda each: each.seq) if _is_for(each.scope, data)]
    for emergency_id in chosen:
        await _release(event_log, emergency_id, who_asks(request), data.reason)
    left = [each.emergency_id for each in found if each.emergency_id not in chosen]
    return MonolithReleaseAnswer(released=chosen, in_force=left)


def _is_for(scope: Scope, wish: MonolithReleaseWish) -> bool:
    """Whether a stop was made for what a release names."""
    if wish.esp_id is None:
        return True
    return scope.esp_id == wish.esp_id and (wish.gpio is None or scope.gpio == wish.gpio)


async def _stop(event_log: EventLog, metrics: GatewayMetrics, scope: Scope, by: str, reason: str) -> StopAnswer:
    field, words = fault(scope)
    if field:
        raise ValidationException("wrong scope", extra=[{"message": words, "key": field}])
    must_cover(scope)
    emergency_id = new_id()
    requested = EmergencyRequested(
        emergency_id=emergency_id,
        scope=scope,
        reason=reason or UNSAID,
        at=now_us(),
        by=by,
        correlation_id=emergency_id,
    )
    seq = await store(event_log, requested)
    metrics.emergency_stops.labels(scope.kind).inc()
    return StopAnswer(emergency_id=emergency_id, seq=seq, scope=scope, reason=requested.reason)


async def _in_force(event_log: EventLog) -> Page[safeguarding.Emergency]:
    query = safeguarding.EmergenciesQuery()
    return await ask(event_log, "safety", "emergencies", query, Page[safeguarding.Emergency])


async def _release(
    event_log: EventLog,
    emergency_id: str,
    by: str,
    reason: str,
    unconfirmed: bool = False,
) -> SafetyDecided:
    asked = ReleaseEmergency(emergency_id=emergency_id, by=by, reason=reason, unconfirmed=unconfirmed)
    return await order(event_log, "safety", "release_emergency", asked, SafetyDecided)
