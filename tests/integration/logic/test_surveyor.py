"""What there is to watch and to switch is learnt from a real log."""

import asyncio

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import ConfigOrdered, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Event, EventLog, now_us
from kaiser.logic.surveyor import Surveyor
from kaiser.logic.validating import SensorFact

ESP = "ESP_9F03D4"


def ordered(*gpios: int) -> Event:
    sensors = [WantedSensor(gpio=gpio, sensor_type="moisture", name="Soil") for gpio in gpios]
    pump = WantedActuator(gpio=25, actuator_type="pump", name="Pump")
    event = ConfigOrdered(
        kaiser_id="god",
        esp_id=ESP,
        at=now_us(),
        by="eva",
        correlation_id="c",
        wanted=Equipment(sensors=sensors, actuators=[pump]),
    )
    subject = subjects.registry("god", ESP, ConfigOrdered.EVENT)
    return Event(subject=subject, type=ConfigOrdered.TYPE, data=msgspec.json.encode(event), source="test")


def measured(unit: str) -> Event:
    at = now_us()
    batch = Readings(
        kaiser_id="god",
        reading_id=[at],
        sensor_id=[1],
        esp_id=[ESP],
        gpio=[4],
        sensor_type=["ds18b20"],
        address=[""],
        raw=[352.0],
        value=[22.0],
        unit=[unit],
        quality=["good"],
        measured_at=[at],
        time_source=["device"],
        device_ts=[0],
        received_at=[at],
        zone_id=[""],
        subzone_id=[""],
        pending=[False],
        flags=[""],
    )
    subject = subjects.telemetry_reading("god", subjects.partition(ESP))
    return Event(subject=subject, type=Readings.TYPE, data=msgspec.json.encode(batch), source="test")


def reported(gpio: int) -> Event:
    status = ActuatorStatus(esp_id=ESP, ts=0, gpio=gpio, actuator_type="pwm", state=True, pwm=9)
    said = DeviceSaid(kaiser_id="god", esp_id=ESP, generation="head", received_at=now_us(), message=status)
    return Event(
        subject=subjects.actuator("god", ESP, gpio, "status"),
        type=SAID[ActuatorStatus].name,
        data=msgspec.json.encode(said),
        source="test",
    )


def sensors(surveyor: Surveyor) -> dict[str, tuple[SensorFact, ...]]:
    return {f"{kind} {gpio}": facts for (_, gpio, kind), facts in surveyor.survey.of(ESP).sensors.items()}


async def test_what_the_log_holds_is_known_at_the_start_and_what_comes_is_known_then(log: EventLog) -> None:
    for event in (ordered(34), measured("°C"), reported(26)):
        await log.publish(event)
    surveyor = Surveyor(log)
    reading = [asyncio.create_task(follow) for follow in surveyor.spawnable().values()]
    try:
        async with asyncio.timeout(30):
            await surveyor.wait_caught_up()
            assert surveyor.missing == ""
            assert sensors(surveyor) == {"moisture 34": (SensorFact(),), "ds18b20 4": (SensorFact("", "°C"),)}
            assert surveyor.survey.of(ESP).actuators == {(ESP, 25): "pump", (ESP, 26): "pwm"}
            for event in (ordered(34, 35), measured("°F")):
                await log.publish(event)
            later = {
                "moisture 34": (SensorFact(),),
                "moisture 35": (SensorFact(),),
                "ds18b20 4": (SensorFact("", "°F"),),
            }
            while sensors(surveyor) != later:  # noqa: ASYNC110 - it comes from another process
                await asyncio.sleep(0.02)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
