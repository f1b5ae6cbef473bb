"""The parts of a site: what each finds in its folder, under which names it is reached, and whose the folder is.

The same folders are volumes in ``deploy/compose`` and Secrets in ``deploy/kubernetes``; a part sees its own as
``/site``.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from kaiser.local import mosquitto, nats, postgres

SITE: Final = Path("/site")
MQTT_DATA: Final = Path("/mosquitto/data")
NATS_DATA: Final = Path("/data")

Secret = Callable[[str], str]
"""The value of a secret of the site, by its name."""

KAISER_UID: Final = 65532
OWNERS: Final = {"mosquitto": 1883, "nats": KAISER_UID, "postgres": 70}
"""User ids of the servers' processes: those of the public images where they have one. All others are Kaiser's own."""

REACHED_AS: Final = {
    "mosquitto": ("mosquitto", "mosquitto.kaiser.svc"),
    "nats": ("nats", "nats.kaiser.svc", "nats-headless", "*.nats-headless", "nats.kaiser.svc.cluster.local"),
    "postgres": ("postgres", "timescale-rw", "timescale-rw.kaiser.svc", "timescale-r", "timescale-ro"),
    "gateway": ("gateway", "gateway.kaiser.svc"),
}
"""Parts that are servers, each under its names in compose and in Kubernetes."""

PASSWORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "bridge": {
        "nats-password": "nats-bridge",
        "mqtt-password": "mqtt-bridge",
        "access-password": "mqtt-access",
        "device-key": "device-key",
    },
    "ingest": {
        "nats-password": "nats-ingest",
        "postgres-password": f"postgres-{postgres.SCHEMAS['ingest']}",
        "device-key": "device-key",
    },
    "actuator": {
        "nats-password": "nats-actuator",
        "postgres-password": f"postgres-{postgres.SCHEMAS['actuator']}",
    },
    "safety": {"nats-password": "nats-safety", "postgres-password": f"postgres-{postgres.SCHEMAS['safety']}"},
    "logic": {"nats-password": "nats-logic", "postgres-password": f"postgres-{postgres.SCHEMAS['logic']}"},
    "gateway": {"nats-password": "nats-gateway", "jwt": "jwt", "admin-password": "admin"},
    "postgres": {"password": f"postgres-{postgres.SUPERUSER}"},
    "database": {role: f"postgres-{role}" for role in postgres.ROLES},
    "backup": {"nats-password": f"nats-{nats.OPERATOR}", "postgres-password": f"postgres-{postgres.OWNER}"},
}
"""Files with secrets, by part: the name of the file, and of the secret. ``database`` is the job that makes roles and
schemas; ``backup`` reads everything, and writes it when a site is restored."""

PARTS: Final = ("mosquitto", "nats", *PASSWORDS)

LISTENERS: Final = f"""\
# Real devices speak plain MQTT; whoever can, and the bridge, takes the other one.
listener 1883
listener 8883
certfile {SITE}/tls.crt
keyfile {SITE}/tls.key"""

HOST_BASED_AUTHENTICATION: Final = """\
# Written by kaiser.local.site: nobody from outside without TLS and a password.
local all all trust
hostssl all all all scram-sha-256
"""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from site to site.

    Attributes:
        shared_account: Whether devices that were never given keys may share the account ``device``.
        plugin: Mosquitto's dynamic security plugin, as its image has it.
        sync: As of :func:`kaiser.local.nats.prepare`.
    """

    shared_account: bool = False
    plugin: str = "/usr/lib/mosquitto_dynamic_security.so"
    sync: str | None = None


def files(part: str, secret: Secret, options: Options) -> dict[str, str]:
    """Files of a part's folder besides certificates, by name."""
    found = {name: secret(of) for name, of in PASSWORDS.get(part, {}).items()}
    match part:
        case "mosquitto":
            found |= _mosquitto(secret, options)
        case "nats":
            found |= _nats(secret, options)
        case "postgres":
            found["pg_hba.conf"] = HOST_BASED_AUTHENTICATION
    return found


def _mosquitto(secret: Secret, options: Options) -> dict[str, str]:
    users = [user for user in mosquitto.USERS if user != "loadgen" and (options.shared_account or user != "device")]
    configuration = mosquitto.CONFIGURATION.substitute(
        listeners=LISTENERS, folder=SITE, data=MQTT_DATA, autosave_s=5, plugin=options.plugin
    )
    return mosquitto.accounts({user: secret(f"mqtt-{user}") for user in users}) | {
        "mosquitto.conf": configuration,
        mosquitto.CLIENTS: mosquitto.NO_CLIENTS,
    }


def _nats(secret: Secret, options: Options) -> dict[str, str]:
    """The whole configuration for a single server, and the users alone for a chart that writes the rest itself."""
    users = nats.authorization({user: secret(f"nats-{user}") for user in nats.USERS})
    everywhere = "0.0.0.0"  # noqa: S104 - in a container
    alone = nats.configuration(store=NATS_DATA, listen=everywhere, port=4222, sync=options.sync)
    tls = {"cert_file": f"{SITE}/tls.crt", "key_file": f"{SITE}/tls.key"}
    monitoring = {"http": "127.0.0.1:8222", "tls": tls}
    return {
        "nats.conf": json.dumps(alone | monitoring | users, indent=2),
        "authorization.conf": json.dumps(users, indent=2),
    }
