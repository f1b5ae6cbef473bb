"""An emergency stop reaches both generations, only what is in its scope, and is repeated until it is off."""

import asyncio
import json
from collections.abc import Callable

import aiomqtt
import pytest
from tests.integration.bridge import site
from tests.integration.bridge.conftest import StartBridge, stored, until
from tests.integration.bridge.site import FAN, NEVER_S, PUMP, a_dec, a_head, eventually, running

from kaiser.eventlog import EventLog
from kaiser.fleet.faults import Faults
from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.head import HeadFirmware
from kaiser.local.ephemeral import Mosquitto, Nats

Client = Callable[..., aiomqtt.Client]

HEAD, DEC, OTHER = "ESP_0A0001", "ESP_0A0002", "ESP_0A0003"


def everything(*esp_ids: str) -> set[tuple[str, int]]:
    return {(esp_id, gpio) for esp_id in esp_ids for gpio in (PUMP, FAN)}


async def test_a_stop_of_the_site_stops_both_generations(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    specs = [a_head(HEAD), a_dec(DEC), a_head(OTHER, kaiser_id="farm")]
    await site.approve(log, *specs)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, *specs) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log)
        await eventually(lambda: not running(fleet))
        assert all(actuator.emergency == "active" for actuator in site.outputs(fleet).values())


SCOPES = [
    ({"kind": "actuator", "esp_id": HEAD, "gpio": PUMP}, {(HEAD, PUMP)}),
    ({"kind": "actuator", "esp_id": DEC, "gpio": PUMP}, {(DEC, PUMP)}),
    ({"kind": "device", "esp_id": HEAD}, everything(HEAD)),
    ({"kind": "device", "esp_id": DEC}, everything(DEC)),
    ({"kind": "zone", "zone_id": "north"}, everything(HEAD, DEC)),
    ({"kind": "kaiser", "kaiser_id": "farm"}, everything(OTHER)),
]


@pytest.mark.parametrize(("scope", "stopped"), SCOPES, ids=[f"{s['kind']}-{len(o)}" for s, o in SCOPES])
async def test_a_scoped_stop_stops_what_is_in_scope_and_nothing_else(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client, scope: dict, stopped: set
) -> None:
    specs = [a_head(HEAD, zone_id="north"), a_dec(DEC, zone_id="north"), a_dec(OTHER, kaiser_id="farm")]
    await site.approve(log, *specs)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, device() as listener, site.a_fleet(mosquitto, *specs) as fleet:
        await listener.subscribe(BROADCAST, qos=2)
        await site.switch_all_on(client, fleet)
        await site.stop(log, **scope)
        await eventually(lambda: not running(fleet) & stopped)
        await site.stop(log, "device", "em-2", esp_id="ESP_FFFFFF")  # a round later nothing else is off either
        await asyncio.sleep(1.5)
        assert running(fleet) == everything(HEAD, DEC, OTHER) - stopped
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(listener.messages)


@pytest.mark.parametrize("generation", ["head", "dec"])
async def test_off_is_repeated_until_the_device_has_heard_it(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client, generation: str
) -> None:
    make = a_head if generation == "head" else a_dec
    # Both pumps are switched on first; then a lost order, one that is only pretended, and another lost one
    spec = make(HEAD, faults=Faults(script=("none", "none", "unheard", "pretended", "unheard")))
    await site.approve(log, spec)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log, "actuator", esp_id=HEAD, gpio=PUMP)
        await eventually(lambda: running(fleet) == {(HEAD, FAN)})
        assert fleet[HEAD].firmware.faults.dealt == ["none", "none", "unheard", "pretended", "unheard", "none"]


async def test_a_production_build_that_refuses_the_broadcast_is_stopped_one_actuator_at_a_time(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    spec = a_head(HEAD, production=True)
    await site.approve(log, spec)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log)
        await eventually(lambda: not running(fleet))
        firmware = fleet[HEAD].firmware
        assert isinstance(firmware, HeadFirmware)
        assert firmware.tokenless_emergencies
        assert {actuator.emergency for actuator in firmware.actuators.values()} == {"normal"}


async def test_a_production_build_obeys_the_broadcast_with_the_sites_token(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    spec = a_head(HEAD, production=True, broadcast_token="of-the-site")
    await site.approve(log, spec)
    start_bridge(safety_lease_s=NEVER_S, broadcast_token="of-the-site")
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log)
        await eventually(lambda: not running(fleet))
        assert {actuator.emergency for actuator in site.outputs(fleet).values()} == {"active"}


async def test_a_device_that_was_away_during_the_stop_and_returns_running_is_stopped(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    await site.approve(log, a_dec(DEC), a_head(HEAD))
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client:
        async with site.a_fleet(mosquitto, a_head(HEAD)) as fleet:
            await site.switch_all_on(client, fleet)
            await site.stop(log)
            await eventually(lambda: not running(fleet))
        running_pumps = a_dec(DEC).actuators
        returns = a_dec(DEC, actuators=tuple(_on(pump) for pump in running_pumps))
        async with site.a_fleet(mosquitto, returns, time_scale=10) as fleet:
            assert running(fleet) == everything(DEC)
            await eventually(lambda: not running(fleet))


def _on(pump: site.ActuatorSpec) -> site.ActuatorSpec:
    return site.ActuatorSpec(gpio=pump.gpio, default_state=True)


async def test_nothing_is_retained_and_a_device_that_reconnects_after_the_release_is_neither_stopped_nor_switched_on(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    specs = [a_head(HEAD), a_dec(DEC)]
    await site.approve(log, *specs)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client:
        async with site.a_fleet(mosquitto, *specs) as fleet:
            await site.switch_all_on(client, fleet)
            await site.stop(log)
            await eventually(lambda: not running(fleet))
        await site.release(log)
        async with device() as fresh:
            for topic in (BROADCAST, "kaiser/+/esp/+/actuator/emergency", "kaiser/+/esp/+/actuator/+/command"):
                await fresh.subscribe(topic, qos=2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.0):
                    await anext(fresh.messages)
        async with site.a_fleet(mosquitto, *specs, time_scale=10) as fleet:
            await eventually(lambda: all(map(site.ready, fleet.devices)))
            assert not running(fleet)
            await site.switch_all_on(client, fleet)
            await asyncio.sleep(4.0)  # more than 30 s of the devices' time, so each has said that it runs
            assert running(fleet) == everything(HEAD, DEC)


async def test_a_killed_bridge_takes_up_a_stop_that_is_not_confirmed(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    spec = a_dec(DEC, faults=Faults(script=("none", "none", *4 * ("unheard",))))
    await site.approve(log, spec)
    bridge = start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log, "device", esp_id=DEC)
        await eventually(lambda: len(fleet[DEC].firmware.faults.dealt) > 2)
        bridge.kill()
        assert running(fleet) == everything(DEC)
        await asyncio.to_thread(bridge.start)
        await eventually(lambda: not running(fleet))


async def test_a_stop_that_was_requested_while_no_bridge_was_there_is_carried_out(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    specs = [a_head(HEAD), a_dec(DEC)]
    await site.approve(log, *specs)
    bridge = start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, *specs) as fleet:
        await site.switch_all_on(client, fleet)
        bridge.kill()
        await site.stop(log)
        await asyncio.to_thread(bridge.start)
        await eventually(lambda: not running(fleet))


async def test_repetition_goes_on_while_the_log_is_away(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, nats_server: Nats, device: Client
) -> None:
    spec = a_dec(DEC, faults=Faults(script=("none", "none", *8 * ("unheard",))))
    await site.approve(log, spec)
    start_bridge(safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log, "device", esp_id=DEC)
        await eventually(lambda: len(fleet[DEC].firmware.faults.dealt) > 2)
        await asyncio.to_thread(nats_server.kill)
        assert running(fleet) == everything(DEC)
        await eventually(lambda: not running(fleet), timeout_s=60)


async def test_a_standby_takes_the_stop_over(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    spec = a_dec(DEC, faults=Faults(script=("none", "none", *4 * ("unheard",))))
    await site.approve(log, spec)
    first = start_bridge("first", safety_lease_s=NEVER_S)
    start_bridge("second", safety_lease_s=NEVER_S)
    async with device() as client, site.a_fleet(mosquitto, spec) as fleet:
        await site.switch_all_on(client, fleet)
        await site.stop(log, "device", esp_id=DEC)
        await eventually(lambda: len(fleet[DEC].firmware.faults.dealt) > 2)
        first.kill()
        assert running(fleet) == everything(DEC)
        await eventually(lambda: not running(fleet))


async def test_a_stop_that_came_while_the_broker_was_away_is_carried_out_when_it_is_back(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog, device: Client
) -> None:
    spec = a_dec(DEC, actuators=(site.ActuatorSpec(gpio=PUMP, default_state=True),))
    await site.approve(log, spec)
    start_bridge(safety_lease_s=NEVER_S)
    await asyncio.to_thread(mosquitto.kill)
    await site.stop(log)
    await asyncio.to_thread(mosquitto.start)
    async with site.a_fleet(mosquitto, spec, time_scale=10) as fleet:
        await eventually(lambda: not running(fleet))


async def test_an_on_that_was_on_its_way_before_a_stop_is_not_given_to_the_device_any_more(
    start_bridge: StartBridge, mosquitto: Mosquitto, log: EventLog
) -> None:
    specs = [a_dec(DEC)]
    await site.approve(log, *specs)
    start_bridge(safety_lease_s=NEVER_S)
    async with site.a_fleet(mosquitto, *specs) as fleet:
        await eventually(lambda: all(map(site.ready, fleet.devices)))
        await site.stop(log, kind="device", esp_id=DEC)
        await site.request(log, DEC, PUMP, "ON")
        (refused,) = await until(lambda: stored(log, "DEVICES", f"device.god.{DEC}.downlink_refused"))
        assert json.loads(refused.data)["code"] == "EMERGENCY_ACTIVE"
        await site.request(log, DEC, PUMP, "OFF")
        await until(lambda: stored(log, "DEVICES", f"device.god.{DEC}.downlink_delivered"))
        assert not running(fleet)
