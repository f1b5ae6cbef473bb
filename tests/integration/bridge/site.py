"""A site for tests of the emergency path: approved devices that run, and somebody who stops them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiomqtt

from kaiser.contracts import subjects, topics
from kaiser.contracts.events import codec
from kaiser.contracts.events.device import DeviceRegistered
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.registry import DeviceApproved
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Limits, LimitsSet, Scope
from kaiser.contracts.streams import SAFETY_ALIVE, STREAMS
from kaiser.contracts.topics import DownlinkKind
from kaiser.eventlog import Event, EventLog, ensure_streams, now_us
from kaiser.fleet.device import Device
from kaiser.fleet.drivers import Actuator
from kaiser.fleet.fleet import Fleet
from kaiser.fleet.head import HeadFirmware
from kaiser.fleet.sensors import five_sensors
from kaiser.fleet.spec import ActuatorSpec, DeviceSpec
from kaiser.local.ephemeral import Mosquitto

PUMP, FAN = 25, 26
NEVER_S = "3600"
"""A lease for tests that have no safety and are not about it."""
ALIVE_EVERY_S = 0.5


def a_head(esp_id: str, **options: Any) -> DeviceSpec:
    """A ``head`` device with two pumps and nothing to measure; it must have a sensor to take commands (section 5.8)."""
    return _device(esp_id, "head", options)


def a_dec(esp_id: str, **options: Any) -> DeviceSpec:
    """A ``dec`` device with two pumps."""
    return _device(esp_id, "dec", options)


def _device(esp_id: str, generation: Any, options: dict[str, Any]) -> DeviceSpec:
    pumps = (ActuatorSpec(gpio=PUMP), ActuatorSpec(gpio=FAN))
    sensors = five_sensors(1, dec=generation == "dec")[:1]
    given = {"actuators": pumps, "sensors": sensors, "interval_s": 60.0}
    return DeviceSpec(esp_id=esp_id, generation=generation, **{**given, **options})


async def store(log: EventLog, subject: str, body: Any) -> None:
    """Write an event as its service would."""
    event = Event(subject=subject, type=body.TYPE, data=codec.encode(body), source="test", time=now_us())
    await log.publish(event)


async def approve(log: EventLog, *specs: DeviceSpec) -> None:
    """Have the registry know devices, before anybody hears them."""
    await ensure_streams(log, STREAMS)
    for spec in specs:
        kaiser_id, esp_id = spec.kaiser_id, spec.esp_id
        registered = DeviceRegistered(
            kaiser_id=kaiser_id, esp_id=esp_id, generation=spec.generation, registered_at=now_us()
        )
        approved = DeviceApproved(kaiser_id=kaiser_id, esp_id=esp_id, by="test", at=now_us())
        await store(log, subjects.registry(kaiser_id, esp_id, "registered"), registered)
        await store(log, subjects.registry(kaiser_id, esp_id, approved.EVENT), approved)


async def stop(log: EventLog, kind: Any = "site", emergency_id: str = "em-1", **where: Any) -> Scope:
    """Request an emergency stop, as the gateway does."""
    await ensure_streams(log, STREAMS)
    scope = Scope(kind=kind, **where)
    request = EmergencyRequested(at=now_us(), by="anna", emergency_id=emergency_id, scope=scope, reason="smoke")
    await store(log, subjects.emergency("requested"), request)
    return scope


async def release(log: EventLog, emergency_id: str = "em-1") -> None:
    """Release it, as safety does."""
    over = EmergencyReleased(
        at=now_us(), by="anna", emergency_id=emergency_id, scope=Scope(kind="site"), reason="no smoke"
    )
    await store(log, subjects.emergency("released"), over)


async def request(log: EventLog, esp_id: str, gpio: int, word: str) -> None:
    """Have the bridge tell a ``dec`` actuator something, as the actuator service does."""
    payload = f'{{"command":"{word}","value":1.0,"duration":0}}'
    topic = topics.downlink(DownlinkKind.ACTUATOR_COMMAND, "god", esp_id, gpio)
    asked = DownlinkRequested(
        kaiser_id="god", esp_id=esp_id, topic=topic, payload=payload, qos=2, generation="dec", correlation_id="c-1"
    )
    await store(log, subjects.downlink("god", esp_id, DownlinkKind.ACTUATOR_COMMAND), asked)


async def hold(log: EventLog, esp_id: str, gpio: int) -> None:
    """An actuator stays as it is when safety is silent."""
    limits = Limits(when_safety_is_silent="hold")
    event = LimitsSet(at=now_us(), by="anna", esp_id=esp_id, gpio=gpio, limits=limits, reason="aquarium")
    await store(log, subjects.safety("limits", esp_id, gpio), event)


@contextlib.asynccontextmanager
async def safety_lives(log: EventLog) -> AsyncIterator[None]:
    """Signs of safety's life while the block runs."""

    async def say() -> None:
        while True:
            with contextlib.suppress(Exception):
                await log.nc.publish(SAFETY_ALIVE, b"{}")
            await asyncio.sleep(ALIVE_EVERY_S)

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)


def a_fleet(mosquitto: Mosquitto, *specs: DeviceSpec, time_scale: float = 1.0) -> Fleet:
    """Devices with the rights of their own topics."""
    return Fleet(mosquitto.host, mosquitto.port, "device", mosquitto.password, devices=specs, time_scale=time_scale)


def outputs(fleet: Fleet) -> dict[tuple[str, int], Actuator]:
    """Every actuator of a fleet."""
    return {
        (device.spec.esp_id, gpio): actuator
        for device in fleet.devices
        for gpio, actuator in device.firmware.actuators.items()
    }


def running(fleet: Fleet) -> set[tuple[str, int]]:
    """What has power."""
    return {place for place, actuator in outputs(fleet).items() if actuator.energised}


async def eventually(condition: Callable[[], Any], *, timeout_s: float = 30.0) -> None:
    """Return when a condition of this process holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is done by others
            await asyncio.sleep(0.02)


def ready(device: Device) -> bool:
    """Whether a device takes commands."""
    firmware = device.firmware
    if isinstance(firmware, HeadFirmware):
        return firmware.measuring and not firmware.pending
    return firmware.online


async def switch(client: aiomqtt.Client, device: Device, gpio: int, word: str) -> None:
    """Tell an actuator something."""
    topic = device.firmware.topic(f"actuator/{gpio}/command")
    await client.publish(topic, f'{{"command":"{word}","value":1.0,"duration":0}}', qos=1)


async def switch_all_on(client: aiomqtt.Client, fleet: Fleet) -> None:
    """Everything runs. What is off is told again: an OFF that a bridge still owes may cross an ON of nobody's."""
    await eventually(lambda: all(map(ready, fleet.devices)))
    async with asyncio.timeout(30.0):
        while still_off := set(outputs(fleet)) - running(fleet):
            for device in fleet.devices:
                for gpio in device.firmware.actuators:
                    if (device.spec.esp_id, gpio) in still_off:
                        await switch(client, device, gpio, "ON")
            with contextlib.suppress(TimeoutError):
                await eventually(lambda: running(fleet) == set(outputs(fleet)), timeout_s=5.0)
