"""Follows what is to hang on devices until they have it: a part at a time, each told until it is answered.

What is wanted and what a device confirmed is in the registry; only the part in flight is remembered here. After a
restart of this service an open configuration is told again from its beginning.
"""

import asyncio
import time
from typing import Any, Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts import subjects, topics
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.device import DeviceRestarted, DeviceReturned, DeviceSaid
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.equipment import ConfigFault
from kaiser.contracts.streams import DEVICES
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ConfigResponse, IntentOutcome, SessionAnnounce
from kaiser.eventlog import Delivery, Event, EventLog, EventLogError, Lease, OrderedReader, new_id, now_us
from kaiser.ingest import configs
from kaiser.ingest.configs import ConfigResult, Hearing, Part
from kaiser.ingest.configured import ConfigState
from kaiser.ingest.directory import Directory
from kaiser.ingest.hearing import is_deaf
from kaiser.ingest.orders import SOURCE, Orders
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.registry import Fact

_log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
SUBSCRIBED_AFTER_S: Final = 3.0
"""A device speaks before it has subscribed to everything; what comes earlier is lost (section 3.2)."""
SUBJECTS: Final = tuple(
    f"device.*.*.{event}"
    for event in ("config_answered", "intent_outcome", "downlink_refused", "returned", "announced")
)

_decoder = EventDecoder(
    {
        SAID[ConfigResponse].name: DeviceSaid[ConfigResponse],
        SAID[IntentOutcome].name: DeviceSaid[IntentOutcome],
        DownlinkReported.TYPE: DownlinkReported,
        SAID[SessionAnnounce].name: DeviceSaid[SessionAnnounce],
        DeviceReturned.TYPE: DeviceReturned,
    }
)


class _Run:
    """A configuration on its way to one device.

    Attributes:
        run: Correlation id of the order, or of telling it again.
        parts: All of its messages.
        at: Which of them is in flight.
        tries: Of that one.
        next_at: When to try again, by the monotonic clock; infinite after the last.
        told_at: When the part was sent first, unix microseconds; 0 if it was not.
        heard_at: When the device answered last, by the monotonic clock.
        hearing: What it said of the part.
        faults: What it said of the parts before.
        until_restart: The same.
    """

    def __init__(self, run: str, parts: list[Part]) -> None:
        self.run = run
        self.parts = parts
        self.at = self.tries = self.told_at = 0
        self.next_at = self.heard_at = 0.0
        self.hearing: Hearing | None = None
        self.faults: list[ConfigFault] = []
        self.until_restart: list[int] = []

    def correlation_id(self) -> str:
        """Of the part in flight, the same at every try."""
        return f"{self.run}.{self.at}"

    def finish_part(self) -> bool:
        """Note what the device said of the part, and go on to the next. Returns whether there is one."""
        assert self.hearing is not None
        self.faults += self.hearing.faults
        self.until_restart += self.hearing.until_restart
        self.hearing = None
        self.at, self.tries, self.told_at, self.next_at = self.at + 1, 0, 0, 0.0
        return self.at < len(self.parts)

    def again(self) -> None:
        """Tell the part anew: the device has come back."""
        self.hearing = None
        self.tries, self.told_at, self.next_at = 0, 0, time.monotonic() + SUBSCRIBED_AFTER_S


class Configuring:
    """Configurations on their way.

    Args:
        log: Where messages to devices go.
        directory: The registry, in memory.
        orders: Notes what came of a configuration.
        lease: Of the instances, the one that has it tells the devices.
    """

    def __init__(self, log: EventLog, directory: Directory, orders: Orders, lease: Lease) -> None:
        self._log = log
        self._directory = directory
        self._orders = orders
        self._lease = lease
        self._runs: dict[str, _Run] = {}
        self._lapsed: dict[str, str] = {}
        self._wake = asyncio.Event()
        directory.on_decided.append(self._decided)
        directory.on_beat.append(self._beaten)

    async def run(self) -> None:
        """Tell devices what is to hang on them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tell())

    async def _listen(self) -> None:
        async with OrderedReader(self._log, DEVICES.name, subjects=SUBJECTS, start="new") as reader:
            while True:
                for delivery in await reader.take():
                    self._hear(delivery)

    async def _tell(self) -> None:
        while True:
            try:
                if await (self._lease.renew() if self._lease.held else self._lease.acquire()):
                    await self._step()
                else:
                    self._runs.clear()
            except (EventLogError, RegistryError, nats.errors.Error, TimeoutError, OSError) as error:
                _log.warning("configurations wait for the log", reason=repr(error))
                await asyncio.sleep(LOOK_EVERY_S)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def _decided(self, fact: Fact) -> None:
        if self._directory.state(fact.esp_id).config.open:
            self._wake.set()

    def _beaten(self, esp_id: str, restarted: DeviceRestarted | None) -> None:
        """Notice a device that cannot have its equipment any more: it was started anew since, and forgot."""
        state = self._directory.state(esp_id)
        if state.standing != "approved":
            return
        if restarted is not None and esp_id in self._runs:
            self._runs[esp_id].again()
        if restarted is not None and state.deaf_since:
            self._lapsed.setdefault(esp_id, "")
        config = state.config
        if config.wanted is None or config.open or config.outcome == "refused":
            return
        anew = restarted is not None or self._directory.booted_at(esp_id) > config.settled_at
        if anew and self._has_forgotten(esp_id, config):
            self._lapsed[esp_id] = "started anew, and what hung on it is forgotten"
            self._wake.set()

    def _has_forgotten(self, esp_id: str, config: ConfigState) -> bool:
        """``dec`` loads no actuators from its flash; ``head`` loads all, so that fewer mean it was reset (5.2)."""
        if self._directory.place(esp_id)[1] == "dec":
            return True
        sensors, actuators = self._directory.counts(esp_id)
        return (sensors == 0 and bool(config.held.sensors)) or (actuators == 0 and bool(config.held.actuators))

    def _hear(self, delivery: Delivery) -> None:
        try:
            event = _decoder.decode(delivery.type, delivery.data)
        except (msgspec.DecodeError, ValueError) as error:
            _log.warning("an answer to a configuration cannot be read", seq=delivery.seq, reason=str(error))
            return
        run = self._runs.get(event.esp_id)
        if run is None:
            return
        said: Any = getattr(event, "message", None)  # a report or a return has none
        if isinstance(event, DeviceReturned) or isinstance(said, SessionAnnounce):
            run.again()  # it has connected anew, and has not heard what was said before
        elif run.hearing is None:
            return
        elif isinstance(event, DownlinkReported):
            if event.outcome == "refused" and event.correlation_id == run.correlation_id():
                run.hearing.refuse(event.code, event.detail)
        else:
            about = run.hearing.hear(said) if isinstance(said, ConfigResponse) else run.hearing.conclude(said)
            if not about:
                return
            run.heard_at = time.monotonic()
        self._wake.set()

    async def _step(self) -> None:
        await self._note_lapses()
        unanswered = self._directory.with_open_orders()
        waiting = [esp_id for esp_id in unanswered if self._directory.state(esp_id).config.open]
        for gone in self._runs.keys() - set(waiting):
            del self._runs[gone]
        for esp_id in waiting:
            await self._advance(esp_id)

    async def _note_lapses(self) -> None:
        while self._lapsed:
            esp_id, words = self._lapsed.popitem()
            if self._directory.state(esp_id).deaf_since:
                await self._orders.note_hearing(esp_id, "started anew", now_us(), hears=True)
            if words:
                await self._orders.lapse_config(esp_id, words, now_us())

    async def _advance(self, esp_id: str) -> None:
        state = self._directory.state(esp_id)
        if state.deaf_since and not self._answered(esp_id):
            return
        run = self._runs.get(esp_id)
        if run is None or run.run != state.config.run:
            run = self._runs[esp_id] = _Run(state.config.run, self._parts(esp_id))
        if not run.parts:
            await self._settle(esp_id, run)
            return
        now, hearing = time.monotonic(), run.hearing
        if hearing is not None and hearing.busy:
            hearing.busy, run.hearing = False, None
        elif hearing is not None and hearing.answered:
            quiet = now - run.heard_at >= configs.QUIET_S
            if not hearing.complete and not quiet:
                return
            if state.deaf_since:
                await self._orders.note_hearing(esp_id, "it answered", now_us(), hears=True)
            if not run.finish_part():
                await self._settle(esp_id, run)
                return
        elif is_deaf(self._directory.place(esp_id)[1], run.told_at, self._directory.heard_at(esp_id)):
            del self._runs[esp_id]
            words = "no answer to its configuration, while its heartbeats go on"
            await self._orders.note_hearing(esp_id, words, now_us(), hears=False)
            return
        if run.next_at <= now:
            await self._send(esp_id, run)

    def _answered(self, esp_id: str) -> bool:
        run = self._runs.get(esp_id)
        return run is not None and run.hearing is not None and run.hearing.answered

    def _parts(self, esp_id: str) -> list[Part]:
        state = self._directory.state(esp_id)
        kaiser_id, generation = self._directory.place(esp_id)
        topic = topics.downlink(DownlinkKind.CONFIG, kaiser_id, esp_id)
        config = state.config
        return list(configs.parts(config.untold, config.removed, state.board, generation, len(topic)))

    async def _send(self, esp_id: str, run: _Run) -> None:
        if run.tries > len(configs.PAUSES_S):
            run.next_at = float("inf")
            told = ConfigResult("unanswered", run.faults, run.until_restart)
            await self._orders.settle_config(esp_id, run.run, told, now_us())
            return
        kaiser_id, generation = self._directory.place(esp_id)
        part, correlation_id = run.parts[run.at], run.correlation_id()
        run.hearing = Hearing(part, generation, correlation_id)
        try:
            request = configs.downlink(
                part,
                kaiser_id,
                esp_id,
                generation,
                board=self._directory.state(esp_id).board,
                correlation_id=correlation_id,
                now_us=now_us(),
            )
        except DownlinkForbiddenError as error:
            run.hearing.refuse(error.code, error.reason)
            self._wake.set()
            return
        await self._log.publish(_event(request))
        run.told_at = run.told_at or now_us()
        pause = configs.PAUSES_S[min(run.tries, len(configs.PAUSES_S) - 1)]
        run.tries, run.next_at = run.tries + 1, time.monotonic() + pause
        _log.info("configuration sent to device", esp_id=esp_id, part=run.at + 1, of=len(run.parts), tries=run.tries)

    async def _settle(self, esp_id: str, run: _Run) -> None:
        told = sum(len(part.sensors) + len(part.actuators) for part in run.parts)
        result = ConfigResult(configs.outcome(run.faults, told), run.faults, run.until_restart)
        await self._orders.settle_config(esp_id, run.run, result, now_us())
        self._runs.pop(esp_id, None)


def _event(request: DownlinkRequested) -> Event:
    return Event(
        id=new_id(),
        subject=subjects.downlink(request.kaiser_id, request.esp_id, "config"),
        type=DownlinkRequested.TYPE,
        data=encode(request),
        source=SOURCE,
    )
