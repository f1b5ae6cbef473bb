"""A device with a pump, a fan and a relay, and what somebody at the API does with them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from kaiser.fleet.device import Device
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.spec import DeviceSpec

from .living import FAST, Seen, living, now, until
from .suite import Suite

PUMP, FAN, RELAY = 25, 26, 14
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank pH"}],
    "actuators": [
        {"gpio": PUMP, "actuator_type": "pump", "name": "Main pump"},
        {"gpio": FAN, "actuator_type": "pwm", "name": "Fan"},
        {"gpio": RELAY, "actuator_type": "relay", "name": "Lamp"},
    ],
}
WAIT_S: Final = 20


class Plant:
    """A device, and the API about it.

    Attributes:
        device: The device itself, to look at what it really does.
        seen: What the API shows of it.
    """

    def __init__(self, device: Device, seen: Seen) -> None:
        self.device = device
        self.seen = seen
        self.esp_id = seen.esp_id
        self.api = seen.api

    def level(self, gpio: int) -> float:
        """What a pin really does, 0.0 to 1.0."""
        return self.device.firmware.actuators[gpio].pwm / 255

    async def command(
        self, gpio: int, command: str, wait: float = WAIT_S, key: str = "", **body: Any
    ) -> httpx.Response:
        """Have a pin do something, and wait for the end of that."""
        return await self.api.post(
            f"/actuators/{self.esp_id}/{gpio}/command",
            params={"wait": wait},
            json={"command": command} | body,
            headers={"Idempotency-Key": key} if key else {},
        )

    async def done(self, gpio: int, command: str, **body: Any) -> dict[str, Any]:
        """A command that succeeds."""
        answer = await self.command(gpio, command, **body)
        found: dict[str, Any] = answer.json()
        assert (answer.status_code, found.get("state")) == (200, "succeeded"), found
        return found

    async def actuator(self, gpio: int) -> dict[str, Any]:
        """What the API shows of a pin."""
        found: dict[str, Any] = (await self.api.get(f"/actuators/{self.esp_id}/{gpio}")).raise_for_status().json()
        return found

    async def settled(self, gpio: int, level: float) -> dict[str, Any]:
        """What the API shows of a pin, once that is a level."""
        return await until(
            lambda: self.actuator(gpio),
            lambda found: found["known"] and found["reported"] and abs(found["reported"]["level"] - level) < 0.01,
        )


@contextlib.asynccontextmanager
async def planted(
    suite: Suite, api: httpx.AsyncClient, esp_id: str, generation: str, *, time_scale: float = FAST
) -> AsyncIterator[Plant]:
    """A plant whose outputs are known, all of them off."""
    spec = DeviceSpec(
        esp_id=esp_id,
        generation=generation,  # type: ignore[arg-type]  # as parametrised
        kaiser_id="god",
        interval_s=5,
        sensors=(SensorSpec(gpio=32, sensor_type="ph"),),
    )
    async with living(suite.mosquitto, api, spec, time_scale=time_scale) as (device, seen):
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        await until(seen.config, lambda found: found["state"] == "confirmed")
        # Commands to head pass once it has heard of its approval, with the next heartbeat's acknowledgement
        await until(lambda: now(getattr(device.firmware, "pending", False)), lambda pending: not pending)
        plant = Plant(device, seen)
        for gpio in (PUMP, FAN, RELAY):
            await until(
                lambda gpio=gpio: api.get(f"/actuators/{esp_id}/{gpio}"),
                lambda answer: answer.is_success and answer.json()["known"],
            )
        yield plant
