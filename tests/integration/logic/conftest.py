"""Logic as processes, with real actuator service and safety beside it; the test plays devices, bridge and ingest."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.logic.site import Site

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import EventLog, connect, ensure_streams
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

NewLogic = Callable[..., Service]


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        yield log


@pytest.fixture
async def site(log: EventLog) -> AsyncIterator[Site]:
    async with Site(log) as site:
        yield site


@pytest.fixture
def new_logic(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[NewLogic]:
    """Makes instances of logic; all are killed in the end."""
    made: list[Service] = []

    def new(**options: str) -> Service:
        usual = {"checkpoint_s": "1", "lease_s": "1"}
        made.append(
            ephemeral_services.logic(tmp_path / f"logic-{len(made)}", nats_server, postgres, **(usual | options))
        )
        return made[-1]

    yield new
    for service in made:
        service.kill()


@pytest.fixture
def acting(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """The actuator service and safety, running."""
    services = (
        ephemeral_services.actuator(tmp_path / "actuator", nats_server, postgres),
        ephemeral_services.safety(tmp_path / "safety", nats_server, postgres),
    )
    try:
        for service in services:
            service.start()
        yield services
    finally:
        for service in services:
            service.kill()
