"""A site that is only events: what devices say, what the actuator service asks for, and what comes of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.actuation import CommandDispatched, CommandEnded, CommandRequested
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRegistered, DeviceReturned, DeviceSaid
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.equipment import ConfigOrdered, Equipment, WantedActuator
from kaiser.contracts.events.registry import DeviceApproved
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.queries import Reply
from kaiser.contracts.safeguarding import SetInterlock
from kaiser.contracts.streams import DOWNLINK, SAFETY
from kaiser.contracts.wire import ActuatorAlert, ActuatorStatus, LastWill
from kaiser.eventlog import BatchConsumer, ConsumerSpec, Delivery, Event, EventLog, OrderedReader, now_us
from kaiser.local.ephemeral_services import Service
from kaiser.safety.events import fact_of

ESP, OTHER = "ESP_0A1B2C", "ESP_0A1B2D"
KAISER = "god"
US = 1_000_000
PATIENCE_S = 20
_numbers = itertools.count(1)


class Site:
    """What a test says to the log, and what it hears of safety; an async context."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.facts: list[Any] = []
        self.sent: list[DownlinkRequested] = []
        self.alive = 0
        self._news = asyncio.Event()
        self._bridge = BatchConsumer(
            log, ConsumerSpec(stream=DOWNLINK.name, durable="bridge"), self._take, service="test"
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._bridge.run())]
        await self.log.nc.subscribe("alive.safety", cb=self._heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async with OrderedReader(self.log, SAFETY.name, start="all") as reader:
            while True:
                self.facts += [fact_of(delivery) for delivery in await reader.take()]
                self._news.set()

    async def _take(self, batch: list[Delivery]) -> None:
        self.sent += [msgspec.json.decode(delivery.data, type=DownlinkRequested) for delivery in batch]
        self._news.set()

    async def _heard(self, _: object) -> None:
        self.alive += 1
        self._news.set()

    def of(self, kind: type, /, **fields: object) -> list[Any]:
        """Events of safety of a type, with these fields."""
        found = [fact for fact in self.facts if isinstance(fact, kind)]
        return [fact for fact in found if all(getattr(fact, name) == value for name, value in fields.items())]

    async def until(self, check: Callable[[], Any]) -> Any:
        """What a check gives, once it is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := check()):
                self._news.clear()
                await self._news.wait()
        return found

    async def one(self, kind: type, /, **fields: object) -> Any:
        """The first event of safety of a type with these fields, once there is one."""
        return (await self.until(lambda: self.of(kind, **fields)))[0]

    async def has_device(self, esp_id: str = ESP, *pins: int, generation: str = "head", **wanted: Any) -> None:
        """An approved device that is there, with pumps on these pins that said that they are off."""
        now, place = now_us(), {"kaiser_id": KAISER, "esp_id": esp_id}
        decided = {**place, "at": now, "by": "eva", "correlation_id": "c"}
        equipment = Equipment(
            actuators=[
                WantedActuator(gpio=pin, actuator_type="pump", name=f"Pump {pin}", **wanted) for pin in pins or (25,)
            ]
        )
        await self.log.publish_all(
            [
                _device(DeviceDiscovered(**place, generation=generation, received_at=now), "discovered"),
                _registry(DeviceRegistered(**place, generation=generation, registered_at=now), "registered"),
                _registry(DeviceApproved(**decided), DeviceApproved.EVENT),
                _registry(ConfigOrdered(**decided, wanted=equipment), ConfigOrdered.EVENT),
            ]
        )
        for pin in pins or (25,):
            await self.says(pin, on=False, esp_id=esp_id, generation=generation)

    async def says(
        self,
        gpio: int = 25,
        *,
        on: bool | None,
        esp_id: str = ESP,
        emergency: str = "normal",
        at: int = 0,
        generation: str = "head",
    ) -> None:
        """A status of an actuator."""
        status = ActuatorStatus(
            esp_id=esp_id,
            ts=0,
            gpio=gpio,
            actuator_type="pump",
            state=on,
            pwm=255 if on else 0,
            emergency=emergency,
        )
        await self.log.publish(_said(status, esp_id, gpio=gpio, at=at, generation=generation))

    async def measures(self, value: float | None, *, esp_id: str = ESP, gpio: int = 4, quality: str = "good") -> None:
        """A finished reading of a temperature sensor."""
        now = now_us()
        row = {
            "reading_id": now, "sensor_id": 1, "esp_id": esp_id, "gpio": gpio, "sensor_type": "ds18b20", "address": "",
            "raw": 400.0, "value": value, "unit": "°C", "quality": quality, "measured_at": now, "time_source": "server",
            "device_ts": 0, "received_at": now, "zone_id": "", "subzone_id": "", "pending": False, "flags": "",
        }  # fmt: skip
        batch = Readings(kaiser_id=KAISER, **{name: [cell] for name, cell in row.items()})
        subject = subjects.telemetry_reading(KAISER, subjects.partition(esp_id))
        await self.log.publish(Event(subject=subject, type=batch.TYPE, data=encode(batch), source="kaiser/ingest"))

    def alarm(self, kind: str, gpio: int = 25, esp_id: str = ESP) -> Event:
        """An alert of a device."""
        return _said(ActuatorAlert(esp_id=esp_id, ts=0, gpio=gpio, alert_type=kind, message="smoke"), esp_id, gpio=gpio)

    async def vanishes(self, esp_id: str = ESP) -> int:
        """The broker loses a device; when it did."""
        at = now_us()
        await self.log.publish(_said(LastWill(status="offline", reason="gone"), esp_id, at=at))
        return at

    async def returns(self, lost_at: int, esp_id: str = ESP) -> None:
        """A device says something again."""
        event = DeviceReturned(
            kaiser_id=KAISER, esp_id=esp_id, generation="head", received_at=now_us(), lost_at=lost_at
        )
        await self.log.publish(_device(event, "returned"))

    def request(self, action: str = "ON", gpio: int = 25, esp_id: str = ESP, **fields: Any) -> CommandRequested:
        """What the actuator service asks for."""
        now = now_us()
        usual = {
            "level": 0.0 if action == "OFF" else 1.0,
            "source": "user",
            "by": "eva",
            "deadline_at": now + 60 * US,
            "command_id": f"cmd{next(_numbers)}",
            "correlation_id": "c1",
        }
        place = {"kaiser_id": KAISER, "esp_id": esp_id, "gpio": gpio, "at": now}
        return CommandRequested(action=action, asked=action, **place, **usual | fields)

    async def asks(self, action: str = "ON", gpio: int = 25, esp_id: str = ESP, **fields: Any) -> CommandRequested:
        """A request as the actuator service stores it."""
        request = self.request(action, gpio, esp_id, **fields)
        await self.log.publish(acted(request))
        return request

    async def dispatches(self, request: CommandRequested) -> None:
        """The command of a request goes to its device."""
        place = {"kaiser_id": KAISER, "esp_id": request.esp_id, "gpio": request.gpio}
        ids = {"command_id": request.command_id, "correlation_id": request.correlation_id}
        now = now_us()
        await self.log.publish(acted(CommandDispatched(**place, **ids, at=now, attempt=1, answer_by=now + 10 * US)))

    async def ends(self, request: CommandRequested, outcome: str = "succeeded") -> None:
        """The command of a request comes to its end."""
        place = {"kaiser_id": KAISER, "esp_id": request.esp_id, "gpio": request.gpio}
        ids = {"command_id": request.command_id, "correlation_id": request.correlation_id}
        await self.log.publish(acted(CommandEnded(**place, **ids, at=now_us(), outcome=outcome)))

    async def runs(self, gpio: int = 25, esp_id: str = ESP, **fields: Any) -> CommandRequested:
        """An actuator is asked to go on, may, and says that it is."""
        request = await self.asks("ON", gpio, esp_id, **fields)
        await self.until(lambda: any(fact.command_id == request.command_id for fact in self.decisions()))
        await self.dispatches(request)
        await self.says(gpio, on=True, esp_id=esp_id)
        await self.ends(request)
        return request

    def decisions(self) -> list[Any]:
        """Every decision on a command."""
        return [fact for fact in self.facts if hasattr(fact, "command_id")]

    async def decided(self, request: CommandRequested) -> Any:
        """What was decided on a request, once it is."""
        found = await self.until(lambda: [one for one in self.decisions() if one.command_id == request.command_id])
        return found[0]

    async def stops_all(self, emergency_id: str = "e1", scope: Scope | None = None) -> None:
        """An emergency stop, as the gateway stores it."""
        event = EmergencyRequested(
            at=now_us(), by="eva", emergency_id=emergency_id, scope=scope or Scope(kind="site"), reason="smoke"
        )
        subject = subjects.emergency("requested")
        await self.log.publish(Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/gateway"))

    async def orders(self, name: str, order: msgspec.Struct) -> Reply[Any]:
        """The answer to an order."""
        answer = await self.log.nc.request(subjects.command("safety", name), encode(order), timeout=5)
        return msgspec.json.decode(answer.data, type=Reply[Any])

    async def asked(self, name: str, query: msgspec.Struct) -> Reply[Any]:
        """The answer to a question."""
        answer = await self.log.nc.request(subjects.query("safety", name), encode(query), timeout=5)
        return msgspec.json.decode(answer.data, type=Reply[Any])

    async def comes_to(self, ask: Callable[[], Awaitable[Any]], wanted: object) -> None:
        """Return when a question has the answer that is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while await ask() != wanted:  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.05)

    async def pages(self, query: msgspec.Struct, name: str, count: int) -> list[dict[str, Any]]:
        """The items of a list, once it has so many."""
        items: list[dict[str, Any]] = []

        async def counted() -> int:
            nonlocal items
            reply = await self.asked(name, query)
            items = reply.ok["items"] if reply.ok else []
            return len(items)

        await self.comes_to(counted, count)
        return items

    async def orders_when_it_runs(self, service: Service, order: SetInterlock) -> None:
        """Have an interlock made."""
        service.start()
        assert (await self.orders("set_interlock", order)).ok


def acted(event: CommandRequested | CommandDispatched | CommandEnded) -> Event:
    """An event of a command, as the actuator service stores it."""
    return Event(
        subject=subjects.command_event(event.kaiser_id, event.esp_id, event.gpio, event.EVENT),
        type=event.TYPE,
        data=encode(event),
        source="kaiser/actuator",
        id=f"{event.command_id}.{event.EVENT}",
    )


def _said(message: msgspec.Struct, esp_id: str, *, gpio: int = 255, at: int = 0, generation: str = "head") -> Event:
    kind = SAID[type(message)]
    body = DeviceSaid(
        kaiser_id=KAISER, esp_id=esp_id, generation=generation, received_at=at or now_us(), message=message
    )
    subject = kind.subject.format(kaiser=KAISER, esp=esp_id, gpio=gpio)
    return Event(subject=subject, type=kind.name, data=encode(body), source="kaiser/bridge")


def _device(event: Any, name: str) -> Event:
    subject = subjects.device(KAISER, event.esp_id, name)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/bridge")


def _registry(event: Any, name: str) -> Event:
    subject = subjects.registry(KAISER, event.esp_id, name)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source="kaiser/ingest")
