"""Devices that are only events, with real actuator service and safety; what logic writes, and what it is asked.

Devices carry out what they are told at once, and say so. Everything that reaches a device is kept in ``told``.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

from kaiser.contracts import logic, subjects
from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandEnded, CommandRequested
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRegistered, DeviceSaid
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.equipment import ConfigOrdered, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.logic import ORDER_EVENTS, RULE_EVENTS, RUN_EVENTS, StepRefused
from kaiser.contracts.events.registry import DeviceApproved
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.queries import Reply
from kaiser.contracts.streams import ACTUATORS, DOWNLINK, LOGIC
from kaiser.contracts.wire import ActuatorResponse, ActuatorStatus, Heartbeat
from kaiser.eventlog import BatchConsumer, ConsumerSpec, Delivery, Event, EventLog, OrderedReader, now_us

ESP, OTHER = "ESP_0A1B2C", "ESP_0A1B2D"
KAISER = "god"
PUMP, FAN = 25, 26
US = 1_000_000
PATIENCE_S = 30
SOIL = {"esp_id": ESP, "gpio": 34, "sensor_type": "moisture"}

_written = EventDecoder({event.TYPE: event for event in (*RULE_EVENTS, *RUN_EVENTS, *ORDER_EVENTS, StepRefused)})
_commands = EventDecoder({event.TYPE: event for event in COMMAND_EVENTS})
_numbers = itertools.count(1)


def below(value: float, sensor: dict[str, Any] = SOIL) -> dict[str, Any]:
    """A sensor measures less than this."""
    return {"kind": "compare", "sensor": sensor, "operator": "<", "value": value}


def switch(command: str, gpio: int = PUMP, esp_id: str = ESP, **fields: Any) -> dict[str, Any]:
    """A pin is told something."""
    return {"kind": "command", "actuator": {"esp_id": esp_id, "gpio": gpio}, "command": command} | fields


def rule(condition: dict[str, Any] | None, *actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A rule as people write it."""
    return {"name": "A rule", "condition": condition, "actions": list(actions)} | fields


class Site:
    """What a test says to the log, and what it hears of logic; an async context.

    Attributes:
        events: What logic wrote, in order, with sequence.
        commands: Events of commands, in order.
        told: What reached devices: device, pin, word.
    """

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.events: list[tuple[int, Any]] = []
        self.commands: list[Any] = []
        self.told: list[tuple[str, int, str]] = []
        self.told_at: list[float] = []
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        devices = BatchConsumer(
            self.log, ConsumerSpec(stream=DOWNLINK.name, durable="bridge"), self._carry_out, service="test"
        )
        logic_reader = OrderedReader(self.log, LOGIC.name, start="all")
        commands = OrderedReader(self.log, ACTUATORS.name, subjects=("actuator.*.*.*.command.>",), start="all")
        self._tasks = [
            asyncio.create_task(devices.run()),
            asyncio.create_task(self._read(logic_reader, self._logic)),
            asyncio.create_task(self._read(commands, self._command)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # what is heard

    def of(self, kind: type, /, **fields: object) -> list[Any]:
        """Events of logic of a type, with these fields."""
        found = [event for _, event in self.events if isinstance(event, kind)]
        return [event for event in found if all(getattr(event, name) == value for name, value in fields.items())]

    async def until(self, check: Callable[[], Any]) -> Any:
        """What a check gives, once it is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := check()):
                self._news.clear()
                await self._news.wait()
        return found

    async def one(self, kind: type, /, **fields: object) -> Any:
        """The first event of logic of a type with these fields, once there is one."""
        return (await self.until(lambda: self.of(kind, **fields)))[0]

    async def comes_to(self, ask: Callable[[], Awaitable[Any]], wanted: object) -> None:
        """Return when a question has the answer that is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while await ask() != wanted:  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.05)

    def requested(self) -> list[CommandRequested]:
        """Commands that rules asked for."""
        found = [event for event in self.commands if isinstance(event, CommandRequested)]
        return [event for event in found if event.source == "rule"]

    def ended(self) -> dict[str, CommandEnded]:
        """Ends of commands, by id."""
        return {event.command_id: event for event in self.commands if isinstance(event, CommandEnded)}

    # what is asked

    async def live_version(self, rule_id: str) -> int:
        """The version of a rule that is live; 0 for none."""
        return (await self.asked("rule", logic.RuleQuery(rule_id=rule_id)))["live"]

    async def ask(self, subject: str, asked: msgspec.Struct) -> Reply[Any]:
        """The answer to a request."""
        answer = await self.log.nc.request(subject, encode(asked), timeout=10)
        return msgspec.json.decode(answer.data, type=Reply[Any])

    async def orders(self, name: str, order: msgspec.Struct) -> Any:
        """What was decided on an order that is taken."""
        reply = await self.ask(subjects.command("logic", name), order)
        assert reply.problem is None, reply.problem
        return reply.ok

    async def asked(self, name: str, query: msgspec.Struct) -> Any:
        """The answer to a question that has one."""
        reply = await self.ask(subjects.query("logic", name), query)
        assert reply.problem is None, reply.problem
        return reply.ok

    async def live(self, rule_id: str, values: dict[str, Any]) -> None:
        """Define a rule, and return when the engine goes by it."""
        await self.orders("define", logic.DefineRule(rule_id=rule_id, rule=values, enable=True, by="eva"))
        await self.goes_by(rule_id)

    async def goes_by(self, rule_id: str) -> None:
        """Return when the engine goes by a rule."""

        async def verdict() -> bool:
            found = await self.asked("explain", logic.ExplainQuery(rule_id=rule_id))
            return found["verdict"] not in ("unknown", "disabled")

        await self.comes_to(verdict, wanted=True)

    # what is said

    async def has_device(self, esp_id: str = ESP, *pins: int) -> None:
        """An approved device that is there, with pumps on these pins that said that they are off."""
        now, place = now_us(), {"kaiser_id": KAISER, "esp_id": esp_id}
        decided = {**place, "at": now, "by": "eva", "correlation_id": "c"}
        pumps = [WantedActuator(gpio=pin, actuator_type="pump", name=f"Pump {pin}") for pin in pins or (PUMP, FAN)]
        soil = [WantedSensor(gpio=34, sensor_type="moisture", name="Soil")]
        wanted = Equipment(sensors=soil, actuators=pumps)
        await self.log.publish_all(
            [
                _device(DeviceDiscovered(**place, generation="dec", received_at=now), "discovered"),
                _registry(DeviceRegistered(**place, generation="dec", registered_at=now), "registered"),
                _registry(DeviceApproved(**decided), DeviceApproved.EVENT),
                _registry(ConfigOrdered(**decided, wanted=wanted), ConfigOrdered.EVENT),
            ]
        )
        await self.beats(esp_id)
        for pin in pins or (PUMP, FAN):
            await self.says(pin, on=False, esp_id=esp_id)

    async def knows_device(self, esp_id: str = ESP, *pins: int) -> None:
        """A device that the actuator service knows to be there."""
        await self.has_device(esp_id, *pins)
        for pin in pins or (PUMP, FAN):

            async def known(pin: int = pin) -> bool:
                asked = msgspec.json.encode({"esp_id": esp_id, "gpio": pin})
                answer = await self.log.nc.request("query.actuator.actuator", asked, timeout=10)
                found = msgspec.json.decode(answer.data).get("ok")
                return bool(found and found["online"] and found["known"])

            await self.comes_to(known, wanted=True)

    async def beats(self, esp_id: str = ESP) -> None:
        """A device gives a sign of life."""
        beat = Heartbeat(ts=now_us() // US, uptime=100, heap_free=100_000, wifi_rssi=-60)
        await self.log.publish(_said(beat, esp_id, f"heartbeat.{KAISER}.{esp_id}"))

    async def says(self, gpio: int = PUMP, *, on: bool, esp_id: str = ESP) -> None:
        """A status of an actuator."""
        status = ActuatorStatus(
            esp_id=esp_id, ts=0, gpio=gpio, actuator_type="pump", state=on, pwm=255 if on else 0, emergency="normal"
        )
        await self.log.publish(_said(status, esp_id, subjects.actuator(KAISER, esp_id, gpio, "status")))

    async def stops_all(self) -> None:
        """An emergency stop of the site, as the gateway stores it."""
        event = EmergencyRequested(at=now_us(), by="eva", emergency_id="e1", scope=Scope(kind="site"), reason="smoke")
        subject = subjects.emergency("requested")
        await self.log.publish(Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/gateway"))

    async def measures(self, value: float | None, *, esp_id: str = ESP, gpio: int = 34, kind: str = "moisture") -> int:
        """A finished reading; its sequence."""
        event = reading_event(value, esp_id=esp_id, gpio=gpio, kind=kind)
        return (await self.log.publish(event)).seq

    # devices

    async def _carry_out(self, batch: list[Delivery]) -> None:
        for delivery in batch:
            downlink = msgspec.json.decode(delivery.data, type=DownlinkRequested)
            words = downlink.topic.split("/")
            if words[-1] != "command" or words[-3] != "actuator":
                continue
            gpio, word = int(words[-2]), msgspec.json.decode(downlink.payload)["command"]
            self.told.append((downlink.esp_id, gpio, word))
            self.told_at.append(time.time())
            response = ActuatorResponse(
                esp_id=downlink.esp_id, ts=0, gpio=gpio, command=word, success=True, message="Command executed"
            )
            subject = subjects.actuator(KAISER, downlink.esp_id, gpio, "response")
            await self.log.publish(_said(response, downlink.esp_id, subject))
            await self.says(gpio, on=word == "ON", esp_id=downlink.esp_id)
        self._news.set()

    async def _read(self, reader: OrderedReader, take: Callable[[Delivery], None]) -> None:
        async with reader:
            while True:
                for delivery in await reader.take():
                    take(delivery)
                self._news.set()

    def _logic(self, delivery: Delivery) -> None:
        self.events.append((delivery.seq, _written.decode(delivery.type, delivery.data)))

    def _command(self, delivery: Delivery) -> None:
        self.commands.append(_commands.decode(delivery.type, delivery.data))


def reading_event(value: float | None, *, esp_id: str = ESP, gpio: int = 34, kind: str = "moisture") -> Event:
    """A finished reading of one sensor."""
    now = now_us()
    row = {
        "reading_id": next(_numbers), "sensor_id": 1, "esp_id": esp_id, "gpio": gpio, "sensor_type": kind,
        "address": "", "raw": 400.0, "value": value, "unit": "%", "quality": "good", "measured_at": now,
        "time_source": "server", "device_ts": 0, "received_at": now, "zone_id": "", "subzone_id": "",
        "pending": False, "flags": "",
    }  # fmt: skip
    batch = Readings(kaiser_id=KAISER, **{name: [cell] for name, cell in row.items()})
    subject = subjects.telemetry_reading(KAISER, subjects.partition(esp_id))
    return Event(subject=subject, type=batch.TYPE, data=encode(batch), source="kaiser/ingest")


def _said(message: msgspec.Struct, esp_id: str, subject: str) -> Event:
    body = DeviceSaid(kaiser_id=KAISER, esp_id=esp_id, generation="dec", received_at=now_us(), message=message)
    return Event(subject=subject, type=SAID[type(message)].name, data=encode(body), source="kaiser/bridge")


def _device(event: Any, name: str) -> Event:
    subject = subjects.device(KAISER, event.esp_id, name)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/bridge")


def _registry(event: Any, name: str) -> Event:
    subject = subjects.registry(KAISER, event.esp_id, name)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/ingest")
