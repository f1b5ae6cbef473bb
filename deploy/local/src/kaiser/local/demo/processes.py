"""CPU and memory of the suite's processes."""

import contextlib
import time
from collections.abc import Mapping

import msgspec
import psutil


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one program used, its children included.

    Attributes:
        name: Name of the program.
        cpu_percent: Percent of one core.
        memory_mib: Resident memory in MiB; pages that children share with others count for the program alone.
    """

    name: str
    cpu_percent: float
    memory_mib: float


class ProcessWatch:
    """Looks at programs again and again."""

    def __init__(self) -> None:
        self._seen: dict[int, psutil.Process] = {}
        self._looked_at = self._began = time.monotonic()
        self._cpu_s: dict[str, float] = {}
        self._peak_mib: dict[str, float] = {}

    def look(self, pids: Mapping[str, int]) -> list[Usage]:
        """Usage since the last look; the first one has no CPU yet.

        Args:
            pids: Process id of each program now. A program that ended, or whose id is 0, is left out.
        """
        now = time.monotonic()
        usages, alive, families = [], {}, _children()
        for name, pid in pids.items():
            cpu = memory = 0.0
            for found in _family(pid, families):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process = alive[found] = self._seen.get(found) or psutil.Process(found)
                    cpu += process.cpu_percent()
                    used = process.memory_info()
                    memory += (used.rss if found == pid else used.rss - used.shared) / 1024**2
            if memory:
                usages.append(Usage(name=name, cpu_percent=cpu, memory_mib=memory))
                self._cpu_s[name] = self._cpu_s.get(name, 0.0) + cpu / 100 * (now - self._looked_at)
                self._peak_mib[name] = max(self._peak_mib.get(name, 0.0), memory)
        self._seen, self._looked_at = alive, now
        return usages

    def overall(self) -> list[Usage]:
        """Mean CPU since the beginning, and the most memory that was seen."""
        elapsed = max(self._looked_at - self._began, 1e-3)
        return [
            Usage(name=name, cpu_percent=cpu_s / elapsed * 100, memory_mib=self._peak_mib[name])
            for name, cpu_s in self._cpu_s.items()
        ]


def _children() -> dict[int, list[int]]:
    """Who has which children: one walk over all processes, where psutil would make one for each program."""
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            children.setdefault(process.ppid(), []).append(process.pid)
    return children


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    """A process and its descendants; nobody for 0, which is no process."""
    family = [pid] if pid else []
    for member in family:  # grows while it is walked over
        family += children.get(member, ())
    return family
