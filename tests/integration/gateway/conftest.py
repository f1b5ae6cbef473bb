"""A gateway of the test's own on a real log, and whoever answers it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import EventLog, connect, ensure_streams
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Nats, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.service.answering import Answerer

from .clients import client_of


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as connection:
        await ensure_streams(connection, STREAMS)
        yield connection


@pytest.fixture
def gateway(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[Service]:
    service = ephemeral_services.gateway(tmp_path / "gateway", nats_server, postgres)
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture
async def client(gateway: Service) -> AsyncIterator[httpx.AsyncClient]:
    port = gateway.environment["KAISER_GATEWAY_PORT"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answer = await http.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {answer.json()['tokens']['access_token']}"
        yield http


class Standing(NamedTuple):
    """A gateway that stays for a whole file."""

    nats: Nats
    gateway: Service


@pytest.fixture(scope="module")
def standing(
    servers_folder: Path, shared_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    nats = Nats(folder / "nats")
    gateway = ephemeral_services.gateway(folder / "gateway", nats, shared_postgres)
    try:
        asyncio.run(_ensure_streams(nats.start()))
        yield Standing(nats, gateway.start())
    finally:
        gateway.kill()
        nats.kill()


async def _ensure_streams(nats: Nats) -> None:
    async with await connect(nats.url, name="test") as log:
        await ensure_streams(log, STREAMS)


@pytest.fixture
async def operator(standing: Standing) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that gateway whose user is an operator called ``operator``."""
    async with client_of(standing.gateway, "operator") as http:
        yield http


@pytest.fixture
async def engineer(standing: Standing) -> AsyncIterator[httpx.AsyncClient]:
    """The same with an engineer."""
    async with client_of(standing.gateway, "engineer") as http:
        yield http


class Owner:
    """Owner of aggregates and projections: answers what it is told to, with the types of the contract.

    Args:
        url: NATS.

    Attributes:
        asked: Every request, oldest first.
    """

    def __init__(self, url: str) -> None:
        self.asked: list[Any] = []
        self._url = url

    @contextlib.asynccontextmanager
    async def answering(self, *answers: tuple[str, type[msgspec.Struct], Any]) -> AsyncIterator[EventLog]:
        """Answer subjects meanwhile: with a value, a refusal, or what a coroutine function makes of the request."""
        requests = {subject: (kind, self._reply(answer)) for subject, kind, answer in answers}
        async with await connect(self._url, name="owner") as log:
            answerer = Answerer("owner", requests)
            await answerer.serve(log.nc)
            await log.nc.flush()
            yield log
            await answerer.close()

    def _reply(self, answer: Any) -> Any:
        async def reply(asked: Any, _: int) -> Any:
            self.asked.append(asked)
            if isinstance(answer, Refusal):
                raise answer
            return await answer(asked) if callable(answer) else answer

        return reply


@pytest.fixture
def owner(standing: Standing) -> Owner:
    return Owner(standing.nats.url)
