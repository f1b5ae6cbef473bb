"""Commands through two bridges, while the one that carries them is killed, twice."""

import asyncio
import random
import re

import httpx
import pytest

from kaiser.fleet.faults import Faults
from kaiser.local.ephemeral_services import Service

from .conftest import Suite, at_once
from .greenhouse import Greenhouse, assert_one_end_each
from .stored import until

COMMANDS = 100
AT_ONCE = 4


async def delivered(bridge: Service) -> float:
    """Messages that a bridge has brought to the broker since it was started."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{bridge.url}/metrics")).text
    found = re.search(r'kaiser_bridge_downlinks_total{outcome="delivered"} (\S+)', text)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("bridge_options", [{"slots": "4"}], ids=["four-slots"])
async def test_each_command_ends_once_when_bridges_are_killed_among_a_hundred(suite: Suite, second: Service) -> None:
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, random.Random(3), faults=Faults(), interlocked=False)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)

        async def carrying() -> Service | None:
            counts = [(await delivered(bridge), bridge) for bridge in (suite.bridge, second)]
            count, bridge = max(counts, key=lambda each: each[0])
            return bridge if count else None

        async def one_carries() -> bool:
            await greenhouse.switch(api)
            return await carrying() is not None

        await until(one_carries)
        before = len(greenhouse.keys)

        async def switch(count: int) -> None:
            for _ in range(count):
                await greenhouse.switch(api)

        switching = [asyncio.create_task(switch(COMMANDS // AT_ONCE)) for _ in range(AT_ONCE)]
        for share in (0.2, 0.6):

            async def far(share: float = share) -> bool:
                return len(greenhouse.keys) - before >= COMMANDS * share

            await until(far)
            bridge = await carrying()
            assert bridge is not None
            await at_once(bridge.kill)
            await at_once(bridge.start)
        await asyncio.gather(*switching)

        async def all_ended() -> bool:
            answers = [await api.get(f"/commands/{command_id}") for command_id in greenhouse.keys.values()]
            return all(answer.is_success and answer.json()["ended_at"] for answer in answers)

        await until(all_ended)
    ends = await assert_one_end_each(suite, greenhouse.keys)
    print(f"\n{sum(ends.values())} commands: {dict(ends)}")
    assert len(greenhouse.keys) - before >= COMMANDS * 0.9, "a few are refused while a device reads as gone"
    # Most are overtaken by the next, and `head` devices refuse until a heartbeat tells them that they were approved
    assert ends["succeeded"] > COMMANDS / 10
