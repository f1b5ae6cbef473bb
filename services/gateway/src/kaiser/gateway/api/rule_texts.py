"""Rules as YAML, and templates to begin with."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.exceptions import ValidationException
from litestar.params import Body, Parameter, QueryParameter

from kaiser.contracts import logic
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Rule
from kaiser.eventlog import EventLog
from kaiser.gateway.api import rule_views as views
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.rules import REFUSED, Dry, Reason
from kaiser.gateway.asking import ask, order

YAML: Final = "application/yaml"

Ids = Annotated[list[str] | None, QueryParameter(name="rule_id", description="which; all of them by default")]
Enable = Annotated[bool, Parameter(description="whether they go live at once")]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts about the place that a template asks for, by name."""

    parameters: dict[str, Any] = {}


@get("/rules.yaml", tags=["rules"], summary="Export rules", media_type=YAML, responses=refusals(Code.RULE_NOT_FOUND))
async def export(event_log: EventLog, ids: Ids = None) -> Response[str]:
    """Rules as YAML, for a repository: live versions, else the newest, without what is as it would be anyway."""
    found = await ask(event_log, "logic", "export", logic.ExportRules(rule_ids=ids), logic.RulesText)
    return Response(found.text, media_type=YAML, headers={"Content-Disposition": 'attachment; filename="rules.yaml"'})


@post(
    "/rules.yaml",
    status_code=200,
    tags=["rules"],
    summary="Import rules",
    responses=refusals(*REFUSED),
)
async def import_(
    event_log: EventLog, request: By, body: bytes, enable: Enable = False, dry: Dry = False, reason: Reason = ""
) -> list[views.RuleDecisionView]:
    """Define rules from YAML, in the form of the export: all of them, or, where anything is wrong, none.

    The body is the text, in UTF-8. Rules that are as they were get no new version.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValidationException("no text", extra=[{"message": f"it is not UTF-8: {error}", "key": ""}]) from None
    asked = logic.ImportRules(text=text, by=who_asks(request), enable=enable, reason=reason, dry=dry)
    found = await order(event_log, "logic", "import", asked, list[logic.RuleDecided])
    return [views.decided(each) for each in found]


@get("/rule-templates", tags=["rules"], summary="List templates")
async def templates(event_log: EventLog) -> list[logic.Template]:
    """Rules that most greenhouses want, each with the facts that it has to be told."""
    return await ask(event_log, "logic", "templates", logic.TemplatesQuery(), list[logic.Template])


@get("/rule-templates/{name:str}", tags=["rules"], summary="Show a template", responses=refusals(Code.RULE_NOT_FOUND))
async def template(event_log: EventLog, name: str) -> logic.Template:
    """One template, with the facts that it has to be told."""
    for found in await ask(event_log, "logic", "templates", logic.TemplatesQuery(), list[logic.Template]):
        if found.name == name:
            return found
    raise Refusal(Code.RULE_NOT_FOUND, f"there is no template {name!r}", "name")


@post(
    "/rule-templates/{name:str}",
    status_code=200,
    tags=["rules"],
    summary="Make a rule of a template",
    responses=refusals(Code.RULE_INVALID, Code.RULE_NOT_FOUND),
)
async def fill(
    event_log: EventLog,
    name: str,
    data: Annotated[
        Facts,
        Body(
            examples=[
                example(
                    "irrigation",
                    parameters={
                        "soil": {"esp_id": "ESP_9F03D4", "gpio": 34, "sensor_type": "moisture"},
                        "pump": {"esp_id": "ESP_9F03D4", "gpio": 25},
                        "dry": 28,
                    },
                )
            ]
        ),
    ],
) -> Rule:
    """The rule that a template makes of the facts, to be looked at, changed, tried, and put to ``/rules/{id}``."""
    return await ask(event_log, "logic", "fill", logic.FillTemplate(name=name, parameters=data.parameters), Rule)
