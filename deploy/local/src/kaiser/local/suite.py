"""One Kaiser on this machine: set up, start, look at, stop."""

import shutil
import time
from collections.abc import Callable, Collection
from typing import Final

from kaiser.local import mosquitto, nats, postgres
from kaiser.local.errors import NotReadyError
from kaiser.local.layout import Layout
from kaiser.local.ports import require_free
from kaiser.local.programs import EVERYTHING, Program, programs
from kaiser.local.readiness import SERVER_PROBES, service_is_ready, what_a_service_waits_for
from kaiser.local.supervision import Supervisor, last_lines
from kaiser.local.tree import Tree, ensure_tree, locked

READY_TIMEOUT_S: Final = 60.0
_GIVEN_UP: Final = "FATAL"


class Suite:
    """The servers and services of one home, run by its supervisor.

    Args:
        layout: The home and its ports.
        names: Programs that this suite consists of; fewer than all for experiments.
        say: Takes a line of progress.
    """

    def __init__(
        self, layout: Layout, *, names: Collection[str] = EVERYTHING, say: Callable[[str], None] = print
    ) -> None:
        self.layout = layout
        self.supervisor = Supervisor(layout)
        self._names = names
        self._say = say

    def up(self) -> None:
        """Set up what is missing, start what does not run, and wait until all of it is ready.

        Raises:
            LocalError: One sentence that says what to do.
        """
        tree = ensure_tree()
        self.layout.make_folders()
        with locked(self.layout.run / "up.lock"):
            wanted = self.programs(tree)
            if not self.supervisor.running:
                require_free(self.layout.ports)
                self._write_configurations(tree)
                self.supervisor.launch(wanted)
            self._start([program for program in wanted if not program.service])
            if "postgres" in self._names:
                passwords = {role: self.layout.secrets.value(f"postgres-{role}") for role in postgres.ROLES}
                postgres.prepare(port=self.layout.ports.postgres, passwords=passwords)
            self._start([program for program in wanted if program.service])

    def down(self) -> None:
        """Stop everything in order; a no-op when nothing runs."""
        if self.supervisor.running:
            self.supervisor.shutdown()

    def programs(self, tree: Tree) -> list[Program]:
        """The programs of this suite, servers first."""
        return [program for program in programs(self.layout, tree) if program.name in self._names]

    def ready(self, program: Program) -> bool:
        """Whether the program serves: a service says so itself, a server answers on its port."""
        return SERVER_PROBES.get(program.name, service_is_ready)(program.port)

    def _write_configurations(self, tree: Tree) -> None:
        layout, secret = self.layout, self.layout.secrets.value
        if not (layout.postgres / "PG_VERSION").exists():
            self._say("making the database")
            # Half a cluster looks like a whole one to the next start, so that it gets its name last
            unfinished = layout.postgres.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            postgres.initialise(tree, unfinished, password=secret(f"postgres-{postgres.SUPERUSER}"))
            shutil.rmtree(layout.postgres, ignore_errors=True)
            unfinished.rename(layout.postgres)
        postgres.configure(layout.postgres, port=layout.ports.postgres)
        users = {user: secret(f"mqtt-{user}") for user in mosquitto.USERS}
        mosquitto.prepare(layout.mosquitto, plugin=tree.dynamic_security, port=layout.ports.mqtt, passwords=users)
        users = {user: secret(f"nats-{user}") for user in nats.USERS}
        nats.prepare(layout.nats, port=layout.ports.nats, passwords=users, sync=layout.nats_sync)

    def _start(self, waiting: list[Program]) -> None:
        for program in waiting:
            self.supervisor.start(program.name)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while waiting := [program for program in waiting if not self.ready(program)]:
            states = self.supervisor.states()
            for program in waiting:
                given_up = states[program.name]["statename"] == _GIVEN_UP
                if given_up or time.monotonic() > deadline:
                    raise NotReadyError(self._why_not_ready(program, given_up=given_up))
            time.sleep(0.05)

    def _why_not_ready(self, program: Program, *, given_up: bool) -> str:
        log = self.layout.log(program.name)
        if given_up:
            reason = "cannot start"
        elif program.service:
            reason = f"is not ready after {READY_TIMEOUT_S:.0f} s ({what_a_service_waits_for(program.port)})"
        else:
            reason = f"does not answer after {READY_TIMEOUT_S:.0f} s"
        return f"{program.name} {reason}: see {log}, which ends with\n{last_lines(log)}"
