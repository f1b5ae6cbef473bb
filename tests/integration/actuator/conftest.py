"""The actuator service as a process, with real NATS and PostgreSQL; the test plays devices, safety and the bridge.

It plays them by their events, which are the interface; with the rights of everybody, for a test is no service.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaiser.contracts import actuation, subjects
from kaiser.contracts.events import actuation as events
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned, DeviceSaid, DeviceSilent
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.equipment import ConfigOrdered, ConfigSettled, Equipment, WantedActuator
from kaiser.contracts.events.registry import DeviceApproved, DeviceDeafened
from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    CommandApproved,
    CommandRejected,
    EmergencyReleased,
    EmergencyRequested,
    LeaseLost,
    Scope,
)
from kaiser.contracts.queries import Page, Problem, Reply
from kaiser.contracts.streams import STREAMS
from kaiser.contracts.wire import ActuatorResponse, ActuatorStatus, Heartbeat, IntentOutcome
from kaiser.eventlog import (
    BatchConsumer,
    ConsumerSpec,
    Event,
    EventLog,
    OrderedReader,
    connect,
    ensure_streams,
    new_id,
    now_us,
)
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

US = 1_000_000
DEC, HEAD = "ESP_0A1B2C", "ESP_9F03D4"
PUMP, VALVE, DIMMER, INVERTED = 25, 26, 27, 32
EQUIPMENT = Equipment(
    actuators=[
        WantedActuator(gpio=PUMP, actuator_type="pump", name="Pump"),
        WantedActuator(gpio=VALVE, actuator_type="valve", name="Valve", aux_gpio=33),
        WantedActuator(gpio=DIMMER, actuator_type="pwm", name="Dimmer"),
        WantedActuator(gpio=INVERTED, actuator_type="relay", name="Lamp", inverted=True),
    ]
)
QUICK = {
    "decide_s": "1", "answer_dec_s": "0.5", "answer_head_s": "0.5", "settle_s": "0.5", "settle_valve_s": "0.8",
    "insist_s": "0.5",
}  # fmt: skip

_decoder = EventDecoder({kind.TYPE: kind for kind in (*events.COMMAND_EVENTS, *events.SHADOW_EVENTS)})


class RefusedError(Exception):
    """The service said no."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem


class Site:
    """Everything around the service, and what it wrote."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.facts: list[Any] = []
        self.downlinks: list[DownlinkRequested] = []
        self.held: list[events.CommandRequested] = []
        self.safety = True
        self._changed = asyncio.Event()

    # what the service wrote

    async def follow(self) -> None:
        commands = OrderedReader(self.log, "ACTUATORS", subjects=("actuator.*.*.*.*.>",), start="all")
        downlinks = BatchConsumer(
            self.log, ConsumerSpec(stream="DOWNLINK", durable="bridge-downlink"), self._downlinks, service="test"
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(commands, self._fact))
            tasks.create_task(downlinks.run())

    async def _follow(self, reader: OrderedReader, take: Callable[[Any], Awaitable[None]]) -> None:
        async with reader:
            while True:
                for delivery in await reader.take():
                    await take(delivery)
                    self._changed.set()

    async def _fact(self, delivery: Any) -> None:
        fact = _decoder.decode(delivery.type, delivery.data)
        self.facts.append(fact)
        asks = isinstance(fact, events.CommandRequested) and fact.action != "OFF"
        if asks and fact.held_until:
            self.held.append(fact)
        elif asks and self.safety:
            await self.approve(fact)

    async def _downlinks(self, deliveries: list[Any]) -> None:
        self.downlinks += [msgspec.json.decode(delivery.data, type=DownlinkRequested) for delivery in deliveries]
        self._changed.set()

    async def until(self, found: Callable[[], Any], within_s: float = 15.0) -> Any:
        """What ``found`` returns, once it is true."""
        end = time.monotonic() + within_s
        while not (value := found()):
            self._changed.clear()
            async with asyncio.timeout(max(0.01, end - time.monotonic())):
                await self._changed.wait()
        return value

    def of(self, command_id: str, kind: type[Any] | None = None) -> list[Any]:
        """Events of a command."""
        mine = [fact for fact in self.facts if getattr(fact, "command_id", None) == command_id]
        return mine if kind is None else [fact for fact in mine if isinstance(fact, kind)]

    def told(self, command_id: str) -> list[dict[str, Any]]:
        """Messages to the device for a command."""
        mine = [downlink for downlink in self.downlinks if downlink.correlation_id == command_id]
        return [msgspec.json.decode(downlink.payload) for downlink in mine]

    async def sent(self, command_id: str, attempt: int = 1) -> events.CommandDispatched:
        def found() -> Any:
            tries = [fact for fact in self.of(command_id, events.CommandDispatched) if fact.attempt == attempt]
            return tries[0] if tries and len(self.told(command_id)) >= attempt else None

        return await self.until(found)

    async def ended(self, command_id: str, within_s: float = 15.0) -> events.CommandEnded:
        ends = await self.until(lambda: self.of(command_id, events.CommandEnded), within_s)
        return ends[0]

    # requests

    async def eventually(self, check: Callable[[], Awaitable[Any]], within_s: float = 15.0) -> Any:
        """What ``check`` returns, once it is true; a refusal is none."""
        end = time.monotonic() + within_s
        while True:
            with contextlib.suppress(RefusedError):
                if value := await check():
                    return value
            assert time.monotonic() < end, "it never came true"
            await asyncio.sleep(0.02)

    async def refusal(self, *asked: Any, **more: Any) -> str:
        """The code that a command is refused with; empty where it is not."""
        try:
            await self.send(*asked, **more)
        except RefusedError as error:
            return error.problem.code
        return ""

    async def until_refused(self, code: str, *asked: Any, **more: Any) -> None:
        """Wait until a command is refused for this reason."""

        async def refused() -> bool:
            return await self.refusal(*asked, **more) == code

        await self.eventually(refused)

    async def ask(self, subject: str, asked: msgspec.Struct, answer: Any, timeout_s: float = 5.0) -> Any:
        message = await self.log.nc.request(subject, msgspec.json.encode(asked), timeout=timeout_s)
        reply = msgspec.json.decode(message.data, type=Reply[answer])
        if reply.problem is not None:
            raise RefusedError(reply.problem)
        return reply.ok

    async def send(self, esp_id: str, gpio: int, command: str, **more: Any) -> actuation.Command:
        asked = actuation.SendCommand(esp_id=esp_id, gpio=gpio, by="ada", command=command, **more)
        return await self.ask("command.actuator.send", asked, actuation.Command)

    async def command(self, command_id: str, wait_s: float = 0.0) -> actuation.Command:
        asked = actuation.CommandQuery(command_id=command_id, wait_s=wait_s)
        return await self.ask("query.actuator.command", asked, actuation.Command, 5 + wait_s)

    async def actuator(self, esp_id: str, gpio: int, at_least: int = 0) -> actuation.Actuator:
        asked = actuation.ActuatorQuery(esp_id=esp_id, gpio=gpio, at_least=at_least)
        return await self.ask("query.actuator.actuator", asked, actuation.Actuator)

    async def page(self, name: str, asked: msgspec.Struct, item: Any) -> Any:
        return await self.ask(f"query.actuator.{name}", asked, Page[item])

    # devices, the bridge and ingest

    async def publish(self, subject: str, body: Any, kind: str | None = None, event_id: str | None = None) -> int:
        event = Event(
            id=event_id or new_id(), subject=subject, type=kind or body.TYPE, data=encode(body), source="test",
            time=now_us(),
        )  # fmt: skip
        return (await self.log.publish(event)).seq

    async def said(self, esp_id: str, message: Any, subject: str) -> int:
        generation = "head" if esp_id == HEAD else "dec"
        body = DeviceSaid(kaiser_id="god", esp_id=esp_id, generation=generation, received_at=now_us(), message=message)
        return await self.publish(subject, body, SAID[type(message)].name)

    async def meet(self, esp_id: str, equipment: Equipment = EQUIPMENT) -> None:
        """A device that is approved, configured, and there."""
        generation = "head" if esp_id == HEAD else "dec"
        common = {"kaiser_id": "god", "esp_id": esp_id, "at": now_us(), "by": "ada"}
        met = DeviceDiscovered(kaiser_id="god", esp_id=esp_id, generation=generation, received_at=now_us())
        await self.publish(subjects.device("god", esp_id, "discovered"), met)
        for decision in (DeviceApproved(**common), ConfigOrdered(**common, wanted=equipment)):
            await self.publish(subjects.registry("god", esp_id, decision.EVENT), decision)
        await self.beat(esp_id)

    async def beat(self, esp_id: str, uptime: int = 100) -> None:
        beat = Heartbeat(ts=now_us() // US, uptime=uptime, heap_free=100_000, wifi_rssi=-60)
        await self.said(esp_id, beat, subjects.heartbeat("god", esp_id))

    async def go(self, esp_id: str) -> None:
        body = DeviceSilent(kaiser_id="god", esp_id=esp_id, heard_at=now_us(), received_at=now_us())
        await self.publish(subjects.device("god", esp_id, "silent"), body)

    async def come(self, esp_id: str) -> None:
        generation = "head" if esp_id == HEAD else "dec"
        body = DeviceReturned(kaiser_id="god", esp_id=esp_id, generation=generation, received_at=now_us(), lost_at=1)
        await self.publish(subjects.device("god", esp_id, "returned"), body)
        for held in self.held:  # safety waits for the device, too
            await self.approve(held)

    async def deafen(self, esp_id: str) -> None:
        body = DeviceDeafened(kaiser_id="god", esp_id=esp_id, at=now_us(), by="kaiser", detail="")
        await self.publish(subjects.registry("god", esp_id, body.EVENT), body)

    async def configured(self, esp_id: str) -> None:
        body = ConfigSettled(kaiser_id="god", esp_id=esp_id, at=now_us(), by="kaiser", outcome="confirmed")
        await self.publish(subjects.registry("god", esp_id, body.EVENT), body)

    async def respond(self, esp_id: str, gpio: int, word: str, *, success: bool = True, **more: Any) -> int:
        message = ActuatorResponse(
            esp_id=esp_id, ts=0, gpio=gpio, command=word, success=success, message="Command executed", **more
        )
        return await self.said(esp_id, message, subjects.actuator("god", esp_id, gpio, "response"))

    async def status(self, esp_id: str, gpio: int, pwm: int, **more: Any) -> int:
        kind = next(wanted.actuator_type for wanted in EQUIPMENT.actuators if wanted.gpio == gpio)
        message = ActuatorStatus(esp_id=esp_id, ts=0, gpio=gpio, actuator_type=kind, state=pwm > 0, pwm=pwm, **more)
        return await self.said(esp_id, message, subjects.actuator("god", esp_id, gpio, "status"))

    async def outcome(self, esp_id: str, command_id: str, outcome: str, **more: Any) -> int:
        message = IntentOutcome(
            flow="command", intent_id=command_id, correlation_id=command_id, outcome=outcome, **more
        )
        return await self.said(esp_id, message, subjects.device("god", esp_id, "intent_outcome"))

    async def refuse_downlink(self, esp_id: str, command_id: str, code: str) -> None:
        body = DownlinkReported(
            kaiser_id="god", esp_id=esp_id, topic="t", correlation_id=command_id, outcome="refused", code=code,
            reported_at=now_us(),
        )  # fmt: skip
        await self.publish(subjects.downlink_report("god", esp_id, "refused"), body)

    # safety and the gateway

    async def approve(self, asked: events.CommandRequested, valid_s: float = 60, **more: Any) -> int:
        body = CommandApproved(
            at=now_us(), by="kaiser", correlation_id=asked.correlation_id, command_id=asked.command_id,
            esp_id=asked.esp_id, gpio=asked.gpio, action=asked.action, level=asked.level, rule="clear",
            valid_until=now_us() + round(valid_s * US), **more,
        )  # fmt: skip
        return await self.publish(subjects.safety("decision", asked.esp_id, asked.gpio), body)

    async def reject(self, asked: events.CommandRequested, code: str, rule: str) -> int:
        body = CommandRejected(
            at=now_us(), by="kaiser", correlation_id=asked.correlation_id, command_id=asked.command_id,
            esp_id=asked.esp_id, gpio=asked.gpio, action=asked.action, level=asked.level, rule=rule, code=code,
            detail="in words",
        )  # fmt: skip
        return await self.publish(subjects.safety("decision", asked.esp_id, asked.gpio), body)

    async def lease_lost(self, esp_id: str, gpio: int) -> None:
        body = LeaseLost(kaiser_id="god", esp_id=esp_id, gpio=gpio, heard_at=now_us() - 10 * US, at=now_us())
        await self.publish(subjects.actuator("god", esp_id, gpio, "lease_lost"), body)

    async def stop(self, esp_id: str, gpio: int) -> int:
        body = ActuatorStopped(
            at=now_us(), by="kaiser", stop_id=new_id(), kaiser_id="god", esp_id=esp_id, gpio=gpio, rule="max_on",
            code="RUN_TOO_LONG", detail="too long",
        )  # fmt: skip
        return await self.publish(subjects.safety("stop", esp_id, gpio), body)

    async def emergency(self, **scope: Any) -> str:
        emergency_id = new_id()
        body = EmergencyRequested(
            at=now_us(), by="ada", emergency_id=emergency_id, scope=Scope(**scope), reason="smoke"
        )
        await self.publish(subjects.emergency("requested"), body)
        return emergency_id

    async def release(self, emergency_id: str, **scope: Any) -> None:
        body = EmergencyReleased(
            at=now_us(), by="ada", emergency_id=emergency_id, scope=Scope(**scope), reason="no smoke"
        )
        await self.publish(subjects.emergency("released"), body)


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as connection:
        await ensure_streams(connection, STREAMS)
        yield connection


@pytest.fixture
async def site(log: EventLog) -> AsyncIterator[Site]:
    made = Site(log)
    following = asyncio.create_task(made.follow())
    try:
        yield made
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
def new_service(nats_server: Nats, postgres: Postgres, tmp_path: Path):
    """Makes instances of the service; all are killed in the end."""
    made: list[Service] = []

    def new(**options: str) -> Service:
        folder = tmp_path / f"actuator-{len(made)}"
        made.append(ephemeral_services.actuator(folder, nats_server, postgres, **(QUICK | options)))
        return made[-1]

    yield new
    for service in made:
        service.kill()


@pytest.fixture
def service(log: EventLog, new_service) -> Service:
    return new_service().start()


@pytest.fixture
async def there(site: Site, service: Service) -> Site:
    """A site with both devices, known to the service."""
    for esp_id in (DEC, HEAD):
        await site.meet(esp_id)
        await known(site, esp_id)
    return site


async def known(site: Site, esp_id: str, *, online: bool = True) -> None:
    """Wait until the service knows that a device is there, or gone."""

    async def check() -> bool:
        return (await site.actuator(esp_id, PUMP)).online == online

    await site.eventually(check)
