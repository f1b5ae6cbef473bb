"""The log over the REST API: events, their causes, and what something was at a time."""

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kaiser.ctl.api import Api, api_of
from kaiser.ctl.errors import UsageError
from kaiser.ctl.printing import show
from kaiser.ctl.site import Site

Json = Mapping[str, Any]  # an object out of JSON


def events(site: Site, arguments: Namespace) -> int:
    """Browse the log."""
    if not (arguments.stream or arguments.aggregate):
        raise UsageError("say which stream with --stream, or of what with --aggregate.")
    with api_of(site) as api:
        found = list(
            api.pages(
                "/events",
                most=arguments.most,
                stream=arguments.stream,
                subject=arguments.subject,
                aggregate=arguments.aggregate,
                type=arguments.kind,
                **{"from": arguments.start, "to": arguments.end},
            )
        )
    show(arguments, found, lambda found: "\n".join(map(_line, found)))
    return 0


def why(site: Site, arguments: Namespace) -> int:
    """Say why an event happened; 1 if a cause that it names is not there."""
    stream, _, seq = arguments.event.partition("/")
    if not seq.isdecimal():
        raise UsageError(f"an event is named like ACTUATORS/1207, not {arguments.event!r}.")
    with api_of(site) as api:
        found = api.get(f"/events/{stream}/{seq}/causes")
    show(arguments, found, lambda found: "\n".join(_causes(found)))
    return int(bool(found["missing"]))


def state(site: Site, arguments: Namespace) -> int:
    """Show something as it was."""
    with api_of(site) as api:
        name = arguments.id
        if arguments.kind == "user":
            name = user_id(api, name)
        found = api.get(f"/aggregates/{quote(arguments.kind)}/{quote(name, safe='')}", at=arguments.at)
    show(arguments, found, lambda found: "\n".join(_state(found)))
    return 0


def user_id(api: Api, name: str) -> str:
    """The id of the user of a name; what is nobody's name is taken as an id."""
    return next((each["user_id"] for each in api.pages("/users") if each["username"] == name), name)


def _line(event: Json) -> str:
    name = f"{event['stream']}/{event['seq']}"
    data = json.dumps(event["data"], ensure_ascii=False)
    return f"{event['stored_at']}  {name:<18} {event['type']}  {event['subject']}  {data}"


def _causes(found: Json) -> Iterator[str]:
    yield _line(found["event"])
    depths = {f"{found['event']['stream']}/{found['event']['seq']}": 0}
    if found["root"]:
        yield f"  came of nothing else: {_root(found['root'])}"
    for cause in found["causes"]:
        depth = depths.get(cause["of"], 0) + 1
        event = cause["event"]
        depths.setdefault(f"{event['stream']}/{event['seq']}", depth)
        root = f"  <- {_root(cause['root'])}" if cause["root"] else ""
        yield f"{'  ' * depth}{cause['relation']}: {_line(event)}{root}"
    yield from (f"MISSING  {words}" for words in found["missing"])
    if found["cut"]:
        yield "there may be more causes than fit into one answer: ask for the last ones"


def _root(kind: str) -> str:
    return {"device": "a device said so", "user": "somebody asked for it"}.get(kind, "Kaiser decided it by itself")


def _state(found: Json) -> Iterator[str]:
    yield f"{found['kind']} {found['aggregate_id']} at {found['at']}: {found['events']} events of {found['stream']}"
    yield from _indented(found["state"], 1)


def _indented(value: Any, depth: int) -> Iterator[str]:
    items: Sequence[tuple[str, Any]] = list(value.items()) if isinstance(value, dict) else []
    for name, each in items:
        if isinstance(each, dict) and each:
            yield f"{'  ' * depth}{name}:"
            yield from _indented(each, depth + 1)
        else:
            yield f"{'  ' * depth}{name}: {json.dumps(each, ensure_ascii=False)}"
