"""Commands to actuators: send one, follow it, take it back.

The actuator service decides, and safety on everything but OFF. A command ends exactly once; its life is on the
WebSocket as ``command`` events with the same ``command_id``.
"""

import asyncio
import contextlib
import time
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.exceptions import ValidationException
from litestar.openapi import ResponseSpec
from litestar.params import Body, HeaderParameter, Parameter
from structlog.contextvars import bind_contextvars

from kaiser.contracts import actuation, safeguarding
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandOutcome
from kaiser.contracts.queries import Page
from kaiser.eventlog import EventLog
from kaiser.gateway.api import actuation_views as views
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.problems import refused
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.sensors import From, Limit, To, instant_of
from kaiser.gateway.api.views import PageView, page
from kaiser.gateway.asking import ProblemError, ask, order
from kaiser.gateway.places import must_reach

LONGEST_WAIT_S: Final = 60
AGAIN_S: Final = 0.1

Wait = Annotated[float, Parameter(ge=0, le=LONGEST_WAIT_S, description="seconds to wait for the end of the command")]
IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=200,
        description="the same key on the same actuator is the same command, for at least a day",
    ),
]


class CommandWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an actuator is to do.

    Attributes:
        command: TOGGLE becomes ON or OFF by what the actuator reports.
        value: Level of PWM, 0.0 to 1.0. ON and TOGGLE mean full power, and take no other value than 1.0; beside OFF
            it does not count.
        duration: Seconds, after which the server switches off again; 0 for not by itself.
        hold_s: Seconds to wait for a device that is offline; 0 refuses instead.
        timeout_s: Seconds after which a command without an end expires, not counting ``hold_s``.
        reason: In words.
    """

    command: Literal["ON", "OFF", "PWM", "TOGGLE"]
    value: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    duration: Annotated[int, msgspec.Meta(ge=0, le=30 * 86_400)] = 0
    hold_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


Wish = Annotated[
    CommandWish,
    Body(
        examples=[
            example("water for ten minutes", command="ON", duration=600, reason="dry bench"),
            example("fan at a third", command="PWM", value=0.33),
            example("off once the device is back", command="OFF", hold_s=3600),
        ]
    ),
]


@post(
    "/actuators/{esp_id:str}/{gpio:int}/command",
    status_code=202,
    tags=["commands"],
    summary="Send a command",
    responses={200: ResponseSpec(views.CommandAnswer, generate_examples=False, description="The command has ended.")}
    | refusals(
        Code.COMMAND_NOT_FOR_TYPE,
        Code.ACTUATOR_NOT_FOUND,
        Code.COOLING_DOWN,
        Code.EMERGENCY_ACTIVE,
        Code.ESP_OFFLINE,
        Code.DEVICE_DEAF,
        Code.INTERLOCKED,
        Code.IDEMPOTENCY_CONFLICT,
        Code.SAFETY_UNAVAILABLE,
        Code.SERVICE_ERROR,
    ),
)
async def command(
    event_log: EventLog,
    request: By,
    esp_id: str,
    gpio: int,
    data: Wish,
    idempotency_key: IdempotencyKey = "",
    wait: Wait = 0.0,
) -> Response[views.CommandAnswer]:
    """Have an actuator do something.

    202 while the command is under way, 200 when it has ended. With ``?wait=`` the answer waits for the end, so that
    what safety rejects is a 409 with its ``rule`` and the values that it ``saw``. Without, it ends so afterwards:
    ``GET /commands/{id}``, event ``command``.
    """
    asked = actuation.SendCommand(
        esp_id=esp_id,
        gpio=gpio,
        by=who_asks(request),
        command=data.command,
        level=_level(data),
        duration_s=data.duration,
        hold_s=data.hold_s,
        timeout_s=data.timeout_s,
        reason=data.reason,
        idempotency_key=idempotency_key,
    )
    began = time.monotonic()
    sent = await order(event_log, "actuator", "send", asked, actuation.Command)
    bind_contextvars(
        command_id=sent.command_id, correlation_id=sent.correlation_id
    )  # for the request's line in the log
    if sent.state in views.UNDER_WAY and wait:
        sent = await _ended(event_log, sent, began + wait - time.monotonic())
    return await _answer(event_log, sent)


@get("/commands", tags=["commands"], summary="List commands", responses=refusals(Code.DATABASE_ERROR))
async def commands(
    event_log: EventLog,
    esp_id: str | None = None,
    gpio: int | None = None,
    outcome: CommandOutcome | None = None,
    correlation_id: str | None = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.CommandView]:
    """Commands, newest first; what shares a ``correlation_id`` came from one request."""
    query = actuation.CommandsQuery(
        esp_id=esp_id,
        gpio=gpio,
        outcome=outcome,
        correlation_id=correlation_id,
        start=open_instant(from_, "from"),
        end=open_instant(to, "to"),
        limit=limit,
        cursor=cursor,
    )
    return page(await ask(event_log, "actuator", "commands", query, Page[actuation.Command]), views.command)


@get(
    "/commands/{command_id:str}",
    tags=["commands"],
    summary="Show a command",
    responses=refusals(Code.COMMAND_NOT_FOUND),
)
async def one_command(event_log: EventLog, command_id: str, wait: Wait = 0.0) -> views.CommandView:
    """A command and what became of it; ``?wait=`` waits for its end."""
    return views.command(await _command(event_log, command_id, wait))


@delete(
    "/commands/{command_id:str}",
    status_code=200,
    tags=["commands"],
    summary="Take a command back",
    responses=refusals(Code.COMMAND_NOT_FOUND, Code.COMMAND_ENDED, Code.DEVICE_STATE_FORBIDS),
)
async def cancel(event_log: EventLog, request: By, command_id: str) -> views.CommandView:
    """Take back a command that is not on its way yet: held for a device that is offline, or not decided on."""
    found = await _command(event_log, command_id, 0.0)
    must_reach(found.esp_id)
    asked = actuation.CancelCommand(esp_id=found.esp_id, gpio=found.gpio, by=who_asks(request), command_id=command_id)
    return views.command(await order(event_log, "actuator", "cancel", asked, actuation.Command))


def open_instant(text: str | None, name: str) -> int:
    """Unix microseconds of an instant; 0 for an open end.

    Raises:
        ValidationException: It is none, or has no offset.
    """
    return instant_of(text, name) if text else 0


def _level(wish: CommandWish) -> float | None:
    """Level to ask for: firmware ignores the value beside ON, and goes to full power (wire contract, section 5.1)."""
    if wish.command == "PWM" and wish.value is None:
        raise ValidationException("no level", extra=[{"message": "PWM takes a value, 0.0 to 1.0", "key": "value"}])
    if wish.command in {"ON", "TOGGLE"} and wish.value not in {None, 1.0}:
        words = f"{wish.command} means full power; for another level there is PWM"
        raise ValidationException("no level", extra=[{"message": words, "key": "value"}])
    return wish.value if wish.command == "PWM" else None


async def _command(event_log: EventLog, command_id: str, wait_s: float) -> actuation.Command:
    query = actuation.CommandQuery(command_id=command_id, wait_s=wait_s)
    return await ask(event_log, "actuator", "command", query, actuation.Command, wait_s=wait_s)


async def _ended(event_log: EventLog, sent: actuation.Command, wait_s: float) -> actuation.Command:
    """The command at its end, or as it was when the time is over.

    It was taken, so nobody's absence is its failure: an instance that has not heard of it yet, or a restart.
    """
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0:
        with contextlib.suppress(ProblemError):
            return await _command(event_log, sent.command_id, left_s)
        await asyncio.sleep(min(AGAIN_S, left_s))
    return sent


async def _answer(event_log: EventLog, found: actuation.Command) -> Response[views.CommandAnswer]:
    if found.state == "rejected":
        rule, saw = found.rule, await _saw(event_log, found)
        return refused(found.code, found.detail, rule=rule, saw=saw, command_id=found.command_id)
    if found.code == Code.SAFETY_UNAVAILABLE:
        return refused(found.code, found.detail, command_id=found.command_id)
    return Response(views.answer(found), status_code=202 if found.state in views.UNDER_WAY else 200)


async def _saw(event_log: EventLog, rejected: actuation.Command) -> dict[str, Any]:
    """The values that safety saw; none while it is away, which must not hide the refusal."""
    try:
        query = safeguarding.DecisionQuery(seq=rejected.decision_seq)
        return (await ask(event_log, "safety", "decision", query, safeguarding.DecisionView)).saw
    except ProblemError:
        return {}
