"""The NATS server: its configuration, and what each service may publish and subscribe to."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kaiser.contracts.streams import PERMISSIONS, Permissions
from kaiser.local.errors import LocalError

OPERATOR: Final = "operator"
"""The user without restrictions, for people and their tools."""
USERS: Final = (*PERMISSIONS, OPERATOR)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server stands in a cluster.

    Attributes:
        name: Its name, which no other server of the cluster has.
        port: Port on which the others reach it.
        routes: Addresses of all, itself included, as ``host:port``.
    """

    name: str
    port: int
    routes: tuple[str, ...]


def prepare(
    folder: Path,
    *,
    port: int,
    passwords: Mapping[str, str],
    sync: str | None = None,
    listen: str = "127.0.0.1",
    place: Place | None = None,
    store: Path | None = None,
    monitor: int | None = None,
) -> None:
    """Write the configuration; the streams in the folder are left alone.

    Args:
        folder: The server's own folder, made if need be.
        port: TCP port on the loopback address.
        passwords: Password of each user; who is no service of the contract may do everything.
        sync: How often JetStream forces its files to disk: a duration such as ``10s``, ``always``, or none for the
            server's default of two minutes (a crash of the machine may then lose what a crash of the process keeps).
        listen: Address to listen on.
        place: Where it stands in a cluster; none for a server of its own.
        store: Where the streams are, if not in the folder.
        monitor: Port of its monitoring over HTTP; none for no monitoring.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "nats.conf"
    path.touch(mode=0o600)
    settings = configuration(store=store or folder / "jetstream", listen=listen, port=port, sync=sync)
    if place is not None:
        cluster = {
            "name": "kaiser",
            "listen": f"{listen}:{place.port}",
            "routes": [f"nats://{address}" for address in place.routes],
        }
        settings |= {"server_name": place.name, "cluster": cluster}
    if monitor is not None:
        settings["http"] = f"{listen}:{monitor}"
    path.write_text(json.dumps(settings | authorization(passwords), indent=2))


def configuration(*, store: Path, listen: str, port: int, sync: str | None = None) -> dict[str, object]:
    """The server's settings, without its users; arguments as of :func:`prepare`, and where the streams are."""
    jetstream: dict[str, object] = {"store_dir": str(store)}
    if sync is not None:
        jetstream["sync_interval"] = sync
    return {
        "host": listen,
        "port": port,
        "server_name": "kaiser",
        "max_payload": 1024 * 1024,
        # A subscriber that takes nothing for this long is cut off rather than allowed to hold everybody's memory.
        "write_deadline": "10s",
        "jetstream": jetstream,
    }


def authorization(passwords: Mapping[str, str]) -> dict[str, object]:
    """Who may log in, and what the contract grants each; who is no service of the contract may do everything."""
    users = [{"user": name, "password": password} | _granted(name) for name, password in passwords.items()]
    return {"authorization": {"users": users}}


def command(folder: Path) -> list[str]:
    """The command that runs the server in the foreground.

    Raises:
        LocalError: The virtual environment has no ``nats-server``.
    """
    beside_python = Path(sys.executable).parent / "nats-server"
    program = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if program is None:
        raise LocalError(
            "nats-server is missing from the virtual environment: run 'make up' or deploy/local/bootstrap.sh."
        )
    return [program, "--config", str(folder / "nats.conf")]


def _granted(user: str) -> dict[str, object]:
    """What the contract allows a user, in the words of the server's configuration."""
    if user not in PERMISSIONS:
        return {}
    permissions = PERMISSIONS[user]
    buckets = [f"KV_{bucket}" for bucket in permissions.buckets]
    publish = [
        *permissions.publishes,
        *permissions.asks,
        *permissions.says,
        *(f"$KV.{bucket}.>" for bucket in permissions.buckets),
        *("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.FC.>"),
        *(subject for stream in (*permissions.owns, *buckets) for subject in _defining(stream)),
        *(f"$JS.API.STREAM.PURGE.{stream}" for stream in (*buckets, *permissions.trims)),
        *(subject for stream in _readable(permissions, buckets) for subject in _reading(stream)),
    ]
    return {
        "permissions": {
            "publish": {"allow": publish},
            "subscribe": {"allow": ["_INBOX.>", "$JS.EVENT.ADVISORY.>", *permissions.hears, *permissions.answers]},
            # An answer goes to the asker's inbox, which nobody may otherwise publish to.
            "allow_responses": bool(permissions.answers),
        }
    }


def _readable(permissions: Permissions, buckets: list[str]) -> list[str]:
    return sorted({*permissions.reads, *permissions.owns, *buckets})


def _defining(stream: str) -> list[str]:
    """Creating and changing a stream; deleting or purging one is not a service's business."""
    return [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("CREATE", "UPDATE")]


def _reading(stream: str) -> list[str]:
    """Consumers of a stream, their messages and acknowledgements, and single messages by sequence or subject."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.>",
        *(f"$JS.API.CONSUMER.{verb}.{stream}" for verb in ("NAMES", "LIST")),
        *(f"$JS.API.CONSUMER.{verb}.{stream}.>" for verb in ("CREATE", "INFO", "DELETE", "MSG.NEXT", "RESET")),
        f"$JS.ACK.{stream}.>",
    ]
