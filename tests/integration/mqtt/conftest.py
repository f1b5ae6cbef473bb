"""Sessions with a real Mosquitto, and brokers with settings of a test's own."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from kaiser.local.account import hand_over, unprivileged
from kaiser.local.ephemeral import Mosquitto, Server
from kaiser.local.ports import free_port
from kaiser.local.tree import Tree
from kaiser.mqtt import Message, Session

PATIENCE_S = 10.0


class CustomMosquitto(Server):
    """A Mosquitto with nothing but the given lines of configuration, in which {folder} holds copies of the files."""

    username = password = None

    def __init__(self, tree: Tree, folder: Path, lines: list[str], files: list[Path]) -> None:
        folder.mkdir(mode=0o700)
        port = free_port()
        configuration = folder / "mosquitto.conf"
        text = "\n".join([f"listener {port} 127.0.0.1", *lines, "log_dest stdout", ""])
        configuration.write_text(text.replace("{folder}", str(folder)))
        for file in files:
            shutil.copy(file, folder)
        hand_over([folder])
        super().__init__(folder, [*unprivileged(), str(tree.mosquitto), "-c", str(configuration)], port=port)


@pytest.fixture
def custom_mosquitto(infra_tree: Tree, servers_folder: Path) -> Iterator[Callable[..., CustomMosquitto]]:
    """Make brokers from lines of configuration."""
    with ExitStack() as stack:

        def start(*lines: str, files: Iterable[Path] = ()) -> CustomMosquitto:
            number = next(n for n in itertools.count() if not (servers_folder / f"custom-{n}").exists())
            server = CustomMosquitto(infra_tree, servers_folder / f"custom-{number}", list(lines), list(files))
            stack.callback(server.kill)
            return server.start()

        yield start


@pytest.fixture
async def open_session() -> AsyncIterator[Callable[..., Awaitable[Session]]]:
    """Connect a session with a broker; it is closed after the test."""
    async with AsyncExitStack() as stack:

        async def start(broker: Mosquitto, client_id: str, *, wait: bool = True, **settings: object) -> Session:
            defaults = {
                "host": broker.host,
                "port": broker.port,
                "username": broker.username,
                "password": broker.password,
                "reconnect_min_s": 0.1,
                "reconnect_max_s": 0.5,
                "session_expiry_s": 300,
            }
            session = await stack.enter_async_context(Session(client_id=client_id, **{**defaults, **settings}))
            if wait:
                async with asyncio.timeout(PATIENCE_S):
                    await session.wait_connected()
            return session

        yield start


@pytest.fixture
def take() -> Callable[..., Awaitable[list[Message]]]:
    """Take a number of messages, acknowledged or not; fewer only if `or_less_after_s` passes without one."""

    async def take(
        session: Session, count: int, *, acknowledge: bool = True, or_less_after_s: float | None = None
    ) -> list[Message]:
        messages: list[Message] = []
        batches = session.batches()
        while len(messages) < count:
            try:
                batch = await asyncio.wait_for(anext(batches), or_less_after_s or PATIENCE_S)
            except TimeoutError:
                if or_less_after_s is None:
                    raise
                break
            messages += batch
            if acknowledge:
                session.acknowledge(batch)
        return messages

    return take


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition that nothing announces."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    return wait
