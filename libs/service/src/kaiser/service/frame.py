"""Start and stop: what is the same in every service.

A service is one coroutine that opens what it needs in context managers, spawns its tasks, and waits:

    async def serve(frame: Frame, settings: BridgeSettings) -> None:
        async with await connect(...) as log:
            frame.spawn("uplink", uplink.run())
            await frame.until_stopped()

It may start before its servers: connecting waits for them, and health says what it waits for.
"""

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

import structlog
import uvloop

from kaiser.eventlog import keep_copies
from kaiser.service import logs, tracing
from kaiser.service.health import Finding, Health, State
from kaiser.service.metrics import TraceCounts, new_registry
from kaiser.service.probes import Probes, server
from kaiser.service.settings import CommonSettings, SettingsError, load

S = TypeVar("S", bound=CommonSettings)
Serve = Callable[["Frame", S], Awaitable[None]]

STOP_TIMEOUT_S: Final = 10.0
"""For what drains, and again for the tasks that are cancelled then."""
LAST_RESORT_S: Final = 28.0
"""A process that is still there so long after it was told to stop shows where each thread hangs, and leaves. Shorter
than what supervisors grant (30 s), so that a service that hangs is a line in the log and not just a kill."""

log = structlog.get_logger(__name__)


class CannotStartError(Exception):
    """Something that the operator has to put right, in a sentence; ends the service without a traceback."""


def listen(host: str, port: int, *, purpose: str, variable: str) -> socket.socket:
    """A listening TCP socket.

    Args:
        host: Address.
        port: Port.
        purpose: What it is for, in the error.
        variable: Variable that sets another port, in the error.

    Raises:
        CannotStartError: It is not to be had.
    """
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CannotStartError(
            f"{purpose} {host}:{port} is not to be had ({why}); set {variable} to a free port"
        ) from error


class Frame:
    """What a running service has.

    Args:
        name: Name of the service.
        on_stopping: Called once, when it is told to stop or a task has crashed.

    Attributes:
        health: Its checks.
        registry: Its metrics.
        started: Whether it got as far as :meth:`until_stopped`.
    """

    def __init__(self, name: str, on_stopping: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._on_stopping = on_stopping
        self.health = Health()
        self.registry = new_registry()
        self.registry.register(self.health)
        self.registry.register(TraceCounts())
        self.started = False
        self._stop = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._drains: list[Callable[[], Awaitable[None]]] = []
        self._crash: BaseException | None = None
        self.health.add("service", self._started)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run a task for as long as the service lives; if it ends with an exception, the service ends with it."""
        task = asyncio.create_task(work, name=f"{self.name}.{name}")
        self._tasks[task] = name
        task.add_done_callback(self._ended)

    def on_stop(self, drain: Callable[[], Awaitable[None]]) -> None:
        """Await this when the service is told to stop, before tasks are cancelled; the last one added goes first."""
        self._drains.append(drain)

    def stop(self) -> None:
        """Tell the service to stop."""
        self._begin_stop()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    async def until_stopped(self) -> None:
        """Wait for a signal or a crash, then drain and end the tasks.

        Raises:
            BaseException: What a task died of.
        """
        self.started = True
        await self._stop.wait()
        log.info("stopping")
        if self._crash is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    for drain in reversed(self._drains):
                        await drain()
        tasks = list(reversed(self._tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
            for task in pending:
                log.error("task does not end", task=task.get_name())
        if self._crash is not None:
            raise self._crash

    def _started(self) -> Finding:
        """Without this, a service would be ready while it has no other check yet."""
        return Finding(State.OK) if self.started else Finding(State.STARTING, "starting")

    def _begin_stop(self) -> None:
        if not self._stop.is_set():
            self._on_stopping()
        self._stop.set()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        name = self._tasks.pop(task, "")
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("task crashed", task=name, exc_info=error)
        if self._crash is None:
            self._crash = error
        self._begin_stop()


def run(name: str, settings: type[S], serve: Serve[S]) -> NoReturn:
    """Run a service until it is told to stop, and leave the process.

    Exit code 0 after an orderly stop, 1 after a crash, 2 for wrong settings.
    """
    try:
        loaded = load(settings)
    except SettingsError as error:
        print(f"{name}: wrong settings\n{error}", file=sys.stderr)  # noqa: T201 - there are no logs yet
        sys.exit(2)
    logs.configure(loaded.log, service=name)
    tracing.configure(loaded.trace, service=name)
    keep_copies(loaded.stream.replicas)
    code = uvloop.run(_run(name, loaded, serve))
    tracing.close()
    sys.exit(code)


async def _run(name: str, settings: S, serve: Serve[S]) -> int:
    gc.collect()
    gc.freeze()  # a later collection need not walk through what the imports left, which took it 30 ms
    # A thread in C, so that it works while the loop is blocked
    frame = Frame(name, on_stopping=lambda: faulthandler.dump_traceback_later(LAST_RESORT_S, exit=True))
    host, port = settings.health.host, settings.health.port
    try:
        # uvicorn would leave the process by itself when the port is taken
        listening = listen(host, port, purpose="health port", variable="KAISER_HEALTH_PORT")
    except CannotStartError as error:
        log.error(str(error))
        return 1
    probes = server(Probes(frame.health, frame.registry))
    probing = asyncio.create_task(probes.serve(sockets=[listening]), name=f"{name}.probes")
    watching = asyncio.create_task(frame.health.watch(), name=f"{name}.health")
    serving = asyncio.ensure_future(serve(frame, settings))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # One that still waits for a server to start has nothing to drain, and a second signal means now
        if frame.stopping or not frame.started:
            serving.cancel()
        frame.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await asyncio.wait((serving, probing), return_when=asyncio.FIRST_COMPLETED)
        if probing.done() and not serving.done():
            log.error("probes are not served any more")
            serving.cancel()
        await asyncio.wait((serving,))
        return _exit_code(serving, frame)
    finally:
        probes.should_exit = True
        watching.cancel()
        await asyncio.gather(probing, watching, return_exceptions=True)


def _exit_code(serving: "asyncio.Future[None]", frame: Frame) -> int:
    if serving.cancelled():
        return 0 if frame.stopping else 1
    error = serving.exception()
    if error is None:
        log.info("stopped")
        return 0
    if isinstance(error, CannotStartError):
        log.error(str(error))
        return 1
    log.error("service failed", exc_info=error)
    return 1
