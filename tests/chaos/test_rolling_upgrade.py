"""From the release before to today's and back, one service after the other, under load and with both at work."""

import asyncio
import contextlib
import os
import random
from collections import Counter
from pathlib import Path
from typing import Final

import httpx
import pytest

from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog import connect, replay
from kaiser.local import ephemeral_services as fresh
from kaiser.local.ephemeral import Mosquitto, Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .conftest import Suite, at_once
from .greenhouse import Greenhouse, assert_one_end_each
from .load import fleet, under_load
from .releases import of_release, previous_sources
from .stored import assert_each_stored_once

ORDER: Final = ("ingest", "actuator", "safety", "logic", "bridge", "gateway")
"""As docs/upgrade.md has it: whoever reads an event before whoever writes it."""
STAY_S: Final = float(os.environ.get("KAISER_ROLLING_STAY_S", "10"))
"""How long both releases are at work beside each other after each step."""
RATE: Final = 500.0
FLAWS: Final = ("safety is starting",)
"""Of the release before (0.2.0): its safety answers before it can. Counted apart, on the way back."""
READS: Final = ("/devices", "/actuators", "/commands", "/sensors", "/interlocks", "/logic/rules")


class Clients:
    """Somebody who reads and switches all the time, at whichever gateway is there.

    Attributes:
        statuses: Of all answers.
        faults: Answers that say that Kaiser could not.
        known: Those that the release before is known for.
    """

    def __init__(self, greenhouse: Greenhouse) -> None:
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self.known: list[str] = []
        self._greenhouse = greenhouse

    async def note(self, answer: httpx.Response) -> None:
        """For the client's event hooks."""
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            fault = f"{answer.request.method} {answer.request.url}: {(await answer.aread())[:300]!r}"
            (self.known if any(flaw in fault for flaw in FLAWS) else self.faults).append(fault)

    async def read(self, api: httpx.AsyncClient) -> None:
        while True:
            for path in READS:
                await api.get(path)
            await asyncio.sleep(0.2)

    async def switch(self, api: httpx.AsyncClient) -> None:
        while True:
            await self._greenhouse.switch(api)
            await asyncio.sleep(0.1)


def _url(gateway: Service) -> str:
    return f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_rolling_upgrade_there_and_back_loses_nothing_refuses_nothing_and_fails_no_request(
    mosquitto: Mosquitto, nats_server: Nats, own_postgres: Postgres, tmp_path: Path
) -> None:
    def services(release: str) -> dict[str, Service]:
        """One of each; of the other release, from its sources."""
        where, servers = tmp_path / release, (nats_server, own_postgres)
        made = {
            "ingest": fresh.ingest(where / "ingest", *servers),
            "actuator": fresh.actuator(where / "actuator", *servers),
            "safety": fresh.safety(where / "safety", *servers),
            "logic": fresh.logic(where / "logic", *servers),
            "bridge": fresh.bridge(where / "bridge", mosquitto, nats_server, name=release),
            "gateway": fresh.gateway(where / "gateway", *servers),
        }
        if release.startswith("today"):
            return made
        return {name: of_release(service, where / name, sources) for name, service in made.items()}

    with contextlib.ExitStack() as stack:
        sources = stack.enter_context(previous_sources(tmp_path / "sources"))
        running = services("before")
        started = list(running.values())
        stack.callback(lambda: [service.kill() for service in started])
        await at_once(*(service.start for service in running.values()))
        async with await connect(nats_server.url, name="chaos") as log:
            suite = Suite(
                mosquitto=mosquitto,
                nats=nats_server,
                postgres=own_postgres,
                log=log,
                **running,
            )
            greenhouse = Greenhouse(suite, random.Random(7), devices=4)
            clients = Clients(greenhouse)
            async with (
                greenhouse.living(),
                under_load(mosquitto, fleet(), rate=RATE) as load,
                greenhouse.api() as api,
            ):
                await greenhouse.introduce(api)
                api.event_hooks = {"response": [clients.note]}
                working = [asyncio.create_task(work) for work in (clients.read(api), clients.switch(api))]
                for release, order in (("today", ORDER), ("before again", ORDER[::-1])):
                    made = services(release)
                    started += made.values()
                    for name in order:
                        await at_once(made[name].start)
                        old, running[name] = running[name], made[name]
                        if name == "gateway":
                            api.base_url = httpx.URL(_url(made[name]))
                        await asyncio.sleep(STAY_S)
                        await at_once(old.stop)
                        assert [task.exception() for task in working if task.done()] == []
                    print(f"{release}: {dict(clients.statuses)}, {len(clients.known)} faults that are known")
                    assert order is not ORDER or not clients.known, "today's release does not have them"
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)
            others = [device.spec.esp_id for device in greenhouse.devices]
            await assert_each_stored_once(own_postgres, log, load.acknowledged, others=others)
            await asyncio.sleep(30)  # deadlines of commands that were under way
            ends = await assert_one_end_each(suite, greenhouse.keys)
            print(f"{sum(ends.values())} commands: {dict(ends)}")
            letters = [d.data[:500] async for d in replay(log, DEADLETTER.name)]
    assert letters == []
    assert clients.faults == []
    assert ends["succeeded"] > 0
    assert clients.statuses[200] > 100
