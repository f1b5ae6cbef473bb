"""CPU and memory of the suite's processes."""

import contextlib
from collections.abc import Mapping

import msgspec
import psutil


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one program used since the last look, children included.

    Attributes:
        name: Name of the program.
        cpu_percent: Percent of one core.
        memory_mib: Resident memory in MiB; shared pages of PostgreSQL's processes count once each.
    """

    name: str
    cpu_percent: float
    memory_mib: float


class ProcessWatch:
    """Looks at programs again and again.

    Args:
        pids: Process id of each program.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._seen: dict[int, psutil.Process] = {}

    def look(self) -> list[Usage]:
        """Usage of each program since the last look; the first one has no CPU yet. A program that ended is left out."""
        usages, alive = [], {}
        for name, pid in self._pids.items():
            cpu = memory = 0.0
            with contextlib.suppress(psutil.NoSuchProcess):
                program = psutil.Process(pid)
                for found in [program, *program.children(recursive=True)]:
                    process = alive[found.pid] = self._seen.get(found.pid, found)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        cpu += process.cpu_percent()
                        memory += process.memory_info().rss / 1024**2
                usages.append(Usage(name=name, cpu_percent=cpu, memory_mib=memory))
        self._seen = alive
        return usages
