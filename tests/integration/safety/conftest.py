"""Safety as a process, and a test that plays everybody else: actuator service, devices, gateway."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.safety.site import Site

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import EventLog, connect, ensure_streams
from kaiser.local.ephemeral_services import Service, safety


@pytest.fixture
async def log(nats_server) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        yield log


@pytest.fixture
async def site(log) -> AsyncIterator[Site]:
    async with Site(log) as site:
        yield site


@pytest.fixture
def service(tmp_path, nats_server, postgres) -> Service:
    service = safety(tmp_path / "safety", nats_server, postgres)
    try:
        yield service
    finally:
        service.kill()
