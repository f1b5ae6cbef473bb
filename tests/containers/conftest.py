"""A site of compose for the session: built, started as the docs say, and taken away with its volumes."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
PROJECT: Final = "kaiser-test"
PATIENCE_S: Final = 600


class Site:
    """A running compose project.

    Attributes:
        ca_file: Certificate of the site's authority.
    """

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "ca.crt"
        self._words = ["docker", "compose", "-p", PROJECT, "-f", str(CHECKOUT / "deploy" / "compose" / "compose.yaml")]

    def compose(self, *words: str, timeout: float = PATIENCE_S) -> str:
        """Run a verb of compose, and return what it prints."""
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr[-3000:]}"
        return done.stdout

    def secret(self, name: str) -> str:
        """A password, as an operator asks for it."""
        return self.compose("run", "--rm", "--no-deps", "setup", "show", name).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What Docker says about a service's container."""
        container = self.compose("ps", "-a", "-q", service).strip()
        found = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        return json.loads(found.stdout)[0]

    def until_healthy(self, service: str, within_s: float = 90) -> None:
        """Wait until a service's own check passes."""
        deadline = time.monotonic() + within_s
        while self.inspect(service)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline, self.compose("logs", "--tail", "50", service)
            time.sleep(0.5)


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built as the docs say."""
    name = os.environ.get("KAISER_IMAGE", "kaiser")
    words = ["docker", "build", "--quiet", "-f", "deploy/images/Dockerfile", "-t", name]
    if base := os.environ.get("KAISER_BASE_IMAGE"):
        words += ["--build-arg", f"BASE={base}"]
    if os.environ.get("KAISER_BUILD_NO_INDEX"):
        words += ["--build-arg", "NO_INDEX=1"]
    done = subprocess.run([*words, "."], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return name


@pytest.fixture(scope="session")
def in_image(image: str) -> Callable[..., str]:
    """Runs a command in a container as confined as a service's, without a network."""

    def run(*words: str, user: str = "") -> str:
        confined = ["--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL"]
        as_user = ["--user", user] if user else []
        done = subprocess.run(
            ["docker", "run", "--rm", *confined, *as_user, image, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def site(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole Kaiser on one host."""
    del image
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder)
    site.compose("down", "--volumes", "--remove-orphans")
    try:
        site.compose("up", "--detach", "--build", "--wait", "--wait-timeout", "300")
        site.compose("cp", "gateway:/site/ca.crt", str(site.ca_file))
        yield site
    finally:
        (logs := CHECKOUT / ".kaiser" / "containers").mkdir(parents=True, exist_ok=True)
        (logs / "compose.log").write_text(site.compose("logs", "--no-color"))
        site.compose("down", "--volumes", "--remove-orphans")
        shutil.rmtree(folder, ignore_errors=True)
