"""The whole suite as real processes, each of which a test may kill, freeze or stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kaiser.eventlog import EventLog, connect
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.nats_cluster import NatsCluster


@dataclass
class Suite:
    """Servers and services of one test."""

    mosquitto: Mosquitto
    nats: Nats | NatsCluster
    postgres: Postgres
    bridge: Service
    ingest: Service
    actuator: Service
    safety: Service
    logic: Service
    gateway: Service
    log: EventLog


@pytest.fixture
def bridge_options() -> dict[str, str]:
    """``KAISER_BRIDGE_…`` of the suite's bridge; a test overrides it by parametrizing."""
    return {}


@pytest.fixture
async def suite(
    mosquitto: Mosquitto,
    nats_server: Nats | NatsCluster,
    own_postgres: Postgres,
    tmp_path: Path,
    bridge_options: dict[str, str],
) -> AsyncIterator[Suite]:
    """Everything, ready, but actuator service, safety, logic and gateway: a test that wants one starts it."""
    services = (
        ephemeral_services.bridge(tmp_path / "bridge", mosquitto, nats_server, **bridge_options),
        ephemeral_services.ingest(tmp_path / "ingest", nats_server, own_postgres),
        ephemeral_services.actuator(tmp_path / "actuator", nats_server, own_postgres),
        ephemeral_services.safety(tmp_path / "safety", nats_server, own_postgres),
        ephemeral_services.logic(tmp_path / "logic", nats_server, own_postgres),
        ephemeral_services.gateway(tmp_path / "gateway", nats_server, own_postgres),
    )
    try:
        await asyncio.gather(*(asyncio.to_thread(service.start) for service in services[:2]))
        async with await connect(nats_server.url, name="chaos") as log:
            yield Suite(mosquitto, nats_server, own_postgres, *services, log)
    finally:
        for service in services:
            service.kill()


async def at_once(*verbs: Callable[[], object]) -> None:
    """Do harm, or repair it, to several at the same time, off the event loop."""
    await asyncio.gather(*(asyncio.to_thread(verb) for verb in verbs))


@pytest.fixture
async def second(suite: Suite, bridge_options: dict[str, str], tmp_path: Path) -> AsyncIterator[Service]:
    """Another bridge beside the suite's."""
    service = ephemeral_services.bridge(
        tmp_path / "second", suite.mosquitto, suite.nats, name="second", **bridge_options
    )
    try:
        await at_once(service.start)
        yield service
    finally:
        service.kill()
