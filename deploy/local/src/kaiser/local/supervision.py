"""Supervisor: its configuration from the list of programs, and its daemon for one home."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psutil
from supervisor.xmlrpc import SupervisorTransport

from kaiser.local.errors import NotReadyError
from kaiser.local.layout import Layout
from kaiser.local.programs import Program

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 60.0
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, an orderly end, and a terminal that was closed."""

DAEMON: Final = """\
; Written by kaiser.local at every start.
[unix_http_server]
file = {socket}
chmod = 0600

[supervisord]
logfile = {log}
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = {run}/supervisord.pid
directory = {root}
umask = 077
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM: Final = """
[program:{name}]
command = {command}
environment = {environment}
priority = {priority}
autostart = false
autorestart = true
; One second up counts as started; a program that cannot start is tried again for 6 s.
startsecs = 1
startretries = 3
stopsignal = {stop_signal}
stopwaitsecs = 30
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 2
"""


class Supervisor:
    """The supervisor daemon of one home.

    Args:
        layout: The home.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pidfile = layout.run / "supervisord.pid"

    def _call(self, method: str, *arguments: object) -> Any:
        """Call the daemon's remote interface, over a connection of its own: one does not survive a failed call."""
        transport = SupervisorTransport(None, None, f"unix://{self._layout.supervisor_socket}")
        # The proxy wants some http URL; the socket is what the transport connects to.
        proxy: Any = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()

    @property
    def running(self) -> bool:
        """Whether the daemon answers."""
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def launch(self, programs: Sequence[Program]) -> None:
        """Write the configuration and start the daemon, without starting a program.

        Raises:
            NotReadyError: It did not answer in time.
        """
        configuration = self._layout.run / "supervisord.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(render(self._layout, programs))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        with _uninterrupted():
            subprocess.run(command, check=True, start_new_session=True)
            deadline = time.monotonic() + START_TIMEOUT_S
            while not self.running:
                if time.monotonic() > deadline:
                    raise NotReadyError(f"supervisor did not start: see {self._layout.log('supervisord')}.")
                time.sleep(0.02)

    def states(self) -> dict[str, dict[str, Any]]:
        """For each program what supervisor knows: ``statename``, ``pid``, ``start``, ``now``, ``spawnerr``."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a program unless it runs; does not wait for it."""
        try:
            self._call("startProcess", name, False)  # the interface knows no keywords
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def stop(self, name: str) -> None:
        """Stop a program in an orderly way, and wait."""
        self._call("stopProcess", name)

    def pid(self, name: str) -> int:
        """Process id of a running program; 0 when it does not run."""
        pid: int = self.states()[name]["pid"]
        return pid

    def shutdown(self) -> None:
        """Stop every program and the daemon, and wait until both are gone.

        Raises:
            NotReadyError: The daemon is still there after a minute.
        """
        daemon = psutil.Process(int(self._pidfile.read_text()))
        self._call("shutdown")
        try:
            daemon.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired as error:
            raise NotReadyError(f"supervisor (process {daemon.pid}) does not stop: see {self._layout.logs}.") from error


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back what would end this process: nobody would know of a daemon that is half-way up, nor stop it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals end the main thread only
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        for came in held:
            signal.raise_signal(came)


def render(layout: Layout, programs: Sequence[Program]) -> str:
    """The supervisor's configuration, in which ``%`` is doubled because it expands variables."""
    daemon = DAEMON.format(
        socket=layout.supervisor_socket,
        log=layout.log("supervisord"),
        run=layout.run,
        root=layout.root,
        user="user = root\n" if os.getuid() == 0 else "",
    )
    return "".join([daemon, *(_section(layout, program) for program in programs)]).replace("%", "%%")


def _section(layout: Layout, program: Program) -> str:
    return PROGRAM.format(
        name=program.name,
        command=shlex.join(program.command),
        environment=",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items()),
        priority=program.priority,
        stop_signal=program.stop_signal,
        log=layout.log(program.name),
    )


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"'


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log file, indented; empty if there is none."""
    if not path.exists():
        return ""
    lines = path.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)
