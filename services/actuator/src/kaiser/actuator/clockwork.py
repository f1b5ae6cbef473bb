"""What time makes happen: one instance, by a lease, carries out what is due, and looks at states that matter."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Final

import nats.errors
import structlog

from kaiser.actuator import shadow as shadows
from kaiser.actuator.acting import Acting
from kaiser.actuator.book import Key
from kaiser.actuator.commands import (
    Arrive,
    Due,
    HearStatus,
    Intent,
    Pass,
    Stop,
    stop_for_whatever_was_approved,
)
from kaiser.actuator.state import Fact
from kaiser.actuator.timers import Timers, dues
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLogError, Lease, new_id, now_us
from kaiser.roster import Member

_log = structlog.get_logger(__name__)

AT_ONCE: Final = 64
LONGEST_SLEEP_S: Final = 1.0
RENEW_S: Final = 0.7
AGAIN_S: Final = 1.0
"""What could not be stored is tried again after so long."""


class Clockwork:
    """Timers of all actuators. Every instance counts them down, and the one that has the lease acts on them.

    Args:
        acting: Decides and sends.
        lease: Of the instances, the one that has it acts.
    """

    def __init__(self, acting: Acting, lease: Lease) -> None:
        self._acting = acting
        self._lease = lease
        self._timers: Timers[Key] = Timers()
        self._looks: dict[Key, None] = {}
        self._arrivals: dict[str, None] = {}
        self._moves: dict[str, None] = {}
        self._wake = asyncio.Event()
        acting.book.on_event.append(self._happened)
        acting.surroundings.on_status.append(self._told)
        acting.surroundings.on_reset.append(self._reset)
        acting.surroundings.roster.on_change.append(self._changed)

    def __len__(self) -> int:
        """Moments that are waited for."""
        return len(self._timers)

    @property
    def leading(self) -> bool:
        """Whether this instance acts."""
        return self._lease.held

    async def lead(self) -> None:
        """Ask for the lease and keep it, until cancelled."""
        while True:
            before = self._lease.held
            try:
                held = await (self._lease.renew() if before else self._lease.acquire())
            except (EventLogError, nats.errors.Error, TimeoutError, OSError) as error:
                _log.warning("the lease of the timers cannot be asked for", reason=repr(error))
            else:
                if held and not before:
                    _log.info("this instance carries out what is due")
                    await self._begin()
            await asyncio.sleep(RENEW_S)

    async def release(self) -> None:
        """Let another instance take over at once."""
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            await self._lease.release()

    async def run(self) -> None:
        """Carry out what is due, until cancelled."""
        for key in self._acting.book.actuators():  # of what a snapshot had, no event has told
            self._plan(key)
        for esp_id in self._acting.surroundings.reset_devices():
            self._reset(esp_id)
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                if self._lease.held:
                    for key, intent in self._now_due():
                        await slots.acquire()
                        tasks.create_task(self._put(key, intent, slots), name=f"due {key.esp_id}/{key.gpio}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._sleep_s()):
                        await self._wake.wait()

    def _now_due(self) -> list[tuple[Key, Intent]]:
        now, around = now_us(), self._acting.surroundings.around
        found: list[tuple[Key, Intent]] = []
        looks, self._looks = self._looks, {}
        found.extend((key, HearStatus(at=now, around=around(key), newer_than=self._newer_than(key))) for key in looks)
        arrivals, self._arrivals = self._arrivals, {}
        for esp_id in arrivals:
            found.extend((key, Arrive(at=now, around=around(key))) for key in self._held_for(esp_id))
        moves, self._moves = self._moves, {}
        for esp_id in moves:
            found.extend(self._stops_of(esp_id, now))
        for key, due in self._timers.take_due(time.monotonic()):
            found.append((key, self._pass(key, due, now)))
        return found

    def _stops_of(self, esp_id: str, now: int) -> Iterable[tuple[Key, Intent]]:
        """What would be on again, of a device that has come into a stop that was there before it."""
        surroundings = self._acting.surroundings
        for gpio in sorted(surroundings.pins(esp_id)):
            key = Key(esp_id, gpio)
            state, around = self._acting.book.state(key), surroundings.around(key)
            if around.latched and (state.open or (state.wanted is not None and state.wanted.level > 0)):
                yield (
                    key,
                    stop_for_whatever_was_approved(
                        around, now, Code.EMERGENCY_ACTIVE, f"its device came into emergency stop {around.latched}"
                    ),
                )

    def _pass(self, key: Key, due: Due, now: int) -> Pass:
        around = self._acting.surroundings.around(key)
        return Pass(at=now, around=around, due=due, new_id=new_id(), newer_than=self._newer_than(key))

    def _newer_than(self, key: Key) -> str:
        """The command under way that an actuator's last status came after; until it is decided, another may be."""
        book = self._acting.book
        sent = book.state(key).sent
        newer = sent is not None and self._acting.surroundings.shadow(key).seq > book.sent_seq(key)
        return sent.id if sent is not None and newer else ""

    async def _put(self, key: Key, intent: Intent, slots: asyncio.Semaphore) -> None:
        try:
            await self._acting.put(key, intent)
        except (Refusal, EventLogError, nats.errors.Error, TimeoutError, OSError) as error:
            _log.warning("what is due has to wait", esp_id=key.esp_id, gpio=key.gpio, reason=repr(error))
            self._plan(key)
        else:
            return
        finally:
            slots.release()
        await asyncio.sleep(AGAIN_S)
        self._again(key, intent)

    def _again(self, key: Key, intent: Intent) -> None:
        """What no timer brings back: an arrival, a move into a stop, a status that nobody has looked at."""
        match intent:
            case HearStatus():
                self._looks[key] = None
            case Arrive():
                self._arrivals[key.esp_id] = None
            case Stop():
                self._moves[key.esp_id] = None
        self._wake.set()

    async def _begin(self) -> None:
        """Take over: what the one before may have left undone."""
        book = self._acting.book
        for key in book.actuators():
            state = book.state(key)
            if state.sent is not None:
                self._looks[key] = None
                with contextlib.suppress(EventLogError):  # the next try is due soon
                    await self._acting.send_again(key)
            if state.waiting is not None and state.waiting.held:
                self._arrivals[key.esp_id] = None
            if state.drift is not None:
                self._looks[key] = None
            self._moves[key.esp_id] = None
        self._wake.set()

    def _sleep_s(self) -> float:
        if not self._lease.held:
            return LONGEST_SLEEP_S
        if self._looks or self._arrivals or self._moves:
            return 0.0
        moment = self._timers.next_at()
        return LONGEST_SLEEP_S if moment is None else min(LONGEST_SLEEP_S, max(0.0, moment - time.monotonic()))

    def _held_for(self, esp_id: str) -> list[Key]:
        keys = [Key(esp_id, gpio) for gpio in sorted(self._acting.surroundings.pins(esp_id))]
        states = ((key, self._acting.book.state(key)) for key in keys)
        return [key for key, state in states if state.waiting is not None and state.waiting.held]

    def _plan(self, key: Key) -> None:
        surroundings = self._acting.surroundings
        member, shadow = surroundings.roster.get(key.esp_id), surroundings.shadow(key)
        seen = shadows.seen(shadow, member, key.gpio, surroundings.reset_at(key.esp_id))
        wanted = dues(self._acting.book.state(key), seen, surroundings.patience)
        if self._timers.plan(key, wanted, wall=now_us(), monotonic=time.monotonic()):
            self._wake.set()

    def _happened(self, key: Key, event: Fact, seq: int) -> None:
        """An event of an actuator: other moments count now, and its status may have come before it."""
        del event, seq
        if self._newer_than(key):
            self._look(key)
        self._plan(key)

    def _told(self, key: Key, seq: int) -> None:
        """A status."""
        book = self._acting.book
        state = book.state(key)
        if (state.sent is not None and seq > book.sent_seq(key)) or state.drift is not None:
            self._look(key)
        self._plan(key)

    def _changed(self, before: Member, after: Member) -> None:
        """A device came, went, or is another."""
        if after.online and not before.online:
            self._arrivals[after.esp_id] = None
            self._wake.set()
        if (before.zones, before.kaiser_id) != (after.zones, after.kaiser_id):
            self._moves[after.esp_id] = None
            self._wake.set()
        if (before.online, before.booted_at, before.lost_at) == (after.online, after.booted_at, after.lost_at):
            return
        self._reset(after.esp_id)

    def _reset(self, esp_id: str) -> None:
        """A device was configured or started anew, or came or went: other moments count for all that hangs on it."""
        for gpio in self._acting.surroundings.pins(esp_id):
            self._plan(Key(esp_id, gpio))

    def _look(self, key: Key) -> None:
        self._looks[key] = None
        self._wake.set()
