"""What each verb asks of the API, and how its answer is shown."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from kaiser.ctl.api import Api, api_of
from kaiser.ctl.errors import UsageError
from kaiser.ctl.rules import showing
from kaiser.ctl.site import Site

Verb = Callable[[Api, Namespace], Any]  # asks, and returns JSON or a text
PAGE: Final = 100


def run(site: Site, arguments: Namespace) -> int:
    """Do what a verb says, and print what comes of it.

    Raises:
        CtlError: The API refused, or is away.
    """
    ask, show = VERBS[arguments.verb]
    with api_of(site) as api:
        found = ask(api, arguments)
    if isinstance(found, str):
        print(found, end="")
    else:
        print(json.dumps(found, indent=2, ensure_ascii=False) if arguments.json else show(found))
    return 0


def _list(api: Api, asked: Namespace) -> Any:
    items, cursor = [], None
    while True:
        page = api.get("/rules", enabled=asked.enabled, esp_id=asked.esp_id, limit=PAGE, cursor=cursor)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def _show(api: Api, asked: Namespace) -> Any:
    return api.get(f"/rules/{asked.rule_id}", version=asked.version)


def _import(api: Api, asked: Namespace) -> Any:
    content = sys.stdin.buffer.read() if asked.file == "-" else _file(asked.file)
    return api.send("/rules.yaml", content, enable=asked.enable, dry=asked.dry, reason=asked.reason)


def _export(api: Api, asked: Namespace) -> Any:
    return api.text("/rules.yaml", rule_id=asked.rule_ids or None)


def _enable(api: Api, asked: Namespace) -> Any:
    body = {"version": asked.version, "backtest_id": asked.backtest_id, "override": asked.override}
    return api.post(f"/rules/{asked.rule_id}/enable", body)


def _disable(api: Api, asked: Namespace) -> Any:
    return api.post(f"/rules/{asked.rule_id}/disable", {"reason": asked.reason})


def _remove(api: Api, asked: Namespace) -> Any:
    return api.delete(f"/rules/{asked.rule_id}", reason=asked.reason)


def _test(api: Api, asked: Namespace) -> Any:
    values = dict(_value(text) for text in asked.value)
    return api.post(f"/rules/{asked.rule_id}/test", {"rule": _draft(asked), "values": values})


def _backtest(api: Api, asked: Namespace) -> Any:
    return api.post(f"/rules/{asked.rule_id}/backtest", _trial(asked))


def _whatif(api: Api, asked: Namespace) -> Any:
    return api.post(f"/rules/{asked.rule_id}/whatif", _trial(asked) | {"against": asked.against})


def _runs(api: Api, asked: Namespace) -> Any:
    found = api.get("/rule-runs", rule_id=asked.rule_id, outcome=asked.outcome, limit=asked.limit)
    return found["items"]


def _why(api: Api, asked: Namespace) -> Any:
    if asked.run_id:
        return api.get(f"/rules/{asked.rule_id}/runs/{asked.run_id}/explanation")
    return api.get(f"/rules/{asked.rule_id}/explanation", at=asked.at)


def _templates(api: Api, _: Namespace) -> Any:
    return api.get("/rule-templates")


def _trial(asked: Namespace) -> dict[str, Any]:
    return {"start": asked.start, "end": asked.end, "version": asked.version, "rule": _draft(asked)}


def _draft(asked: Namespace) -> Any:
    if asked.file is None:
        return None
    try:
        return json.loads(_file(asked.file))
    except ValueError as error:
        raise UsageError(f"{asked.file} is no JSON: {error}") from error


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _value(text: str) -> tuple[str, float]:
    sensor, _, value = text.partition("=")
    try:
        return sensor, float(value)
    except ValueError:
        raise UsageError(f"{text}: a value is given as ESP_9F03D4/34/moisture=12.5") from None


def _whole(found: Any) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)


def _all_decided(found: Any) -> str:
    return "\n".join(showing.decided(each) for each in found)


VERBS: Final[dict[str, tuple[Verb, Callable[[Any], str]]]] = {
    "list": (_list, showing.rules),
    "show": (_show, _whole),
    "import": (_import, _all_decided),
    "export": (_export, str),
    "enable": (_enable, showing.decided),
    "disable": (_disable, showing.decided),
    "remove": (_remove, showing.decided),
    "test": (_test, showing.explanation),
    "backtest": (_backtest, showing.backtest),
    "whatif": (_whatif, showing.what_if),
    "runs": (_runs, showing.runs),
    "why": (_why, showing.explanation),
    "templates": (_templates, showing.templates),
}
