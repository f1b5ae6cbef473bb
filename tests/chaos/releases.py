"""The services of the release before, from the history of this clone, beside those of today."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaiser.local.ephemeral_services import Service

ROOT = Path(__file__).parents[2]


def previous_commit() -> str:
    """The commit of the last release; ``KAISER_PREVIOUS`` names another one."""
    newest = max(ROOT.glob("contracts/released/*.commit"), key=lambda path: [int(n) for n in path.stem.split(".")])
    return os.environ.get("KAISER_PREVIOUS") or newest.read_text().strip()


@contextmanager
def previous_sources(folder: Path) -> Iterator[Path]:
    """A tree of the last release's sources; the test is skipped where the clone does not have it."""
    commit = previous_commit()
    made = _git("worktree", "add", "--detach", str(folder), commit)
    if made.returncode:
        pytest.skip(
            f"the release before, {commit[:9]}, is not in this clone (fetch its history): {made.stderr.strip()}"
        )
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def of_release(service: Service, folder: Path, sources: Path) -> Service:
    """The same service with the same variables, from other sources; the libraries are today's."""
    packages = sorted(str(path) for path in sources.glob("*/*/src"))
    return Service(service.name, folder, {**service.environment, "PYTHONPATH": os.pathsep.join(packages)})


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
