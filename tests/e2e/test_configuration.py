"""What is to hang on devices: ordered over REST, told to simulated firmware of both generations, and followed."""

from typing import Any, Final

import pytest

from kaiser.fleet.spec import DeviceSpec

from .living import living, now, until

ESP: Final = "ESP_0A1B2C"
PROBE: Final = "28FF641E8C160350"
MISSING: Final = "28FF641E8C160351"
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank pH"}],
    "actuators": [{"gpio": 25, "actuator_type": "pump", "name": "Main pump"}],
}


def settled(found: dict[str, Any]) -> bool:
    return found["state"] not in ("none", "ordered")


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_a_device_gets_its_equipment_and_loses_what_is_taken_off(mosquitto, api, generation) -> None:
    async with living(mosquitto, api, DeviceSpec(esp_id=ESP, generation=generation)) as (device, seen):
        assert (await seen.config())["state"] == "none"
        ordered = await seen.put("config", EQUIPMENT)
        assert (ordered.status_code, ordered.json()["changed"]) == (202, True)
        found = await until(seen.config, settled)
        assert (found["state"], found["faults"]) == ("confirmed", [])
        assert found["until_restart"] == ([32] if generation == "dec" else [])
        assert (set(device.firmware.actuators), [s.sensor_type for s in device.firmware.on_pin(32)]) == ({25}, ["ph"])
        await until(seen.device, lambda found: found["config_state"] == "confirmed")
        again = (await seen.put("config", EQUIPMENT)).json()
        assert not again["changed"]

        device.firmware.actuators[25].state = True  # it runs, and must go on while sensors change
        moved = EQUIPMENT | {"sensors": [{"gpio": 33, "sensor_type": "moisture", "name": "Bed"}]}
        (await seen.put("config", moved)).raise_for_status()
        await until(seen.config, settled)
        assert [s.sensor_type for pin in (32, 33) for s in device.firmware.on_pin(pin)] == ["moisture"]
        assert device.firmware.actuators[25].state


async def test_a_dec_device_is_told_again_after_it_was_started_anew(mosquitto, api) -> None:
    async with living(mosquitto, api, DeviceSpec(esp_id=ESP, generation="dec")) as (device, seen):
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        await until(seen.config, settled)
        await until(seen.device, lambda found: (found["uptime_s"] or 0) > 60)
        device.power_cycle()
        await until(seen.device, lambda found: found["restarts"] == 1)
        found = await until(seen.config, settled)
        await until(lambda: now(set(device.firmware.actuators)), lambda pins: pins == {25})
        assert found["state"] == "confirmed"


async def test_what_a_head_device_does_not_take_is_told_pin_by_pin(mosquitto, api) -> None:
    async with living(mosquitto, api, DeviceSpec(esp_id=ESP, missing_probes=(MISSING,))) as (_, seen):
        wanted = EQUIPMENT | {
            "sensors": [
                {"gpio": 4, "sensor_type": "ds18b20", "name": "Root", "onewire_address": PROBE},
                {"gpio": 14, "sensor_type": "ds18b20", "name": "Gone", "onewire_address": MISSING},
            ]
        }
        (await seen.put("config", wanted)).raise_for_status()
        found = await until(seen.config, settled)
        assert found["state"] == "partly"
        (fault,) = found["faults"]
        assert (fault["kind"], fault["gpio"], fault["code"]) == ("sensor", 14, "VALIDATION_FAILED")


async def test_what_a_device_could_not_do_is_refused_before_it_is_sent(mosquitto, api) -> None:
    async with living(mosquitto, api, DeviceSpec(esp_id=ESP)) as (device, seen):
        wrong = EQUIPMENT | {"sensors": [{"gpio": 25, "sensor_type": "flow", "name": "Main"}]}
        refused = await seen.put("config", wrong)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (400, "GPIO_CONFLICT")
        assert "sensors[0].gpio" in refused.text
        assert (await seen.config())["state"] == "none"
        assert not device.firmware.actuators


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_subzones_are_parts_of_a_confirmed_zone_and_go_with_it(mosquitto, api, generation) -> None:
    async with living(mosquitto, api, DeviceSpec(esp_id=ESP, generation=generation)) as (device, seen):
        early = await seen.put("subzones/bench_a", {"gpios": [25]})
        assert (early.status_code, early.json()["code"]) == (409, "DEVICE_STATE_FORBIDS")
        (await seen.put("zone", {"zone_id": "north"})).raise_for_status()
        await until(seen.device, lambda found: found["zone_state"] == "confirmed")
        (await seen.put("subzones/bench_a", {"gpios": [25, 26]})).raise_for_status()
        found = await until(seen.config, lambda found: found["subzones"][0]["state"] != "ordered")
        assert (found["subzones"][0]["state"], found["subzones"][0]["gpios"]) == ("confirmed", [25, 26])
        assert device.firmware.subzones["bench_a"]
        taken = await seen.put("subzones/bench_b", {"gpios": [26]})
        assert (taken.status_code, taken.json()["code"]) == (400, "GPIO_CONFLICT")
        (await api.delete(f"/devices/{ESP}/subzones/bench_a")).raise_for_status()
        await until(seen.config, lambda found: not found["subzones"])
        left = await api.delete(f"/devices/{ESP}/zone")
        if generation == "dec":
            assert (left.status_code, left.json()["code"]) == (400, "DOWNLINK_FORBIDDEN")
        else:
            found = await until(seen.device, lambda found: found["zone_state"] == "confirmed")
            await until(lambda: now(device.firmware.zone_id), lambda zone: not zone)
