"""A log of everything that was ever released: every service reads all of it, and goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kaiser.contracts import golden
from kaiser.contracts.events.calibration import CalibrationAbandoned
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.streams import DEADLETTER, STREAMS
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, replay
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .living import until

CONTRACTS = Path(__file__).parents[2] / "contracts"
LIFE = [event.name for event in CATALOGUE]


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        yield log


def _in_order(kept: tuple[str, object]) -> tuple[bool, int]:
    """As they come in life, for no calibration is finished after it was abandoned."""
    return kept[0] != CalibrationAbandoned.TYPE, LIFE.index(kept[0])


async def _lag(log: EventLog) -> dict[str, int]:
    """Durable consumers that have something left to take or to acknowledge."""
    found = {}
    for stream in STREAMS:
        for info in await log.js.consumers_info(stream.name):
            left = (info.num_pending or 0) + (info.num_ack_pending or 0)
            if left:
                found[f"{stream.name}/{info.name}"] = left
    return found


@pytest.mark.timeout(180)
async def test_every_service_starts_on_a_log_of_all_that_was_ever_released_and_refuses_none_of_it(
    log: EventLog, mosquitto: Mosquitto, nats_server: Nats, postgres: Postgres, tmp_path: Path
) -> None:
    written = 0
    for name, lines in sorted(golden.read(CONTRACTS).items(), key=_in_order):
        for line in lines:
            event = Event(subject=line.subject, type=name, data=line.body.encode(), source="kaiser/golden")
            await log.publish(event, timeout_s=10)
            written += name == "io.kaiser.deadletter.v1"
    services: tuple[Service, ...] = (
        ephemeral_services.bridge(tmp_path / "bridge", mosquitto, nats_server),
        ephemeral_services.ingest(tmp_path / "ingest", nats_server, postgres),
        ephemeral_services.actuator(tmp_path / "actuator", nats_server, postgres),
        ephemeral_services.safety(tmp_path / "safety", nats_server, postgres),
        ephemeral_services.logic(tmp_path / "logic", nats_server, postgres),
        ephemeral_services.gateway(tmp_path / "gateway", nats_server, postgres),
    )
    with contextlib.ExitStack() as stack:
        for service in services:
            stack.callback(service.kill)
        await asyncio.gather(*(asyncio.to_thread(service.start) for service in services))
        await until(lambda: _lag(log), lambda left: not left, 60)
        assert [service.name for service in services if not service.running] == []
        letters = [d.data async for d in replay(log, DEADLETTER.name, subjects=("deadletter.*",))]
        assert len(letters) == written, letters[written:]
