"""The demo as a newcomer runs it: it counts every reading, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kaiser.local.ports import VARIABLES, free_ports
from kaiser.local.tree import Tree


@pytest.fixture
def environment(infra_tree: Tree, tmp_path: Path) -> dict[str, str]:
    """A home and ports of its own; the programs are the session's."""
    del infra_tree
    ports = free_ports()
    named = {variable: str(getattr(ports, name)) for name, variable in VARIABLES.items()}
    return os.environ | named | {"KAISER_HOME": str(tmp_path / "home")}


def _demo(environment: dict[str, str], *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "kaiser.local", "demo", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _left_behind(home: str) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if home in words and process.pid != os.getpid():
            found.append(words)
    return found


def test_it_stops_by_itself_and_finds_every_reading_once(environment: dict[str, str]) -> None:
    demo = _demo(environment, "--duration", "8")
    output, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, output
    for words in ("API docs", "password in", "Summary", "lost", "stored twice", "balanced"):
        assert words in output
    assert _left_behind(environment["KAISER_HOME"]) == []


def test_ctrl_c_stops_everything(environment: dict[str, str]) -> None:
    demo = _demo(environment)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "WebSocket" in line:
            break
    time.sleep(4)
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, output
    assert _left_behind(environment["KAISER_HOME"]) == []
