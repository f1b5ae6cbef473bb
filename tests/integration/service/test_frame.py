"""A service starts, says how it is, and stops, as a process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kaiser.local.ports import free_port

HEAD = """
import asyncio
from kaiser.service import CommonSettings, Frame, run

class Settings(CommonSettings, frozen=True, kw_only=True):
    pass
"""

Start = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def go(body: str, port: int = 0) -> tuple[subprocess.Popen[str], int]:
        port = port or free_port()
        script = tmp_path / "service.py"
        script.write_text(HEAD + textwrap.dedent(body) + '\nrun("trial", Settings, serve)\n')
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env=os.environ | {"KAISER_HEALTH_PORT": str(port), "KAISER_LOG_FORMAT": "json"},
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, port

    yield go
    for process in processes:
        process.kill()
        process.communicate()


async def _get(port: int, path: str) -> int:
    def ask() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    return await asyncio.to_thread(ask)


async def _until(port: int, path: str, status: int) -> None:
    async with asyncio.timeout(10):
        while await _get(port, path) != status:  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.02)


async def test_it_drains_and_leaves_with_0_when_told_to_stop(start: Start) -> None:
    process, port = start(
        """
        async def drain() -> None:
            import structlog
            structlog.get_logger().info("drained")

        async def serve(frame: Frame, settings: Settings) -> None:
            frame.spawn("work", asyncio.sleep(1000))
            frame.on_stop(drain)
            await frame.until_stopped()
        """
    )
    await _until(port, "/health/ready", 200)
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 0
    assert '"drained"' in errors


async def test_a_task_that_dies_takes_the_service_with_it(start: Start) -> None:
    process, _ = start(
        """
        async def die() -> None:
            raise RuntimeError("no more")

        async def serve(frame: Frame, settings: Settings) -> None:
            frame.spawn("work", die())
            await frame.until_stopped()
        """
    )
    _, errors = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 1
    assert "no more" in errors


async def test_one_that_still_waits_for_a_server_stops_at_once(start: Start) -> None:
    process, port = start(
        """
        async def serve(frame: Frame, settings: Settings) -> None:
            frame.health.connected("nats", lambda: False, whom="NATS")
            await asyncio.sleep(1000)
        """
    )
    await _until(port, "/health/ready", 503)
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.communicate, timeout=5)
    assert process.returncode == 0


async def test_a_port_that_is_taken_ends_it(start: Start) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        process, _ = start(
            """
            async def serve(frame: Frame, settings: Settings) -> None:
                await frame.until_stopped()
            """,
            taken.getsockname()[1],
        )
        _, errors = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 1
    assert "is not to be had (Address already in use); set KAISER_HEALTH_PORT to a free port" in errors


async def test_one_that_does_not_end_says_where_it_hangs_and_leaves(start: Start) -> None:
    process, port = start(
        """
        import time
        import kaiser.service.frame
        kaiser.service.frame.LAST_RESORT_S = 0.5

        async def drain() -> None:
            time.sleep(1000)

        async def serve(frame: Frame, settings: Settings) -> None:
            frame.on_stop(drain)
            await frame.until_stopped()
        """
    )
    await _until(port, "/health/ready", 200)
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 1
    assert "in drain" in errors


async def test_what_the_operator_has_to_put_right_is_a_sentence_and_no_traceback(start: Start) -> None:
    process, _ = start(
        """
        from kaiser.service import CannotStartError

        async def serve(frame: Frame, settings: Settings) -> None:
            raise CannotStartError("the secret is the example's; make one of your own")
        """
    )
    _, errors = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 1
    assert "make one of your own" in errors
    assert "Traceback" not in errors
