"""Who may log in to the broker, and what each device may publish and subscribe: Mosquitto's dynamic security. Pure.

Each device has a client (its user name and its client id are the device id, so nobody can use another's) and a role of
its own. The key id is kept in the client's description, so the broker itself says which key it has, and nothing needs
to be remembered between. Commands as in the plugin's API: https://mosquitto.org/documentation/dynamic-security/
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kaiser.contracts.topics import UPLINK_SUFFIXES

Command = dict[str, Any]  # JSON of the plugin's API

KEY: Final = "kaiser key "
"""A client whose description begins so is a device that Kaiser manages; all others are left alone."""


def changes(
    wanted: Mapping[str, str], found: Mapping[str, str], key: Callable[[str, str], str]
) -> Iterator[list[Command]]:
    """Commands that make the broker have what it should, a list for each device; none where it has.

    Args:
        wanted: Device to key id.
        found: The same, as the broker has it.
        key: Device and key id to key.
    """
    for esp_id in sorted(found.keys() - wanted.keys()):
        yield remove(esp_id)
    for esp_id, key_id in sorted(wanted.items()):
        if esp_id not in found:
            yield add(esp_id, key_id, key(esp_id, key_id))
        elif found[esp_id] != key_id:
            yield rekey(esp_id, key_id, key(esp_id, key_id))


def add(esp_id: str, key_id: str, key: str) -> list[Command]:
    """A device that the broker does not know; a role may be left of an attempt that was cut short."""
    return [
        {"command": "deleteRole", "rolename": role_name(esp_id)},
        {"command": "createRole", "rolename": role_name(esp_id), "acls": rights(esp_id)},
        {
            "command": "createClient",
            "username": esp_id,
            "password": key,
            "clientid": esp_id,
            "textdescription": KEY + key_id,
            "roles": [{"rolename": role_name(esp_id)}],
        },
    ]


def rekey(esp_id: str, key_id: str, key: str) -> list[Command]:
    """Another key; the broker ends the connection that the old one made."""
    return [{"command": "modifyClient", "username": esp_id, "password": key, "textdescription": KEY + key_id}]


def remove(esp_id: str) -> list[Command]:
    """A device whose key is void; the broker ends its connection."""
    return [
        {"command": "deleteClient", "username": esp_id},
        {"command": "deleteRole", "rolename": role_name(esp_id)},
    ]


def rights(esp_id: str) -> list[Command]:
    """What a device may do: say what devices say below its own id, and hear what is for it or for all.

    The kaiser level is free, for it changes with a zone assignment and may be empty.
    """
    own = f"kaiser/+/esp/{esp_id}"
    says = [f"{own}/{suffix.replace('{gpio}', '+')}" for suffix in UPLINK_SUFFIXES.values()]
    hears = [f"{own}/#", "kaiser/broadcast/#", "kaiser/+/server/status"]
    return [
        *({"acltype": "publishClientSend", "topic": topic, "allow": True} for topic in says),
        *({"acltype": "publishClientReceive", "topic": topic, "allow": True} for topic in hears),
        *({"acltype": "subscribePattern", "topic": topic, "allow": True} for topic in hears),
    ]


def role_name(esp_id: str) -> str:
    """Name of a device's role."""
    return f"device/{esp_id}"


def keys_of(listed: Mapping[str, Any]) -> dict[str, str]:
    """Device to key id, from the answer to a verbose ``listClients``."""
    described = {client["username"]: client.get("textdescription", "") for client in listed["clients"]}
    return {name: text.removeprefix(KEY) for name, text in described.items() if text.startswith(KEY)}
