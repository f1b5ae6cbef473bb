"""The log of a span, as far as somebody looks at it: out of the streams, or out of history where those let it go."""

import contextlib
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRestarted, DeviceReturned, DeviceSaid, DeviceSilent
from kaiser.contracts.events.registry import ZoneOrdered, ZoneSettled
from kaiser.contracts.events.safeguards import (
    AlertRaised,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LimitsSet,
    PowerBudget,
)
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS, SAFETY, TELEMETRY
from kaiser.contracts.wire import ActuatorStatus, Heartbeat, LastWill
from kaiser.eventlog import Delivery, EventLog, replay_batches
from kaiser.logic.ordering import Message, merged
from kaiser.logic.past.stored import let_go_before, stored_beats, stored_readings
from kaiser.logic.past.watching import Watch
from kaiser.logic.state import ActuatorKey
from kaiser.logic.times import NEVER
from kaiser.logic.yard import Yard

Batches = AsyncGenerator[list[Message], None]
"""Messages in the order of their times."""

DEVICE_EVENTS: Final = ("discovered", "returned", "lost", "silent", "restarted")
SAFEGUARDS: Final = ("safety.limits.>", "safety.interlock.>", "safety.emergency.>")
ZONES: Final = (ZoneOrdered, ZoneSettled)
MANY: Final = 2000
"""Messages that are fetched at a time."""

_said = {SAID[kind].name: DeviceSaid[kind] for kind in (Heartbeat, LastWill, ActuatorStatus)}  # type: ignore[valid-type]
_written = (
    *(DeviceDiscovered, DeviceReturned, DeviceSilent, DeviceRestarted),
    *(AlertRaised, EmergencyRequested, EmergencyReleased, LimitsSet, InterlockSet, InterlockRemoved),
    *ZONES,
)
_decoder = EventDecoder(_said | {event.TYPE: event for event in _written})
_readings = msgspec.json.Decoder(Readings).decode


class _Where(msgspec.Struct):
    """As much of a batch as says which sensors it is of: a third of the cost of all of it."""

    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]


_where = msgspec.json.Decoder(_Where).decode


def readings_of(body: bytes, watch: Watch) -> Readings | None:
    """A batch of readings; None where nobody looks at any of them.

    Raises:
        msgspec.DecodeError: It is none.
    """
    where = _where(body)
    sensors = watch.sensors
    for key in zip(where.esp_id, where.gpio, where.sensor_type, strict=True):
        if key in sensors:
            return _readings(body)
    return None


async def gathered(
    log: EventLog, watch: Watch, start: int, end: int, commanded: frozenset[ActuatorKey] = frozenset()
) -> AsyncIterator[Message]:
    """Messages in one order.

    Args:
        log: The connection.
        watch: What is looked at.
        commanded: Actuators at whose commands safety looks, and at what else it looks for them.
        start: From when on, unix microseconds; what is in force from before comes, too.
        end: Until when.

    Raises:
        Refusal: Ingest does not give what the streams have let go of.
    """
    async with contextlib.AsyncExitStack() as stack:
        known = await safeguards(log, commanded, start, end) if commanded else []
        batches = [each async for each in _sources(log, widened(watch, known, commanded), start, end)]
        batches += [_known(messages) for messages in known]
        for each in batches:
            await stack.enter_async_context(contextlib.aclosing(each))
        async for messages in in_order(batches):
            for message in messages:
                yield message


async def in_order(sources: Sequence[Batches]) -> AsyncIterator[Iterator[Message]]:
    """Messages of several sources in one order that hangs on them alone, and not on how they come.

    What is yielded is older than everything that is still to come.
    """
    waiting: list[list[Message]] = [[] for _ in sources]
    still = set(range(len(sources)))
    floor = -1
    while True:
        for i in sorted(still):
            while not waiting[i] or waiting[i][-1].at <= floor:
                try:
                    waiting[i] += await anext(sources[i])
                except StopAsyncIteration:
                    still.discard(i)
                    break
        floor = min((waiting[i][-1].at for i in still), default=NEVER)
        ready = []
        for i, messages in enumerate(waiting):
            cut = bisect_left(messages, floor, key=_at)
            if cut:
                ready.append(messages[:cut])
                waiting[i] = messages[cut:]
        if ready:
            yield merged(*ready)
        if not still:
            return


def _at(message: Message) -> int:
    return message.at


async def _sources(log: EventLog, watch: Watch, start: int, end: int) -> AsyncIterator[Batches]:
    """Everything that is to be read."""
    alive = tuple(f"device.*.{_token(watch, esp_id)}.{event}" for esp_id in _ids(watch) for event in DEVICE_EVENTS)
    if alive:
        yield _stream(log, DEVICES.name, alive, watch, start, end)
    if watch.listens:
        yield _stream(log, SAFETY.name, ("safety.alert.>",), watch, start, end)
    if watch.actuators:
        filters = tuple(
            f"actuator.*.{subjects.token(esp_id)}.{gpio}.status" for esp_id, gpio in sorted(watch.actuators)
        )
        yield _stream(log, ACTUATORS.name, filters, watch, start, end)
    if watch.devices:
        gone = await let_go_before(log, HEARTBEATS.name, start, end)
        for esp_id in sorted(watch.devices) if gone > start else ():
            yield stored_beats(log, esp_id, start, gone)
        filters = tuple(f"heartbeat.*.{subjects.token(esp_id)}" for esp_id in sorted(watch.devices))
        yield _stream(log, HEARTBEATS.name, filters, watch, start, end)
    if watch.sensors:
        gone = await let_go_before(log, TELEMETRY.name, start, end)
        for sensor in sorted(watch.sensors) if gone > start else ():
            for address in sorted(watch.sensors[sensor]):
                yield stored_readings(log, sensor, address, start, gone)
        partitions = sorted({subjects.partition(esp_id) for esp_id, _, _ in watch.sensors})
        filters = tuple(f"telemetry.reading.*.{partition}" for partition in partitions)
        yield _stream(log, TELEMETRY.name, filters, watch, start, end)


async def safeguards(log: EventLog, commanded: frozenset[ActuatorKey], start: int, end: int) -> list[list[Message]]:
    """What safety goes by and what holds until the next of its kind, from the first one on: they are few."""
    nothing = Watch()
    safety = [
        each async for batch in _stream(log, SAFETY.name, SAFEGUARDS, nothing, start, end, whole=True) for each in batch
    ]
    everywhere = any(
        isinstance(each.event, InterlockSet) and isinstance(each.event.rule, PowerBudget) for each in safety
    )
    devices = ["*"] if everywhere else sorted({subjects.token(esp_id) for esp_id, _ in commanded})
    filters = tuple(f"device.*.{esp_id}.registry.{event.EVENT}" for esp_id in devices for event in ZONES)
    zones = [
        each async for batch in _stream(log, DEVICES.name, filters, nothing, start, end, whole=True) for each in batch
    ]
    return [safety, zones]


def widened(watch: Watch, known: Iterable[Sequence[Message]], commanded: frozenset[ActuatorKey]) -> Watch:
    """What is looked at, with what safety looks at for some actuators, at any time of the span."""
    yard, actuators, sensors = Yard(), set(watch.actuators), dict(watch.sensors)
    for message in merged(*known):
        yard.take(message.event)
        if isinstance(message.event, InterlockSet | LimitsSet | ZoneOrdered | ZoneSettled):
            others, bands = yard.looks_at(commanded)
            actuators |= others
            sensors.update({band: frozenset({""}) for band in bands if band not in sensors})
    return msgspec.structs.replace(watch, actuators=frozenset(actuators), sensors=sensors)


async def _known(messages: list[Message]) -> Batches:
    if messages:
        yield messages


def _ids(watch: Watch) -> list[str]:
    return ["*"] if watch.listens else sorted(watch.devices)


def _token(watch: Watch, esp_id: str) -> str:
    return esp_id if watch.listens else subjects.token(esp_id)


async def _stream(
    log: EventLog,
    stream: str,
    filters: tuple[str, ...],
    watch: Watch,
    start: int,
    end: int,
    *,
    whole: bool = False,
) -> Batches:
    """What a stream stored in the span, and with ``whole`` what it stored earlier, as if that came just before it."""
    since = 0 if whole else start
    try:
        batches = replay_batches(log, stream, subjects=filters, from_time_us=since, max_messages=MANY)
        async for batch in batches:
            messages = [each for delivery in batch if (each := _message(delivery, watch, start)) is not None]
            within = [each for each in messages if each.at < end]
            if within:
                yield within
            if batch[-1].stored_at >= end:
                return
    except NotFoundError:
        return


def _message(delivery: Delivery, watch: Watch, start: int) -> Message | None:
    """A message; None where it says nothing, or cannot be read (whoever writes tables of it dead-letters it)."""
    try:
        if delivery.stream == TELEMETRY.name:
            event: object = readings_of(delivery.data, watch)
        else:
            event = _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError):
        return None
    at = max(delivery.stored_at, start - 1)
    return None if event is None else Message(at, delivery.stream, delivery.seq, event)
