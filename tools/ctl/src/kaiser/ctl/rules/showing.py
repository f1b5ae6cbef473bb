"""Answers of the API as text. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kaiser.ctl.api import fault_line
from kaiser.ctl.printing import table

Json = Mapping[str, Any]  # an object out of JSON

MARKS: Final = {True: "+", False: "-", None: "?"}
"""True, false, not known."""


def rules(items: Iterable[Json]) -> str:
    """A list of rules."""
    rows = [
        (
            item["rule_id"],
            f"{item['live'] or '-'}/{item['newest']}",
            MARKS[item["truth"]] if item["enabled"] else " ",
            _state(item),
            item["last_run_at"] or "",
            item["name"],
        )
        for item in items
    ]
    return table(("rule", "live/newest", "is", "state", "last run", "name"), rows)


def decided(found: Json) -> str:
    """What came of an order."""
    live = f"version {found['live']} is live" if found["live"] else "it is not live"
    lines = [f"{found['rule_id']}: version {found['version']}; {live}"]
    return "\n".join([*lines, *(f"  warning: {fault_line(fault)}" for fault in found["warnings"])])


def explanation(found: Json) -> str:
    """Why, with the tree of conditions: ``+`` is true, ``-`` is false, ``?`` is not known."""
    lines = [f"{found['verdict']}: {found['sentence']}"]
    return "\n".join([*lines, *(_tree(found["seen"], 1) if found["seen"] else ())])


def runs(items: Iterable[Json]) -> str:
    """A list of runs and skips."""
    rows = [
        (
            item["started_at"],
            item["run_id"] or item["rule_id"],
            item["branch"],
            item["outcome"],
            item["cause"]["what"] or item["cause"]["kind"],
            ": ".join(filter(None, (item["reason"], item["detail"]))),
        )
        for item in items
    ]
    return table(("began", "run", "branch", "outcome", "because of", "reason"), rows)


def backtest(found: Json) -> str:
    """What a rule would have done."""
    skips = ", ".join(f"{count} {reason}" for reason, count in found["skips"].items()) or "none"
    span = f"{found['start']} to {found['end']}, {found['readings']} readings"
    lines = [
        f"{found['rule_id']} version {found['version']}, {span}",
        f"  runs     {found['run_count']}",
        f"  skips    {skips}",
        f"  vetoed   {len(found['vetoed'])} commands that safety would have refused",
        *(f"  on       {_place(each)} for {each['on_s']:.0f} s, {each['starts']} starts" for each in found["on_time"]),
        *(
            f"  rival    {each['rule_id']}, priority {each['priority']}: {', '.join(map(_pin, each['actuators']))}"
            for each in found["rivals"]
        ),
        f"  digest   {found['digest']}",
    ]
    return "\n".join([*lines, *([f"  backtest {found['backtest_id']}"] if found["backtest_id"] else ())])


def what_if(found: Json) -> str:
    """What another version would have done otherwise."""
    lines = [f"before: {backtest(found['before'])}", f"after: {backtest(found['after'])}"]
    lines += [f"on {place} {seconds:+.0f} s" for place, seconds in found["on_s"].items()]
    lines += [f"{found['changed']} commands differ, {found['vetoed']:+d} that safety would have refused"]
    lines += [
        f"  {each['kind']:<8} {_place(each)} {each['command']}"
        f"{'' if each['level'] is None else ' {:g}'.format(each['level'])}"
        f"  {each['before'] or '-'} -> {each['after'] or '-'}"
        for each in found["changes"]
    ]
    return "\n".join(lines)


def templates(items: Iterable[Json]) -> str:
    """Templates and the facts that they take."""
    lines = []
    for item in items:
        lines.append(f"{item['name']}: {item['description']}")
        for each in item["parameters"]:
            usual = "needed" if each["required"] else "none" if each["default"] is None else f"{each['default']}"
            lines.append(f"  {each['name']:<14} {each['kind']:<9} {usual:<8} {each['description']}")
    return "\n".join(lines)


def _state(item: Json) -> str:
    if not item["enabled"]:
        return "disabled"
    if item["running"]:
        return "running"
    if item["damped"]:
        return "damped"
    return "blocked" if item["blocked_until"] else "acted" if item["active"] else "waiting"


def _tree(seen: Json, depth: int) -> Iterable[str]:
    value = "" if seen["value"] is None else f" is {seen['value']}"
    against = f" ({seen['against']})" if seen["against"] else ""
    note = f", {seen['note']}" if seen["note"] else ""
    yield f"{'  ' * depth}{MARKS[seen['truth']]} {seen['kind']} {seen['what']}{value}{against}{note}".rstrip()
    for part in seen["parts"]:
        yield from _tree(part, depth + 1)


def _place(item: Json) -> str:
    return _pin(item["actuator"])


def _pin(actuator: Json) -> str:
    return f"{actuator['esp_id']}/{actuator['gpio']}"
