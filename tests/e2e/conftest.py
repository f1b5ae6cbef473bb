"""A whole suite: three servers, and all services as processes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import Tree

from .suite import Suite, standing


@pytest.fixture(scope="module")
def suite(infra_tree: Tree, postgres_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A whole suite with actuator and safety, for all tests of a file; every test has devices of its own."""
    with standing(tmp_path_factory.mktemp("suite"), infra_tree, postgres_template) as suite:
        yield suite


@pytest.fixture
def gateway(mosquitto: Mosquitto, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[Service]:
    """The gateway of a whole suite: three servers, bridge and ingest beside it."""
    gateway = ephemeral_services.gateway(tmp_path / "gateway", nats_server, postgres)
    services = (
        ephemeral_services.bridge(tmp_path / "bridge", mosquitto, nats_server),
        ephemeral_services.ingest(tmp_path / "ingest", nats_server, postgres),
        gateway,
    )
    try:
        for service in services:
            service.start()
        yield gateway
    finally:
        for service in services:
            service.stop()


@pytest.fixture
async def api(gateway: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the REST API that has logged in."""
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        yield client
