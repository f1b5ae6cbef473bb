"""TCP ports on the loopback address: which ones Kaiser uses, and who is in the way."""

import contextlib
import errno
import random
import socket
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import psutil

from kaiser.local.errors import LocalError, PortTakenError

LOOPBACK: Final = "127.0.0.1"
OWN: Final = range(12_000, 32_000)
"""Below what systems give to outgoing connections: from 32768 on Linux, from 49152 on others."""
TRIES: Final = 100
_chance = random.SystemRandom()  # the other one is seeded alike in processes that run tests side by side


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The ports of one running Kaiser; each is set by the environment variable that :data:`VARIABLES` names."""

    mqtt: int = 1883
    nats: int = 4222
    postgres: int = 5433
    gateway: int = 8080
    bridge_health: int = 8081
    ingest_health: int = 8082
    gateway_health: int = 8083
    actuator_health: int = 8084
    safety_health: int = 8085
    logic_health: int = 8086


VARIABLES: Final = {
    "mqtt": "KAISER_MQTT_PORT",
    "nats": "KAISER_NATS_PORT",
    "postgres": "KAISER_PG_PORT",
    "gateway": "KAISER_GATEWAY_PORT",
    "bridge_health": "KAISER_BRIDGE_HEALTH_PORT",
    "ingest_health": "KAISER_INGEST_HEALTH_PORT",
    "gateway_health": "KAISER_GATEWAY_HEALTH_PORT",
    "actuator_health": "KAISER_ACTUATOR_HEALTH_PORT",
    "safety_health": "KAISER_SAFETY_HEALTH_PORT",
    "logic_health": "KAISER_LOGIC_HEALTH_PORT",
}


def ports_from(environment: Mapping[str, str]) -> Ports:
    """The ports that an environment asks for, defaults for the rest.

    Raises:
        LocalError: A variable is not a port number, or two name the same port.
    """
    chosen: dict[str, int] = {}
    for name, variable in VARIABLES.items():
        text = environment.get(variable, "")
        if not text:
            continue
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise LocalError(f"{variable}={text!r} is not a port: set it to a number from 1 to 65535.")
        chosen[name] = int(text)
    ports = Ports(**chosen)
    owner: dict[int, str] = {}
    for name, variable in VARIABLES.items():
        port = getattr(ports, name)
        if port in owner:
            raise LocalError(f"{owner[port]} and {variable} are both {port}: set one of them to another port.")
        owner[port] = variable
    return ports


def free_ports() -> Ports:
    """Ports that nobody listens on at this moment, for a Kaiser beside others."""
    found: set[int] = set()
    while len(found) < len(VARIABLES):
        found.add(free_port())
    return Ports(**dict(zip(VARIABLES, found, strict=True)))


def require_free(ports: Ports, names: Iterable[str] = tuple(VARIABLES)) -> None:
    """Check that Kaiser can listen on the ports.

    Raises:
        PortTakenError: Somebody else has one; the message says who, where the system tells, and what to set.
    """
    for name in names:
        port = getattr(ports, name)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                reason = "needs root" if error.errno == errno.EACCES else f"is taken{_by_whom(port)}"
                raise PortTakenError(f"port {port} {reason}: set {VARIABLES[name]} to another one.") from error


def free_port() -> int:
    """A port that nobody listens on at this moment, and that the system gives to no outgoing connection.

    One of those would be taken as soon as whoever listens is killed, and not be free when it is started again.
    """
    for port in _chance.sample(OWN, TRIES):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise LocalError(f"none of {TRIES} ports from {OWN.start} on is free")


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _by_whom(port: int) -> str:
    """The words for the port's holder, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listening = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listening and connection.pid:
                return f" by {_name(psutil.Process(connection.pid))} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def _name(process: psutil.Process) -> str:
    """The program's name; programs of the Debian tree run under its loader, which would otherwise be all one sees."""
    words = process.cmdline()
    program = words[words.index("--argv0") + 1] if "--argv0" in words else process.name()
    return program.rpartition("/")[2]
