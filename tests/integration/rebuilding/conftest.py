"""Ingest as it records, a log with an archive, and a rebuild of its tables."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.rebuilding.site import Site

from kaiser.contracts.streams import DEVICES, HEARTBEATS, TELEMETRY
from kaiser.eventlog import connect, ensure_streams
from kaiser.local.ephemeral import Nats, Postgres


@pytest.fixture
async def site(nats_server: Nats, own_postgres: Postgres, tmp_path: Path) -> AsyncIterator[Site]:
    """Empty streams, an empty database, and nobody who records yet."""
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, (TELEMETRY, DEVICES, HEARTBEATS))
        made = Site(log, nats_server, own_postgres, tmp_path / "archive")
        try:
            yield made
        finally:
            await made.stop()
