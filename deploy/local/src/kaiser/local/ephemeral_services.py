"""Kaiser's own services for tests and benchmarks: real processes, with the same harmful verbs as the servers."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres, Server
from kaiser.local.nats_cluster import NatsCluster
from kaiser.local.ports import free_port
from kaiser.local.readiness import service_is_ready

JWT_SECRET: Final = "for tests only: 7f3a9c1e5b0d2846 signs nothing else"  # noqa: S105 - of tests
DEVICE_KEY_SECRET: Final = "a-key-only-for-tests-" * 2
EventLogServers = Nats | NatsCluster
_ROLES: Final = {service: f"kaiser_{service}" for service in ("ingest", "actuator", "safety", "logic", "gateway")}


class Service(Server):
    """One service as a process.

    Args:
        name: Service, such as ``bridge``; the process is ``python -m kaiser.bridge``.
        folder: Where it keeps its state and its log.
        environment: Its ``KAISER_…`` variables besides the health port's.
        wait: Whether :meth:`start` waits until it is ready; not for one whose servers are down.

    Attributes:
        name: As given.
        environment: Its variables.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *, wait: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.name = name
        self.wait = wait
        self.environment = {**environment, "KAISER_HEALTH_PORT": str(port), "KAISER_LOG_FORMAT": "json"}
        assignments = [f"{key}={value}" for key, value in self.environment.items()]
        super().__init__(folder, ["env", *assignments, sys.executable, "-m", f"kaiser.{name}"], port=port)

    @property
    def url(self) -> str:
        """Base URL of ``/health/…`` and ``/metrics``."""
        return f"http://{self.host}:{self.port}"

    def _serves(self) -> bool:
        return not self.wait or service_is_ready(self.port)


def bridge(
    folder: Path, mosquitto: Mosquitto, nats: EventLogServers, *, name: str = "bridge", **options: str
) -> Service:
    """A bridge; ``options`` are further variables, ``slots="2"`` is ``KAISER_BRIDGE_SLOTS=2``."""
    environment = {
        "KAISER_MQTT_PORT": str(mosquitto.port),
        "KAISER_MQTT_USER": "bridge",
        "KAISER_MQTT_PASSWORD": PASSWORD,
        "KAISER_BRIDGE_STATE_DIR": str(folder / "state"),
        "KAISER_BRIDGE_NAME": name,
        "KAISER_ACCESS_USER": "access",
        "KAISER_ACCESS_PASSWORD": PASSWORD,
        "KAISER_DEVICE_KEY_SECRET": DEVICE_KEY_SECRET,
    }
    extra = {f"KAISER_BRIDGE_{key.upper()}": value for key, value in options.items()}
    return Service("bridge", folder, environment | _event_log("bridge", nats) | extra)


def ingest(folder: Path, nats: EventLogServers, postgres: Postgres, *, processing_port: int = 0) -> Service:
    """An ingest; ``dec`` devices may ask it for values on a port."""
    environment = {"KAISER_DEVICE_KEY_SECRET": DEVICE_KEY_SECRET, "KAISER_PROCESSING_PORT": str(processing_port)}
    return Service("ingest", folder, environment | _event_log("ingest", nats) | _database("ingest", postgres))


def actuator(folder: Path, nats: EventLogServers, postgres: Postgres, **options: str) -> Service:
    """An actuator service; ``options`` are further variables, ``answer_s="1"`` is ``KAISER_ACTUATOR_ANSWER_S=1``."""
    environment = {f"KAISER_ACTUATOR_{key.upper()}": value for key, value in options.items()}
    return Service("actuator", folder, environment | _event_log("actuator", nats) | _database("actuator", postgres))


def safety(folder: Path, nats: EventLogServers, postgres: Postgres, **options: str) -> Service:
    """A safety service; ``options`` as :func:`actuator` has them."""
    environment = {f"KAISER_SAFETY_{key.upper()}": value for key, value in options.items()}
    return Service("safety", folder, environment | _event_log("safety", nats) | _database("safety", postgres))


def logic(folder: Path, nats: EventLogServers, postgres: Postgres, **options: str) -> Service:
    """A logic service; ``options`` as :func:`actuator` has them."""
    environment = {f"KAISER_LOGIC_{key.upper()}": value for key, value in options.items()}
    return Service("logic", folder, environment | _event_log("logic", nats) | _database("logic", postgres))


def gateway(folder: Path, nats: EventLogServers, postgres: Postgres, **options: str) -> Service:
    """A gateway on a free port, which is in its ``KAISER_GATEWAY_PORT``; user ``admin`` with the servers' password.

    ``options`` as :func:`actuator` has them. Nobody is held back for asking a lot unless they say so: whoever waits for
    something in a test asks more often than people do.
    """
    unlimited = {"user_per_s": "0", "address_per_s": "0"}
    environment = {f"KAISER_GATEWAY_{key.upper()}": value for key, value in (unlimited | options).items()} | {
        "KAISER_GATEWAY_PORT": str(free_port()),
        "KAISER_JWT_SECRET": JWT_SECRET,
        "KAISER_ADMIN_PASSWORD": PASSWORD,
    }
    return Service("gateway", folder, environment | _event_log("gateway", nats) | _database("gateway", postgres))


def _event_log(user: str, nats: EventLogServers) -> dict[str, str]:
    return {
        "KAISER_NATS_URL": nats.address,
        "KAISER_NATS_USER": user,
        "KAISER_NATS_PASSWORD": PASSWORD,
        "KAISER_STREAM_REPLICAS": str(nats.replicas),
    }


def _database(service: str, postgres: Postgres) -> dict[str, str]:
    return {"KAISER_PG_DSN": postgres.dsn(_ROLES[service])}
