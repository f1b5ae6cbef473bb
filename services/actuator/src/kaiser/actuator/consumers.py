"""What others say that commands turn on: safety's decisions and stops, and answers of devices and of the bridge."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

from kaiser.actuator.acting import Acting
from kaiser.actuator.archive import Archive
from kaiser.actuator.book import Key
from kaiser.actuator.commands import (
    Approve,
    Around,
    HearDownlink,
    HearOutcome,
    HearResponse,
    Reject,
    Stop,
)
from kaiser.contracts.codes import Code
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.downlink import DownlinkReported
from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    CommandApproved,
    CommandRejected,
    EmergencyReleased,
    EmergencyRequested,
    StopConfirmed,
)
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS, DEVICES, SAFETY
from kaiser.contracts.wire import ActuatorResponse, IntentOutcome
from kaiser.eventlog import ConsumerSpec, Delivery, Retry, Unprocessable, now_us
from kaiser.service import tracing

_log = structlog.get_logger(__name__)

SAFEGUARDS: Final = ConsumerSpec(
    stream=SAFETY.name,
    durable="actuator-safeguards",
    subjects=("safety.decision.>", "safety.stop.>", "safety.emergency.>"),
)
RESPONSES: Final = ConsumerSpec(
    stream=ACTUATORS.name, durable="actuator-responses", subjects=("actuator.*.*.*.response",), start="new"
)
REPORTS: Final = ConsumerSpec(
    stream=DEVICES.name,
    durable="actuator-reports",
    subjects=("device.*.*.intent_outcome", "device.*.*.downlink_refused"),
    start="new",
)
AT_ONCE: Final = 64
RECENT_US: Final = 600_000_000
"""What concerns a command that nobody knows is looked for in the log, unless it is older than any command can be."""

GOOD: Final = frozenset({"accepted", "applied", "persisted", "processing"})

ARRIVAL_S: Final = 2.0

Work = Callable[[], Awaitable[object]]

_safeguards = EventDecoder(
    {
        event.TYPE: event
        for event in (
            CommandApproved,
            CommandRejected,
            ActuatorStopped,
            StopConfirmed,
            EmergencyRequested,
            EmergencyReleased,
        )
    }
)
_decode_response = msgspec.json.Decoder(DeviceSaid[ActuatorResponse]).decode
_reports = EventDecoder({SAID[IntentOutcome].name: DeviceSaid[IntentOutcome], DownlinkReported.TYPE: DownlinkReported})


class Safeguards:
    """What safety decided."""

    def __init__(self, acting: Acting, archive: Archive) -> None:
        self._acting = acting
        self._archive = archive

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Carry out decisions, and return when what follows is stored and sent. One actuator's are in order.

        Raises:
            LogFull: The log takes no more.
            Unprocessable: A delivery is not what its type says.
        """
        await self._acting.surroundings.wait_emergencies()
        turns: dict[Key, list[Work]] = {}
        for delivery in deliveries:
            event = _decoded(_safeguards, delivery)
            if isinstance(event, CommandApproved | CommandRejected):
                self._decision(turns, event, delivery)
            elif isinstance(event, ActuatorStopped):
                self._stop(turns, Key(event.esp_id, event.gpio), event.code, f"{event.rule}: {event.detail}", delivery)
            elif isinstance(event, EmergencyRequested):
                await self._emergency(turns, event, delivery)
        await _take_turns(turns)

    def _decision(
        self, turns: dict[Key, list[Work]], event: CommandApproved | CommandRejected, delivery: Delivery
    ) -> None:
        if event.action == "OFF":
            return  # it went out without
        key = Key(event.esp_id, event.gpio)

        async def work() -> None:
            named = {"command_id": event.command_id, "correlation_id": event.correlation_id}
            with tracing.span("actuator carry out", delivery.traceparent, named), bound_contextvars(**named):
                if await self._knows(key, event.command_id, event.at):
                    await self._decide(key, event, delivery.seq)

        turns.setdefault(key, []).append(work)

    async def _decide(self, key: Key, event: CommandApproved | CommandRejected, seq: int) -> None:
        now = now_us()
        if isinstance(event, CommandRejected):
            rejection = Reject(
                at=now, command_id=event.command_id, code=event.code, detail=event.detail, rule=event.rule, seq=seq
            )
            await self._acting.put(key, rejection)
            return
        around = await self._around_held(key)
        approval = Approve(at=now, around=around, command_id=event.command_id, valid_until=event.valid_until, seq=seq)
        decided = await self._acting.put(key, approval)
        sent = decided.state.sent
        if not decided.events and sent is not None and sent.id == event.command_id:
            await self._acting.send_again(key)  # dispatched before a crash that may have kept it from the device

    async def _around_held(self, key: Key) -> Around:
        """What is known of an actuator, its device's arrival too: safety may have read of it a moment before."""
        waiting, surroundings = self._acting.book.state(key).waiting, self._acting.surroundings
        if waiting is not None and waiting.held:
            await surroundings.wait_online(key.esp_id, ARRIVAL_S)
        return surroundings.around(key)

    async def _knows(self, key: Key, command_id: str, at: int) -> bool:
        """Whether a command is known, here or to another instance a moment ago."""
        if self._archive.get(command_id) is None and now_us() - at < RECENT_US:
            await self._acting.book.refresh(key)
        return self._archive.get(command_id) is not None

    async def _emergency(self, turns: dict[Key, list[Work]], event: EmergencyRequested, delivery: Delivery) -> None:
        surroundings = self._acting.surroundings
        await surroundings.latches.reach(delivery.seq)
        over = not surroundings.latches.holds(event.emergency_id)
        for key in self._acting.book.actuators():
            member = surroundings.roster.get(key.esp_id)
            covered = event.scope.covers(
                kaiser_id=member.kaiser_id, zones=member.zones, esp_id=key.esp_id, gpio=key.gpio
            )
            if covered:
                words = f"emergency stop {event.emergency_id}: {event.reason}"
                self._stop(turns, key, Code.EMERGENCY_ACTIVE, words, delivery, over=over)

    def _stop(
        self, turns: dict[Key, list[Work]], key: Key, code: str, detail: str, delivery: Delivery, *, over: bool = False
    ) -> None:
        async def work() -> None:
            stop = Stop(
                at=now_us(),
                kaiser_id=self._acting.surroundings.roster.get(key.esp_id).kaiser_id,
                esp_id=key.esp_id,
                gpio=key.gpio,
                seq=delivery.seq,
                code=code,
                detail=detail,
                over=over,
            )
            with tracing.span("actuator stop", delivery.traceparent):
                await self._acting.put(key, stop)

        turns.setdefault(key, []).append(work)


class Answers:
    """What devices and the bridge say of commands."""

    def __init__(self, acting: Acting, archive: Archive) -> None:
        self._acting = acting
        self._archive = archive

    async def responses(self, deliveries: list[Delivery]) -> None:
        """Take responses in, and return when what follows is stored. One actuator's are in order.

        Raises:
            LogFull: The log takes no more.
            Unprocessable: A delivery is no response.
        """
        turns: dict[Key, list[Work]] = {}
        for delivery in deliveries:
            try:
                said = _decode_response(delivery.data)
            except msgspec.MsgspecError as error:
                raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
            key = Key(said.esp_id, said.message.gpio)
            turns.setdefault(key, []).append(self._response(key, said, delivery))
        await _take_turns(turns)

    def _response(self, key: Key, said: DeviceSaid[ActuatorResponse], delivery: Delivery) -> Work:
        async def work() -> None:
            message, book = said.message, self._acting.book
            if self._may_be_new(key, message):
                await book.refresh(key)
            heard = HearResponse(
                at=said.received_at,
                around=self._acting.surroundings.around(key),
                word=message.command,
                success=message.success,
                detail=message.message,
                value=message.value,
                correlation_id=message.correlation_id,
                older=delivery.seq < book.sent_seq(key),
            )
            with tracing.span("actuator hear", delivery.traceparent):
                await self._acting.put(key, heard)

        return work

    def _may_be_new(self, key: Key, message: ActuatorResponse) -> bool:
        """Whether an answer may be to a command that another instance sent a moment ago."""
        if message.correlation_id:
            return self._archive.get(message.correlation_id) is None
        state = self._acting.book.state(key)
        if state.sent is not None:
            return False
        last = state.past[-1] if state.past else None
        return last is None or last.action != message.command.upper()

    async def reports(self, deliveries: list[Delivery]) -> None:
        """Take outcomes of intents and refused messages in, and return when what follows is stored.

        Raises:
            LogFull: The log takes no more.
            Unprocessable: A delivery is not what its type says.
        """
        turns: dict[Key, list[Work]] = {}
        for delivery in deliveries:
            event = _decoded(_reports, delivery)
            if isinstance(event, DownlinkReported):
                name = event.correlation_id
            elif event.message.flow == "command":
                name = event.message.correlation_id or event.message.intent_id
            else:
                continue
            command = self._archive.get(name)
            if command is None or command.esp_id != event.esp_id:
                continue  # not of ours, or ended thousands of commands ago
            key = Key(command.esp_id, command.gpio)
            turns.setdefault(key, []).append(self._report(key, name, event, delivery.traceparent))
        await _take_turns(turns)

    def _report(
        self, key: Key, command_id: str, event: DownlinkReported | DeviceSaid[IntentOutcome], traceparent: str
    ) -> Work:
        async def work() -> None:
            with tracing.span("actuator hear", traceparent, {"command_id": command_id}):
                await hear()

        async def hear() -> None:
            if isinstance(event, DownlinkReported):
                refused = HearDownlink(
                    at=event.reported_at, command_id=command_id, code=event.code, detail=event.detail
                )
                await self._acting.put(key, refused)
                return
            message = event.message
            words = " ".join(word for word in (message.code, message.reason) if word and word != "NONE")
            heard = HearOutcome(
                at=event.received_at,
                around=self._acting.surroundings.around(key),
                command_id=command_id,
                good=message.outcome in GOOD,
                detail=words,
            )
            await self._acting.put(key, heard)

        return work


def _decoded(decoder: EventDecoder, delivery: Delivery) -> Any:  # the struct follows from the type's name
    try:
        return decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error


async def _take_turns(turns: dict[Key, list[Work]]) -> None:
    """Different actuators at the same time, each of them in order.

    Raises:
        Retry: Something that was needed is away; all of it is to be tried again, which changes nothing that was done.
    """
    if len(turns) == 1:
        await _in_order(next(iter(turns.values())))
        return
    slots = asyncio.Semaphore(AT_ONCE)

    async def turn(works: Iterable[Work]) -> None:
        async with slots:
            await _in_order(works)

    results = await asyncio.gather(*map(turn, turns.values()), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _in_order(works: Iterable[Work]) -> None:
    for work in works:
        try:
            await work()
        except Refusal as refusal:
            raise Retry(str(refusal)) from refusal
