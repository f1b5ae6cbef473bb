"""Many clients that come and go, and a gateway that is killed all the time: each has what it asked for, once.

The short one is in ``make test``; the long one, at the size that ``field.md`` asks for (D7), in ``make chaos``.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from kaiser.client import Filters, LiveStream, sensor_data
from kaiser.eventlog import EventLog
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import base_url, token_of
from .test_resuming import batch

DEVICES = tuple(f"ESP_{number:06X}" for number in range(20))
PATIENCE_S = 120


class Size(NamedTuple):
    """How much of it there is.

    Attributes:
        clients: How many there are; each wants one device.
        kills: How often the gateway is killed.
        between_s: Seconds from one of them to the next.
        rate: Readings a second.
        away_s: Longest time that a client is away.
    """

    clients: int
    kills: int
    between_s: float
    rate: int
    away_s: float


SMALL = Size(clients=20, kills=2, between_s=3, rate=100, away_s=2)
FULL = Size(
    clients=int(os.environ.get("KAISER_GAPLESS_CLIENTS", "1000")),
    kills=int(os.environ.get("KAISER_GAPLESS_KILLS", "20")),
    between_s=30,
    rate=200,
    away_s=600,
)


class Visitor:
    """A client that stays for a while, goes away, and comes back with its last cursor."""

    def __init__(self, url: str, token: str, esp_id: str, *, chance: random.Random, away_s: float) -> None:
        self.esp_id = esp_id
        self.ids: list[int] = []
        self.missed = 0
        self.resumed_s: list[float] = []
        self.visits = 0
        self._url = url
        self._token = token
        self._chance = chance
        self._away_s = away_s
        self.cursor = ""

    async def come_and_go(self, over: asyncio.Event) -> None:
        """Visits until it is over."""
        while not self.cursor:  # the first visit is where it begins
            await self._for(self._visit(), 3, over)
        while not over.is_set():
            await self._for(self._visit(), self._chance.uniform(0.2, 2 * self._away_s), over)
            await self._for(asyncio.Event().wait(), self._chance.uniform(0, self._away_s), over)

    async def complete(self, expected: list[int]) -> None:
        """One more visit, until everything has come."""
        async with asyncio.timeout(PATIENCE_S):
            await self._visit(until=len(expected))

    async def _visit(self, until: int = 2**62) -> None:
        self.visits += 1
        began, known = 0.0, bool(self.cursor)

        async def token() -> str:
            nonlocal began  # of the connection that came about, for there is none while the gateway is gone
            began = time.monotonic()
            return self._token

        stream = LiveStream(self._url, token, filters=Filters(esp_ids=[self.esp_id]), cursor=self.cursor)
        try:
            while len(self.ids) < until:
                async for update in stream.updates():
                    if known:
                        self.resumed_s.append(time.monotonic() - began)
                        known = False
                    self.ids += [int(sensor_data(event).reading_id) for event in update.events]
                    self.missed += len(update.missed)
                    if len(self.ids) >= until:
                        break
        finally:
            self.cursor = stream.cursor or self.cursor

    @staticmethod
    async def _for(work: object, seconds: float, over: asyncio.Event) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        end = asyncio.create_task(over.wait())
        await asyncio.wait({task, end}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, end):
            while not each.done():  # a cancellation may be lost on Python 3.11
                each.cancel()
                await asyncio.wait({each}, timeout=1)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


@pytest.fixture
def steady(log: EventLog, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[Service]:
    """A gateway that gives a sign of life each second, so that cursors of quiet clients move as well."""
    service = ephemeral_services.gateway(
        tmp_path / "steady", nats_server, postgres, heartbeat_s="1", clients=str(FULL.clients + 10)
    )
    try:
        yield service.start()
    finally:
        service.kill()


async def readings(log: EventLog, rate: int, over: asyncio.Event, told: dict[str, list[int]]) -> None:
    """Readings of all devices in turn, until it is over."""
    number = 0
    while not over.is_set():
        rows = [(DEVICES[each % len(DEVICES)], each) for each in range(number, number + rate // 10)]
        await log.publish_all([batch(each, esp_id=esp_id) for esp_id, each in rows])
        for esp_id, each in rows:
            told[esp_id].append(each)
        number += len(rows)
        await asyncio.sleep(0.1)


async def come_and_go(gateway: Service, log: EventLog, size: Size) -> AsyncIterator[Visitor]:
    """Everything at once; then each client, with what it had to get checked."""
    chance, over = random.Random(4711), asyncio.Event()
    told: dict[str, list[int]] = {esp_id: [] for esp_id in DEVICES}
    token = token_of(gateway)
    visitors = [
        Visitor(base_url(gateway), token, DEVICES[number % len(DEVICES)], chance=chance, away_s=size.away_s)
        for number in range(size.clients)
    ]
    going = [asyncio.create_task(visitor.come_and_go(over)) for visitor in visitors]
    async with asyncio.timeout(PATIENCE_S):
        while not all(visitor.cursor for visitor in visitors):  # noqa: ASYNC110 - where each begins; it tells nobody
            await asyncio.sleep(0.1)
    publishing = asyncio.create_task(readings(log, size.rate, over, told))
    for _ in range(size.kills):
        await asyncio.sleep(size.between_s)
        await asyncio.to_thread(gateway.kill)
        gateway.start()
    over.set()
    await asyncio.gather(publishing, *going)
    for visitor in visitors:
        await visitor.complete(told[visitor.esp_id])
        assert visitor.ids == told[visitor.esp_id]
        assert not visitor.missed
        yield visitor


async def test_whoever_comes_and_goes_while_the_gateway_dies_gets_each_event_once(
    steady: Service, log: EventLog
) -> None:
    visits = [visitor.visits async for visitor in come_and_go(steady, log, SMALL)]
    assert len(visits) == SMALL.clients
    assert max(visits) > 2


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_thousand_of_them_over_ten_minutes(steady: Service, log: EventLog) -> None:
    found = [visitor async for visitor in come_and_go(steady, log, FULL)]
    resumed = sorted(seconds for visitor in found for seconds in visitor.resumed_s)
    memory = max(
        process.memory_info().rss
        for process in psutil.Process().children(recursive=True)
        if "kaiser.gateway" in process.cmdline()
    )
    print(f"{len(resumed)} resumed, p99 {resumed[len(resumed) * 99 // 100]:.2f} s; gateway {memory >> 20} MiB")
    assert memory < 400 * 2**20
