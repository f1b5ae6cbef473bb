"""Users over the REST API, which notes who changed what."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kaiser.ctl.api import Api, api_of
from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.login import new_password
from kaiser.ctl.printing import show, table
from kaiser.ctl.site import Site

Json = Mapping[str, Any]  # an object out of JSON


def _list(site: Site, arguments: Namespace) -> int:
    with api_of(site) as api:
        show(arguments, list(api.pages("/users")), _in_columns)
    return 0


def _add(site: Site, arguments: Namespace) -> int:
    password = new_password(arguments.new_password_file, f"password of {arguments.name}: ")
    wish = {
        "username": arguments.name,
        "password": password,
        "role": arguments.role,
        "zones": arguments.zones or [],
    }
    with api_of(site) as api:
        show(arguments, api.post("/users", wish), lambda found: _in_columns([found]))
    return 0


def _roles(site: Site, arguments: Namespace) -> int:
    if arguments.zones and arguments.all_zones:
        raise UsageError("--zone and --all-zones say different things.")
    zones = [] if arguments.all_zones else arguments.zones
    with api_of(site) as api:
        found = _find(api, arguments.name)
        if arguments.role is not None or zones is not None:
            found = _change(api, found, {"role": arguments.role, "zones": zones})
    show(arguments, found, lambda found: _in_columns([found]))
    return 0


def _disable(site: Site, arguments: Namespace) -> int:
    return _set_disabled(site, arguments, disabled=True)


def _unlock(site: Site, arguments: Namespace) -> int:
    return _set_disabled(site, arguments, disabled=False)


def _reset_password(site: Site, arguments: Namespace) -> int:
    password = new_password(arguments.new_password_file, f"new password of {arguments.name}: ")
    with api_of(site) as api:
        found = _find(api, arguments.name)
        api.put(f"/users/{found['user_id']}/password", {"password": password})
    show(arguments, found, lambda found: f"{found['username']} has another password, and every session has ended")
    return 0


def _set_disabled(site: Site, arguments: Namespace, *, disabled: bool) -> int:
    with api_of(site) as api:
        found = _change(api, _find(api, arguments.name), {"disabled": disabled})
    show(arguments, found, lambda found: _in_columns([found]))
    return 0


def _find(api: Api, name: str) -> Json:
    for found in api.pages("/users"):
        if name in {found["username"], found["user_id"]}:
            user: Json = found
            return user
    raise CtlError(f"there is no user {name}.")


def _change(api: Api, user: Json, changes: Json) -> Json:
    found: Json = api.patch(f"/users/{user['user_id']}", changes)
    return found


def _in_columns(found: Sequence[Json]) -> str:
    rows = [
        (
            each["username"],
            each["role"],
            "disabled" if each["disabled"] else "",
            f"{each['sessions']}",
            each["created_at"],
            ", ".join(each["zones"]) or "everywhere",
        )
        for each in found
    ]
    return table(("user", "role", "", "sessions", "made", "zones"), rows, right=(3,))


VERBS: Final[Mapping[str, Callable[[Site, Namespace], int]]] = {
    "listed": _list,
    "add": _add,
    "roles": _roles,
    "disable": _disable,
    "unlock": _unlock,
    "reset_password": _reset_password,
}
"""What each verb does."""
