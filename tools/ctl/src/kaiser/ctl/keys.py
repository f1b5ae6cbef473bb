"""Keys over the REST API: of machines, which are good for scopes, and of devices, which log in at the broker."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kaiser.ctl.api import api_of
from kaiser.ctl.errors import UsageError
from kaiser.ctl.printing import show, table
from kaiser.ctl.site import Site

Json = Mapping[str, Any]  # an object out of JSON


def _list(site: Site, arguments: Namespace) -> int:
    with api_of(site) as api:
        devices = [each for each in api.pages("/devices") if each["key_issued_at"]]
        found = {
            "machines": list(api.pages("/keys")),
            "devices": [{name: each[name] for name in ("esp_id", "state", "key_issued_at")} for each in devices],
        }
    show(arguments, found, lambda found: f"{_machines(found['machines'])}\n\n{_devices(found['devices'])}")
    return 0


def _issue(site: Site, arguments: Namespace) -> int:
    if bool(arguments.name) == bool(arguments.device):
        raise UsageError("say what the key of a machine is for, or which device it is of with --device.")
    if arguments.name and not arguments.scopes:
        raise UsageError("say what the key is good for with --scope.")
    with api_of(site) as api:
        if arguments.device:
            found = api.post(f"/devices/{arguments.device}/key", {})
        else:
            wish = {
                "name": arguments.name,
                "scopes": arguments.scopes,
                "zones": arguments.zones or [],
                "expires_at": arguments.expires,
            }
            found = api.post("/keys", wish)
    show(arguments, found, _issued)
    return 0


def _revoke(site: Site, arguments: Namespace) -> int:
    if bool(arguments.key_id) == bool(arguments.device):
        raise UsageError("say which key, or which device with --device.")
    with api_of(site) as api:
        if arguments.device:
            found = api.post(f"/devices/{arguments.device}/retire", {"reason": arguments.reason})
            words = f"{arguments.device} is retired, and its key is void"
        else:
            api.delete(f"/keys/{arguments.key_id}")
            found, words = {"key_id": arguments.key_id}, f"{arguments.key_id} is void"
    show(arguments, found, lambda _: words)
    return 0


def _issued(found: Json) -> str:
    whose = f"id {found['key_id']}" if "key_id" in found else f"of {found['esp_id']}"
    return f"{found['key']}\n({whose}; it is shown this once)"


def _machines(found: Sequence[Json]) -> str:
    rows = [
        (
            each["key_id"],
            each["name"],
            ", ".join(each["scopes"]),
            each["expires_at"] or "never",
            each["created_by"],
            ", ".join(each["zones"]) or "everywhere",
        )
        for each in found
    ]
    return table(("key", "machine", "good for", "void", "made by", "zones"), rows)


def _devices(found: Sequence[Json]) -> str:
    rows = [(each["esp_id"], each["state"], each["key_issued_at"]) for each in found]
    return table(("device", "state", "key issued"), rows)


VERBS: Final[Mapping[str, Callable[[Site, Namespace], int]]] = {
    "listed": _list,
    "issue": _issue,
    "revoke": _revoke,
}
"""What each verb does."""
