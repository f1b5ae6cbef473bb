"""A greenhouse: devices with two relays each, and somebody who switches them at random through the API."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import httpx

from kaiser.contracts.events.actuation import CommandDispatched, CommandEnded, CommandRequested
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.safeguards import CommandApproved, CommandRejected
from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.eventlog.replay import replay
from kaiser.fleet.device import Broker, Device
from kaiser.fleet.faults import Faults
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD

from .conftest import Suite

PAIR: Final = (25, 26)
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank"}],
    "actuators": [{"gpio": gpio, "actuator_type": "relay", "name": f"Relay {gpio}"} for gpio in PAIR],
}
"""With a sensor, for ``head`` refuses commands while it has none (wire contract, section 5.8)."""
FAULTS: Final = Faults(
    shares={"lost": 0.1, "late": 0.1, "doubled": 0.15, "pretended": 0.05, "denied": 0.05, "foreign": 0.05},
    late_s=(0.5, 8.0),
    seed=7,
)
AWAY: Final = frozenset({500, 502, 503, 504})
ENDS: Final = frozenset({"succeeded", "failed", "rejected", "expired", "superseded", "cancelled"})


class Run(NamedTuple):
    """An output had power, by the monotonic clock; without an end it still has."""

    since: float
    until: float | None = None


class Greenhouse:
    """Devices with two relays each, of which one may be on at a time, and somebody who switches them at random.

    Args:
        suite: Where they live.
        chance: What somebody does.
        devices: How many; every other one is ``dec``.
        faults: What goes wrong with commands.
        interlocked: Whether only one relay of a device may be on at a time.
        equipment: What hangs on each device.

    Attributes:
        keys: Idempotency key of each command that was answered, and the id that it got.
        both_on: Devices that were seen with both outputs on.
        runs: When each output had power, as the device itself has it.
    """

    def __init__(
        self,
        suite: Suite,
        chance: random.Random,
        *,
        devices: int = 8,
        faults: Faults = FAULTS,
        interlocked: bool = True,
        equipment: dict[str, Any] = EQUIPMENT,
    ) -> None:
        broker = Broker(host=suite.mosquitto.host, port=suite.mosquitto.port, username="device", password=PASSWORD)
        self.devices = [
            Device(
                DeviceSpec(esp_id=f"ESP_C0{number:04X}", generation=generation, faults=faults),  # type: ignore[arg-type]
                broker,
                Sent(),
                time_scale=4.0,
            )
            for number, generation in enumerate(itertools.islice(itertools.cycle(("dec", "head")), devices))
        ]
        self.keys: dict[str, str] = {}
        self.both_on: list[str] = []
        self.runs: dict[tuple[str, int], list[Run]] = {}
        self._interlocked = interlocked
        self._equipment = equipment
        self._suite = suite
        self._chance = chance
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(device.run()) for device in self.devices]
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            for device in self.devices:
                device.stop()
            await asyncio.wait(tasks, timeout=5)
            for task in (*tasks, watching):
                task.cancel()
            await asyncio.gather(*tasks, watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Look at what the outputs really do, more often than anything can change."""
        while True:
            for device in self.devices:
                on = [gpio for gpio in PAIR if self.on(device, gpio)]
                if len(on) > 1:
                    self.both_on.append(device.spec.esp_id)
                for gpio in PAIR:
                    self._note(device.spec.esp_id, gpio, on=gpio in on)
            await asyncio.sleep(0.005)

    def on(self, device: Device, gpio: int) -> bool:
        """Whether an output has power."""
        actuator = device.firmware.actuators.get(gpio)
        return actuator is not None and actuator.energised

    def _note(self, esp_id: str, gpio: int, *, on: bool) -> None:
        runs, now = self.runs.setdefault((esp_id, gpio), []), time.monotonic()
        was_on = bool(runs) and runs[-1].until is None
        if on and not was_on:
            runs.append(Run(now))
        elif was_on and not on:
            runs[-1] = Run(runs[-1].since, now)

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        base = f"http://127.0.0.1:{self._suite.gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
        async with httpx.AsyncClient(base_url=base, timeout=10) as client:
            answer = await client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
            client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
            yield client

    async def introduce(self, api: httpx.AsyncClient) -> None:
        """Everybody approved, configured, interlocked, and known to be off."""
        for device in self.devices:
            esp = device.spec.esp_id
            await insist(api, "POST", f"/devices/{esp}/approve", {})
            await insist(api, "PUT", f"/devices/{esp}/config", self._equipment)
            if not self._interlocked:
                continue
            rule = {"kind": "at_most", "most": 1, "actuators": [{"esp_id": esp, "gpio": gpio} for gpio in PAIR]}
            wish = {"rule": rule, "reason": "they share a fuse"}
            await insist(api, "PUT", f"/interlocks/{esp.lower()}", wish)
        for device, gpio in itertools.product(self.devices, PAIR):
            await known(api, f"/actuators/{device.spec.esp_id}/{gpio}")

    async def switch(self, api: httpx.AsyncClient) -> None:
        """One command, sent again under the same key until somebody has answered."""
        device, gpio = self._chance.choice(self.devices), self._chance.choice(PAIR)
        path = f"/actuators/{device.spec.esp_id}/{gpio}/command"
        body, key = {"command": self._chance.choice(("ON", "ON", "OFF"))}, f"key-{next(self._numbers)}"
        for _ in range(100):
            with contextlib.suppress(httpx.HTTPError):
                answer = await api.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code in (200, 202):
                    found = answer.json()["command_id"]
                    assert self.keys.setdefault(key, found) == found
                    return
                if answer.status_code not in AWAY:
                    assert answer.status_code == 409, answer.text  # deaf or offline for the moment, say
                    return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{path} was never answered")


async def insist(api: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    """Order something, as soon as that is possible."""
    async with asyncio.timeout(30):
        while not (answer := await api.request(method, path, json=body)).is_success:
            assert answer.status_code in (404, 409, *AWAY), answer.text
            await asyncio.sleep(0.1)


async def known(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """What is shown of an actuator once its device has said what it is, and nothing is under way."""
    async with asyncio.timeout(90):
        while True:
            answer = await api.get(path)
            if answer.is_success and (found := answer.json())["known"] and not found["open_commands"]:
                return dict(found)
            await asyncio.sleep(0.2)


async def assert_one_end_each(suite: Suite, keys: dict[str, str]) -> Counter[str]:
    """Every command has one end, nothing follows it, and nothing was switched on without leave.

    Returns:
        How often they ended how.
    """
    kinds = (CommandRequested, CommandDispatched, CommandEnded, CommandApproved, CommandRejected)
    decode = EventDecoder({kind.TYPE: kind for kind in kinds}).decode
    requested, ended, approved = {}, {}, set()
    async for delivery in replay(suite.log, SAFETY.name, subjects=("safety.decision.>",)):
        decision = decode(delivery.type, delivery.data)
        if isinstance(decision, CommandApproved):
            assert decision.command_id not in approved, "decided twice"
            approved.add(decision.command_id)
    subjects = tuple(f"actuator.*.*.*.command.{event}" for event in ("requested", "dispatched", "ended"))
    async for delivery in replay(suite.log, ACTUATORS.name, subjects=subjects):
        event = decode(delivery.type, delivery.data)
        if isinstance(event, CommandRequested):
            assert event.command_id not in requested, "requested twice"
            requested[event.command_id] = event
        elif isinstance(event, CommandEnded):
            assert event.command_id not in ended, "ended twice"
            ended[event.command_id] = event
        else:
            assert event.command_id not in ended, "dispatched after its end"
            assert requested[event.command_id].action == "OFF" or event.command_id in approved, "without leave"
    assert requested.keys() == ended.keys()
    assert set(keys.values()) <= requested.keys(), "an answered command is in the log"
    by_key = Counter(event.idempotency_key for event in requested.values() if event.idempotency_key)
    assert not [key for key, count in by_key.items() if count > 1], "one key, one command"
    return Counter(event.outcome for event in ended.values())
