"""The servers of :mod:`kaiser.local.ephemeral` in containers, with the same verbs: for tests where Docker is.

Configuration and accounts are the same; so is the port, over restarts. A container keeps its data until it is disposed
of.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final, Self

import docker.errors
from testcontainers.core.container import DockerContainer

from kaiser.local import mosquitto, nats
from kaiser.local.ephemeral import PASSWORD, START_TIMEOUT_S, SUPERUSER, Mosquitto, Nats, Postgres, Server
from kaiser.local.errors import NotReadyError
from kaiser.local.ports import free_port
from kaiser.local.readiness import mqtt_answers, nats_greets, postgres_takes_connections

IMAGES: Final = {
    "mosquitto": os.environ.get("KAISER_MOSQUITTO_IMAGE", "eclipse-mosquitto:2.0.21"),
    "nats": os.environ.get("KAISER_NATS_IMAGE", "nats:2.15.1-alpine"),
    "timescaledb": os.environ.get("KAISER_TIMESCALEDB_IMAGE", "timescale/timescaledb:2.19.3-pg17"),
}
"""The images of ``deploy/compose``, by the same variables."""
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - in a container, whose port is published on the loopback address
STOP_S: Final = 10


class _Contained(Server):
    """The verbs of a server, on a container."""

    def __init__(self, folder: Path, container: DockerContainer, *, port: int, inner_port: int) -> None:
        Server.__init__(self, folder, [], port=port)
        # Docker's own form, with an address: testcontainers' binds every interface
        ports: dict[Any, Any] = container.ports
        ports[inner_port] = (self.host, port)
        self._container = container
        self._made = False

    @property
    def running(self) -> bool:
        return self._made and bool(self._state()["Running"])

    @property
    def pid(self) -> int:
        if not self.running:
            raise NotReadyError(f"{type(self).__name__} is not running")
        return int(self._state()["Pid"])

    def start(self) -> Self:
        if self.running:
            return self
        if self._made:
            self._wrapped().start()
        else:
            self._container.start()
            self._made = True
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._serves():
            if not self.running or time.monotonic() > deadline:
                self.log.write_bytes(self._wrapped().logs())
                self.dispose()
                raise NotReadyError(f"{type(self).__name__} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        if self.running:
            self.resume()
            self._wrapped().stop(timeout=STOP_S)

    def kill(self) -> None:
        if self.running:
            self.resume()  # a frozen container cannot be killed
            self._wrapped().kill()
            self._wrapped().wait()

    def pause(self) -> None:
        self._wrapped().pause()

    def resume(self) -> None:
        if self._state()["Paused"]:
            self._wrapped().unpause()

    def dispose(self) -> None:
        if self._made:
            self._made = False
            with contextlib.suppress(docker.errors.APIError):
                self._wrapped().remove(force=True, v=True)

    def _wrapped(self) -> Any:  # the Docker client has no types of its own
        return self._container.get_wrapped_container()

    def _state(self) -> dict[str, Any]:
        wrapped = self._wrapped()
        wrapped.reload()
        state: dict[str, Any] = wrapped.attrs["State"]
        return state


class ContainedMosquitto(_Contained, Mosquitto):
    """A Mosquitto as :class:`kaiser.local.ephemeral.Mosquitto`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        mosquitto.prepare(
            folder,
            plugin=Path("/usr/lib/mosquitto_dynamic_security.so"),
            port=port,
            passwords=dict.fromkeys((*mosquitto.USERS, SUPERUSER), PASSWORD),
            autosave_s=1,
            superuser=SUPERUSER,
            listen=EVERYWHERE,
        )
        _open(folder)
        container = _with_folder(DockerContainer(IMAGES["mosquitto"]), folder)
        container.with_command(["/usr/sbin/mosquitto", "-c", str(folder / "mosquitto.conf")])
        super().__init__(folder, container, port=port, inner_port=port)
        self._clients = folder / mosquitto.CLIENTS

    def _serves(self) -> bool:
        return mqtt_answers(self.port)


class ContainedNats(_Contained, Nats):
    """A NATS server as :class:`kaiser.local.ephemeral.Nats`."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        nats.prepare(folder, port=port, passwords=dict.fromkeys(nats.USERS, PASSWORD), listen=EVERYWHERE)
        container = _with_folder(DockerContainer(IMAGES["nats"]), folder)
        container.with_command(["--config", str(folder / "nats.conf")])
        super().__init__(folder, container, port=port, inner_port=port)
        self.address = f"nats://{self.host}:{port}"
        self.url = f"nats://{nats.OPERATOR}:{PASSWORD}@{self.host}:{port}"

    def _serves(self) -> bool:
        return nats_greets(self.port)


class ContainedPostgres(_Contained, Postgres):
    """A PostgreSQL as :class:`kaiser.local.ephemeral.Postgres`."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        settings = (f"fsync={'on' if fsync else 'off'}", "timescaledb.max_background_workers=0", "jit=off")
        container = DockerContainer(IMAGES["timescaledb"]).with_env("POSTGRES_PASSWORD", PASSWORD)
        container.with_command(["postgres", *(f"-c{setting}" for setting in settings)])
        super().__init__(folder, container, port=free_port(), inner_port=5432)

    def start(self) -> Self:
        """Start it, the first time with roles, database, extension and schemas."""
        fresh = not self._made
        super().start()
        if fresh:
            self.prepare()
        return self

    def _serves(self) -> bool:
        return postgres_takes_connections(self.port)


def _with_folder(container: DockerContainer, folder: Path) -> DockerContainer:
    """The folder under its own name, so that a configuration that names it holds inside, too."""
    return container.with_volume_mapping(str(folder), str(folder), "rw")


def _open(folder: Path) -> None:
    """Mosquitto becomes somebody else in its container; passwords of tests are no secret."""
    folder.chmod(0o777)
    for path in folder.iterdir():
        path.chmod(0o666)
