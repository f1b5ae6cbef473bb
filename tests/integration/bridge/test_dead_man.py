"""What may not stay on without safety goes off when safety is silent, whoever died of what, and stays off."""

import asyncio
import json
import os
from collections.abc import Callable

import aiomqtt
import pytest
from tests.integration.bridge import site
from tests.integration.bridge.conftest import StartBridge, stored, until
from tests.integration.bridge.site import FAN, PUMP, a_dec, a_head, eventually, running

from kaiser.eventlog import EventLog
from kaiser.fleet.fleet import Fleet
from kaiser.local.ephemeral import Mosquitto, Nats
from kaiser.local.ephemeral_services import Service

Client = Callable[..., aiomqtt.Client]

HEAD, DEC = "ESP_0A0001", "ESP_0A0002"
EVERYTHING = {(esp_id, gpio) for esp_id in (HEAD, DEC) for gpio in (PUMP, FAN)}
LEASE_S = "4"
LOST = "actuator.*.*.*.lease_lost"

VICTIMS = ("safety", "nats", "bridge")
FEW_PUMPS, MANY_PUMPS = 6, 100
TRIALS = int(os.environ.get("KAISER_D5_TRIALS", "10"))
"""Of each victim; D5 wants 500 in all."""
STARTS_AN_HOUR = 60
"""More of them the firmware's pump driver refuses (wire contract, 6.5): so often the pumps themselves are new."""
WITHIN_S = 30.0
"""The lease, or the device's own limit (here the last will of ``server/status`` after a second), and a wide margin."""


async def lost(log: EventLog) -> set[tuple[str, int]]:
    """Actuators that the bridge says it has switched off."""
    bodies = [json.loads(delivery.data) for delivery in await stored(log, "ACTUATORS", LOST)]
    return {(body["esp_id"], body["gpio"]) for body in bodies}


async def test_silence_of_safety_switches_off_what_does_not_hold_and_nothing_comes_back(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    specs = [a_head(HEAD), a_dec(DEC)]
    await site.approve(log, *specs)
    await site.hold(log, DEC, FAN)
    start_bridge(safety_lease_s=LEASE_S)
    async with device() as client, site.a_fleet(mosquitto, *specs) as fleet:
        async with site.safety_lives(log):
            await site.switch_all_on(client, fleet)
            await asyncio.sleep(2 * float(LEASE_S))
            assert running(fleet) == EVERYTHING
        await eventually(lambda: running(fleet) == {(DEC, FAN)})
        await until(lambda: _all_lost(log, EVERYTHING - {(DEC, FAN)}))
        async with site.safety_lives(log):
            await asyncio.sleep(float(LEASE_S))
            assert running(fleet) == {(DEC, FAN)}
            await site.switch(client, fleet[HEAD], PUMP, "ON")  # a new decision counts
            await eventually(lambda: (HEAD, PUMP) in running(fleet))
            await asyncio.sleep(1.0)
            assert running(fleet) == {(DEC, FAN), (HEAD, PUMP)}
    assert await lost(log) == EVERYTHING - {(DEC, FAN)}


async def _all_lost(log: EventLog, places: set[tuple[str, int]]) -> bool:
    return await lost(log) == places


async def test_the_switch_works_without_the_log_and_writes_down_what_it_did_when_the_log_is_back(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client
) -> None:
    specs = [a_head(HEAD), a_dec(DEC)]
    await site.approve(log, *specs)
    await site.hold(log, HEAD, PUMP)
    start_bridge(safety_lease_s=LEASE_S)
    async with device() as client, site.a_fleet(mosquitto, *specs) as fleet, site.safety_lives(log):
        await site.switch_all_on(client, fleet)
        await asyncio.to_thread(nats_server.kill)
        await eventually(lambda: running(fleet) == {(HEAD, PUMP)})
        await asyncio.to_thread(nats_server.start)
        await until(lambda: _all_lost(log, EVERYTHING - {(HEAD, PUMP)}))
        assert running(fleet) == {(HEAD, PUMP)}


async def test_a_bridge_that_starts_without_the_log_waits_a_lease_and_remembers_what_holds(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client
) -> None:
    specs = [a_dec(DEC)]
    await site.approve(log, *specs)
    await site.hold(log, DEC, FAN)
    bridge = start_bridge(safety_lease_s=LEASE_S)
    async with device() as client, site.a_fleet(mosquitto, *specs) as fleet:
        async with site.safety_lives(log):
            await site.switch_all_on(client, fleet)
            await asyncio.sleep(1.0)
            bridge.kill()
            await asyncio.to_thread(nats_server.kill)
        bridge.wait = False
        await asyncio.to_thread(bridge.start)
        await eventually(lambda: running(fleet) == {(DEC, FAN)})
        await asyncio.sleep(2.0)
        assert running(fleet) == {(DEC, FAN)}


@pytest.mark.parametrize("victim", VICTIMS)
async def test_every_pump_is_off_after_a_kill_and_none_comes_back(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client, victim: str
) -> None:
    """D5 at reduced size."""
    trials = Trials(start_bridge, mosquitto, log, nats_server, device)
    await trials.run(victim, pumps=FEW_PUMPS, trials=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_hundred_pumps_are_off_after_every_kill_and_none_comes_back(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client, victim: str
) -> None:
    """D5, with as many trials as ``KAISER_D5_TRIALS`` says."""
    trials = Trials(start_bridge, mosquitto, log, nats_server, device)
    await trials.run(victim, pumps=MANY_PUMPS, trials=TRIALS)


class Trials:
    """One site, killed again and again."""

    def __init__(
        self, start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client
    ) -> None:
        self._start_bridge, self._mosquitto, self._log = start_bridge, mosquitto, log
        self._nats, self._device = nats_server, device

    async def run(self, victim: str, *, pumps: int, trials: int) -> None:
        """Kill, see everything off, bring it back, see nothing on.

        ``dec`` devices have no limit of their own, so that they need a bridge that lives.
        """
        one = (site.ActuatorSpec(gpio=PUMP),)
        specs = [
            (a_head if victim == "bridge" or number % 2 else a_dec)(f"ESP_0B{number:04X}", actuators=one)
            for number in range(pumps)
        ]
        await site.approve(self._log, *specs)
        bridge = self._start_bridge(safety_lease_s=LEASE_S, will_delay_s="1")
        for done in range(0, trials, STARTS_AN_HOUR):
            async with self._device() as client, site.a_fleet(self._mosquitto, *specs) as fleet:
                for _ in range(min(STARTS_AN_HOUR, trials - done)):
                    await self._try(victim, bridge, client, fleet)

    async def _try(self, victim: str, bridge: Service, client: aiomqtt.Client, fleet: Fleet) -> None:
        async with site.safety_lives(self._log):
            await site.switch_all_on(client, fleet)
            if victim == "nats":
                await asyncio.to_thread(self._nats.kill)
                await eventually(lambda: not running(fleet), timeout_s=WITHIN_S)
            elif victim == "bridge":
                bridge.kill()
                await eventually(lambda: not running(fleet), timeout_s=WITHIN_S)
        await eventually(lambda: not running(fleet), timeout_s=WITHIN_S)
        if victim == "nats":
            await asyncio.to_thread(self._nats.start)
        elif victim == "bridge":
            await asyncio.to_thread(bridge.start)
        async with site.safety_lives(self._log):
            await asyncio.sleep(2.0)
            assert not running(fleet)
