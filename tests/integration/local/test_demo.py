"""The demo: however it ends, it leaves nothing running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kaiser.local.layout import Layout
from kaiser.local.ports import VARIABLES, free_ports
from kaiser.local.tree import Tree


@pytest.fixture
def layout(infra_tree: Tree, tmp_path: Path) -> Layout:
    """A home and ports of its own; the programs are the session's."""
    del infra_tree
    return Layout(tmp_path / "home", free_ports())


class Running:
    """A demo in a process of its own."""

    def __init__(self, layout: Layout, **environment: str) -> None:
        self.layout = layout
        named = {variable: str(getattr(layout.ports, name)) for name, variable in VARIABLES.items()}
        with (layout.root.parent / "output").open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kaiser.local", "demo"],
                env=os.environ | named | {"KAISER_HOME": str(layout.root)} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return (self.layout.root.parent / "output").read_text()

    def waits_for(self, words: str) -> None:
        deadline = time.monotonic() + 60
        while words not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.01)

    def ends(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def left_behind(self) -> list[str]:
        """Processes of this home, once those that end by themselves have had a moment."""
        time.sleep(0.5)
        home = str(self.layout.root)
        lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        return [line for line in lines if home in line]


@pytest.fixture
def demo(layout: Layout) -> Iterator[Running]:
    running = Running(layout)
    yield running
    running.ends(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_while_the_database_is_made_leaves_nothing(demo: Running, number: signal.Signals) -> None:
    demo.waits_for("making the database")

    assert demo.ends(number) == 130
    assert demo.left_behind() == []
    assert not demo.layout.postgres.exists()


@pytest.mark.parametrize("pause_s", [0.0, 0.7])
def test_an_end_while_the_programs_start_leaves_nothing(demo: Running, pause_s: float) -> None:
    while not (demo.layout.run / "supervisord.conf").exists():
        time.sleep(0.01)
    time.sleep(pause_s)

    assert demo.ends(signal.SIGINT) == 130
    assert demo.left_behind() == []


def test_a_program_that_cannot_start_leaves_nothing(layout: Layout) -> None:
    demo = Running(layout, KAISER_NATS_SYNC="never, I said")

    assert demo.process.wait(60) == 1
    assert "kaiser: nats cannot start" in demo.output
    assert demo.left_behind() == []


def test_a_second_demo_is_refused_with_one_sentence(demo: Running, layout: Layout) -> None:
    demo.waits_for("making the database")
    before = demo.output

    second = Running(layout)

    assert second.process.wait(30) == 1
    said = demo.output.removeprefix(before).splitlines()
    assert [line for line in said if line.startswith("kaiser: a demo runs here already")] == said[:1]
