"""Real servers for tests and benchmarks: each in a folder of its own, on a free port, with verbs that do it harm.

Every server dies with the process that started it, whatever happens to that process.
"""

import contextlib
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final, Self

import psutil

from kaiser.local import mosquitto, nats, postgres
from kaiser.local.errors import NotReadyError
from kaiser.local.ports import accepts, free_port
from kaiser.local.readiness import nats_greets, postgres_takes_connections
from kaiser.local.tree import Tree

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 20.0
PASSWORD: Final = "only-for-tests"  # noqa: S105  # servers that live for seconds on the loopback address
SUPERUSER: Final = "test"

_DIE_WITH_PARENT: Final = ("setpriv", "--pdeathsig", "KILL")


class Server:
    """A server process on a port of its own.

    Attributes:
        host: The loopback address.
        port: Its TCP port, which stays the same over restarts.
        log: File with everything the server printed.
    """

    host = "127.0.0.1"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, command: list[str], *, port: int) -> None:
        self.port = port
        self.log = folder.with_suffix(".log")
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive (a paused one is)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running server.

        Raises:
            NotReadyError: It is not running.
        """
        if self._process is None or not self.running:
            raise NotReadyError(f"{type(self).__name__} is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it serves; a no-op when it runs.

        Raises:
            NotReadyError: It ended, or did not serve within 30 s.
        """
        if self.running:
            return self
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_DIE_WITH_PARENT, *self._command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._serves():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise NotReadyError(f"{type(self).__name__} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Stop it as an operator would, and wait."""
        if self._process is None:
            return
        self.resume()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and every process of it with SIGKILL, and wait."""
        self._signal_family(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP_TIMEOUT_S)

    def dispose(self) -> None:
        """End it for good."""
        self.kill()

    def restart(self) -> None:
        """Stop it (unless it is down already) and start it again on the same port with the same files."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze every process of it: connections stay open and nothing answers. Returns when all are frozen."""
        for process in self._signal_family(signal.SIGSTOP):
            with contextlib.suppress(psutil.NoSuchProcess):
                while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                    time.sleep(0.001)  # a thread on another core still answers for a moment

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self._signal_family(signal.SIGCONT)

    def _signal_family(self, number: signal.Signals) -> list[psutil.Process]:
        """Signal the server and its descendants, which for PostgreSQL have process groups of their own."""
        signalled: list[psutil.Process] = []
        if not self.running:
            return signalled
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.pid)
            for process in [family, *family.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
                    signalled.append(process)
        return signalled

    def _serves(self) -> bool:
        return accepts(self.port)


class Mosquitto(Server):
    """A Mosquitto with the configuration of ``make up``, and one more user who may use every topic.

    Attributes:
        username: The user without restrictions.
        password: Password of every user of :data:`kaiser.local.mosquitto.USERS` and of ``username``.
    """

    username = SUPERUSER
    password = PASSWORD

    def __init__(self, tree: Tree, folder: Path, *, autosave_s: int = 1, shared_account: bool = True) -> None:
        port = free_port()
        accounts = [user for user in mosquitto.USERS if shared_account or user != mosquitto.SHARED]
        users = dict.fromkeys((*accounts, SUPERUSER), PASSWORD)
        mosquitto.prepare(
            folder,
            plugin=tree.dynamic_security,
            port=port,
            passwords=users,
            autosave_s=autosave_s,
            superuser=SUPERUSER,
        )
        super().__init__(folder, mosquitto.command(tree, folder), port=port)
        self._clients = folder / mosquitto.CLIENTS

    def forget_clients(self) -> None:
        """Let it start without the clients that were added to it, as after the loss of its disk."""
        self._clients.write_text(mosquitto.NO_CLIENTS)


class Nats(Server):
    """A NATS server with JetStream and the configuration of ``make up``.

    Args:
        folder: Its own folder.
        sync: How often it syncs, as :func:`kaiser.local.nats.prepare` has it.
        store: Where its streams are, if not in the folder.

    Attributes:
        address: Its URL without user and password.
        username: The user without restrictions.
        password: Password of every service's user and of ``username``.
        url: URL with the user without restrictions.
        replicas: Copies of each stream that services are told to keep.
    """

    username = nats.OPERATOR
    password = PASSWORD
    replicas = 1

    def __init__(self, folder: Path, *, sync: str | None = None, store: Path | None = None) -> None:
        port = free_port()
        nats.prepare(folder, port=port, passwords=dict.fromkeys(nats.USERS, PASSWORD), sync=sync, store=store)
        super().__init__(folder, nats.command(folder), port=port)
        self.address = f"nats://{self.host}:{port}"
        self.url = f"nats://{nats.OPERATOR}:{PASSWORD}@{self.host}:{port}"

    def _serves(self) -> bool:
        return nats_greets(self.port)


class Postgres(Server):
    """A PostgreSQL with TimescaleDB, and the roles and schemas of ``make up``.

    Args:
        tree: Where the programs are.
        folder: Folder of the cluster: a new one, or a copy of a stopped cluster that another instance made.
        fsync: Off makes a shared server for many short tests faster; only a crash of the machine would tell.

    Attributes:
        password: Password of every role.
    """

    password = PASSWORD
    stop_signal = signal.SIGINT  # "fast": roll back and disconnect, rather than wait for clients to leave

    def __init__(self, tree: Tree, folder: Path, *, fsync: bool = True) -> None:
        port = free_port()
        postgres.initialise(tree, folder, password=PASSWORD)
        postgres.configure(folder, port=port, shared_buffers="64MB", fsync=fsync, background_workers=0)
        super().__init__(folder, postgres.command(tree, folder), port=port)

    def prepare(self) -> None:
        """Create roles, database, extension and schemas."""
        postgres.prepare(port=self.port, passwords=dict.fromkeys(postgres.ROLES, PASSWORD))

    def dsn(self, role: str = postgres.OWNER, database: str = postgres.DATABASE) -> str:
        """Connection string with password.

        Args:
            role: One of :data:`kaiser.local.postgres.ROLES`; the default may do what every service's role may.
            database: Name of the database.
        """
        return postgres.conninfo(port=self.port, user=role, password=PASSWORD, database=database)

    def _serves(self) -> bool:
        return postgres_takes_connections(self.port)


def copy_cluster(template: Path, folder: Path) -> Path:
    """Copy a stopped cluster (40 MB, 0.1 s) instead of making one anew (1 s)."""
    shutil.copytree(template, folder, symlinks=True)
    return folder
