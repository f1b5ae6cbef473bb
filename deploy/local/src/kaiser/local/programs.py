"""What runs: three servers and Kaiser's services, each with its command, environment and port, as data."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kaiser.local import mosquitto, nats, postgres
from kaiser.local.layout import Layout
from kaiser.local.ports import LOOPBACK
from kaiser.local.tree import CHECKOUT, Tree


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One program of the suite.

    Attributes:
        name: Name in ``make status`` and ``make logs``.
        command: Words of the command line; it stays in the foreground.
        port: Port that shows whether it is ready.
        service: Whether it is one of Kaiser's own, which answers ``/health/ready`` on the port.
        environment: Variables on top of the supervisor's own.
        priority: Lower ones start first and stop last.
        stop_signal: What makes it stop in an orderly way.
    """

    name: str
    command: tuple[str, ...]
    port: int
    service: bool = False
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    priority: int = 10
    stop_signal: str = "TERM"


CONSOLE = CHECKOUT / "clients" / "console" / "dist"
SERVERS = ("postgres", "mosquitto", "nats")
SERVICES = ("bridge", "ingest", "actuator", "safety", "logic", "gateway")
EVERYTHING = (*SERVERS, *SERVICES)


def programs(layout: Layout, tree: Tree) -> list[Program]:
    """All programs of the suite, servers first."""
    return [*_servers(layout, tree), *_services(layout)]


def _servers(layout: Layout, tree: Tree) -> list[Program]:
    return [
        Program(
            name="postgres",
            command=tuple(postgres.command(tree, layout.postgres)),
            port=layout.ports.postgres,
            stop_signal="INT",  # "fast": disconnect clients rather than wait for them to leave
        ),
        Program(name="mosquitto", command=tuple(mosquitto.command(tree, layout.mosquitto)), port=layout.ports.mqtt),
        Program(name="nats", command=tuple(nats.command(layout.nats)), port=layout.ports.nats),
    ]


def has_console() -> bool:
    """Whether the console was built; where that could not be done, there is the API all the same."""
    return (CONSOLE / "index.html").is_file()


def _services(layout: Layout) -> list[Program]:
    ports, secret = layout.ports, layout.secrets.path
    bridge = {
        "KAISER_MQTT_HOST": LOOPBACK,
        "KAISER_MQTT_PORT": str(ports.mqtt),
        "KAISER_MQTT_USER": "bridge",
        "KAISER_MQTT_PASSWORD_FILE": str(secret("mqtt-bridge")),
        "KAISER_BRIDGE_STATE_DIR": str(layout.bridge_state),
        "KAISER_ACCESS_USER": "access",
        "KAISER_ACCESS_PASSWORD_FILE": str(secret("mqtt-access")),
    }
    device_keys = {"KAISER_DEVICE_KEY_SECRET_FILE": str(secret("device-key"))}
    archive = {"KAISER_ARCHIVE_FOLDER": str(layout.archive)}
    gateway = {
        "KAISER_GATEWAY_HOST": LOOPBACK,
        "KAISER_GATEWAY_PORT": str(ports.gateway),
        "KAISER_JWT_SECRET_FILE": str(secret("jwt")),
        "KAISER_ADMIN_PASSWORD_FILE": str(secret("admin")),
    }
    if has_console():
        gateway["KAISER_GATEWAY_CONSOLE"] = str(CONSOLE)
    return [
        _service("bridge", layout, ports.bridge_health, device_keys | bridge),
        _service("ingest", layout, ports.ingest_health, device_keys | archive | _database(layout, "ingest")),
        _service("actuator", layout, ports.actuator_health, _database(layout, "actuator")),
        _service("safety", layout, ports.safety_health, _database(layout, "safety")),
        _service("logic", layout, ports.logic_health, _database(layout, "logic")),
        _service("gateway", layout, ports.gateway_health, gateway),
    ]


def program_of(layout: Layout, name: str) -> Program:
    """How a service is started, for who does something in its place."""
    return next(program for program in _services(layout) if program.name == name)


def _service(name: str, layout: Layout, health_port: int, environment: Mapping[str, str]) -> Program:
    common = {
        "KAISER_NATS_URL": f"nats://{LOOPBACK}:{layout.ports.nats}",
        "KAISER_NATS_USER": name,
        "KAISER_NATS_PASSWORD_FILE": str(layout.secrets.path(f"nats-{name}")),
        "KAISER_HEALTH_HOST": LOOPBACK,
        "KAISER_HEALTH_PORT": str(health_port),
        "KAISER_LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
    }
    return Program(
        name=name,
        command=(str(Path(sys.executable)), "-m", f"kaiser.{name}"),
        port=health_port,
        service=True,
        environment=common | dict(environment),
        priority=20,
    )


def _database(layout: Layout, schema: str) -> dict[str, str]:
    role = postgres.SCHEMAS[schema]
    return {
        "KAISER_PG_DSN": postgres.conninfo(port=layout.ports.postgres, user=role),
        "KAISER_PG_PASSWORD_FILE": str(layout.secrets.path(f"postgres-{role}")),
    }
