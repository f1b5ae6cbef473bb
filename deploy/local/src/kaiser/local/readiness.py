"""Whether a server or service takes work, asked from outside."""

import contextlib
import http.client
import socket
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import psycopg

from kaiser.local import postgres
from kaiser.local.ports import LOOPBACK, accepts


def nats_greets(port: int, host: str = LOOPBACK) -> bool:
    """Whether a NATS server greets whoever connects."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0) as connection:
        return connection.recv(5) == b"INFO "
    return False


def mqtt_answers(port: int) -> bool:
    """Whether a broker answers whoever wants to connect, be it with a refusal."""
    hello = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
        connection.sendall(hello)
        return connection.recv(1) == b"\x20"
    return False


def postgres_takes_connections(port: int) -> bool:
    """Whether PostgreSQL takes connections: it asks for a password only once it has started and recovered."""
    try:
        psycopg.connect(postgres.conninfo(port=port, user=postgres.SUPERUSER), connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return "password" in str(error)
    return True


def service_is_ready(port: int) -> bool:
    """Whether a service says on its health port that it is ready."""
    return _ask(port)[0] == http.HTTPStatus.OK


class Finding(msgspec.Struct):
    """What a service says of a part of itself."""

    state: str
    words: str = ""


class Report(msgspec.Struct):
    """What a service says of itself."""

    ready: bool
    checks: dict[str, Finding]


def report_of(port: int) -> Report | str:
    """What a service says of itself on its health port; in words, why it cannot be asked."""
    status, body = _ask(port)
    if status is None:
        return "its health port does not answer"
    try:
        return msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError:
        return f"its health port answers {status}"


def what_a_service_waits_for(port: int) -> str:
    """The service's own words for what it lacks, or for why it cannot be asked."""
    report = report_of(port)
    if isinstance(report, str):
        return report
    return "; ".join(
        f"{name}: {finding.words or finding.state}" for name, finding in report.checks.items() if finding.state != "ok"
    )


def _ask(port: int) -> tuple[int | None, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


SERVER_PROBES: Final[Mapping[str, Callable[[int], bool]]] = {
    "postgres": postgres_takes_connections,
    "mosquitto": accepts,
    "nats": nats_greets,
}
