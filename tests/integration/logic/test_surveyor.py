"""What there is to watch and to switch is learnt from a real log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from kaiser.contracts import queries, subjects
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import ConfigOrdered, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.queries import Page
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Event, EventLog, connect, now_us
from kaiser.local.ephemeral import Nats
from kaiser.logic.site import Surroundings
from kaiser.logic.surveyor import Surveyor
from kaiser.logic.validating import SensorFact
from kaiser.service.answering import Answerer

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


@contextlib.asynccontextmanager
async def surveyed(log: EventLog, *said: Event) -> AsyncIterator[Surveyor]:
    """A surveyor that has read what was said."""
    for event in said:
        await log.publish(event)
    surveyor = Surveyor(log)
    reading = [asyncio.create_task(follow) for follow in surveyor.spawnable().values()]
    try:
        async with asyncio.timeout(30):
            await surveyor.wait_caught_up()
        yield surveyor
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def test_what_the_log_holds_is_known_at_the_start_and_what_comes_or_is_told_is_known_then(log: EventLog) -> None:
    async with surveyed(log, ordered(34), measured("°C"), reported(26)) as surveyor, asyncio.timeout(30):
        assert surveyor.missing == ""
        assert sensors(surveyor) == {"moisture 34": (SensorFact(),), "ds18b20 4": (SensorFact("", "°C"),)}
        assert surveyor.survey.of(ESP).actuators == {(ESP, 25): "pump", (ESP, 26): "pwm"}
        await log.publish(ordered(34, 35))
        surveyor.measured(msgspec.json.decode(measured("°F").data, type=Readings))
        later = {"moisture 34": (SensorFact(),), "moisture 35": (SensorFact(),), "ds18b20 4": (SensorFact("", "°F"),)}
        while sensors(surveyor) != later:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.02)


def watching(*sensors: dict[str, Any], gpio: int = 25) -> dict[str, Any]:
    """JSON values of a rule that watches these sensors and switches a pin."""
    conditions = [{"kind": "compare", "sensor": sensor, "operator": "<", "value": 3} for sensor in sensors]
    action = {"kind": "command", "actuator": {"esp_id": ESP, "gpio": gpio}, "command": "OFF"}
    return {"name": "A rule", "condition": {"kind": "all", "conditions": conditions}, "actions": [action]}


SOIL: Final = {"esp_id": ESP, "gpio": 34, "sensor_type": "moisture"}
OLD: Final = {"esp_id": ESP, "gpio": 33, "sensor_type": "ph"}


async def test_a_rule_on_what_the_log_tells_of_needs_nobody_to_ask(log: EventLog) -> None:
    async with surveyed(log, ordered(34), measured("°C")) as surveyor:
        site, faults = await Surroundings(log, surveyor).around(watching(SOIL), {})
        assert (site.sensors.keys(), faults) == ({(ESP, 34, "moisture"), (ESP, 4, "ds18b20")}, [])
        assert site.actuators == {(ESP, 25): "pump"}


async def test_what_the_log_does_not_tell_of_is_asked_and_else_it_is_said_that_it_was_not_checked(
    log: EventLog, nats_server: Nats
) -> None:
    stored = queries.Sensor(
        sensor_id=1,
        esp_id=ESP,
        gpio=33,
        sensor_type="ph",
        address="",
        unit="pH",
        zone_id="",
    )

    async def answer(_: queries.SensorsQuery, __: int) -> Page[queries.Sensor]:
        return Page(items=[stored], next_cursor=None)

    async with surveyed(log, ordered(34)) as surveyor:
        surroundings = Surroundings(log, surveyor)
        site, faults = await surroundings.around(watching(SOIL, OLD, gpio=9), {})
        assert (site.sensors, site.actuators, [fault.weight for fault in faults]) == (None, None, ["warning"] * 2)
        async with await connect(nats_server.url, name="ingest") as other:
            ingest = Answerer("ingest", {subjects.query("ingest", "sensors"): (queries.SensorsQuery, answer)})
            await ingest.serve(other.nc)
            await other.nc.flush()
            site, faults = await surroundings.around(watching(SOIL, OLD), {})
            await ingest.close()
        assert site.sensors == {(ESP, 34, "moisture"): (SensorFact(),), (ESP, 33, "ph"): (SensorFact("", "pH"),)}
        assert faults == []
