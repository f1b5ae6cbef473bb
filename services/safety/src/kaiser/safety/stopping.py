"""Tells what was stopped OFF until its status says so, straight into DOWNLINK, without the actuator service."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

import structlog

from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.eventlog import Event, EventLog, EventLogError, now_us
from kaiser.safety import alerts, downlinks, stops
from kaiser.safety.acting import Alarm
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.latching import is_off
from kaiser.safety.stints import Stint
from kaiser.safety.stops import OpenStop
from kaiser.safety.writing import Writer

_log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
"""Between two looks where nothing happens."""
AGAIN_S: Final = 1.0
LIFETIME_US: Final = 20_000_000
"""An OFF that could not be given to the broker by then is not given any more; another one follows."""
AT_ONCE: Final = 500


class Stopping:
    """The open stops on their way.

    Args:
        log: Where messages to devices go.
        followed: What is known.
        writer: Notes what came of a stop.

    Attributes:
        stint: How long what is to be told waits for the log.
    """

    def __init__(self, log: EventLog, followed: Followed, writer: Writer) -> None:
        self.stint = Stint()
        self._log = log
        self._followed = followed
        self._writer = writer
        self._wake = asyncio.Event()
        followed.on_change.append(self._wake.set)
        followed.on_return.append(self._returned)

    async def run(self) -> None:
        """Tell, until cancelled."""
        self.stint.done()
        while True:
            try:
                self.stint.begin(time.monotonic())
                await self._step()
                self.stint.done()
            except EventLogError as error:
                _log.warning("stops wait for the log", reason=repr(error))
                await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _step(self) -> None:
        if not self._followed.stops.open():
            return
        await self._writer.write(self._settled)
        now, clock = now_us(), time.monotonic()
        due = [stop for stop in self._followed.stops.open() if stop.is_due(clock, self._on_at(stop))][:AT_ONCE]
        messages: list[Event] = []
        for stop in due:
            message = self._off(stop, now)
            stop.told(now, clock)
            if message is not None:
                messages.append(message)
        if messages:
            await self._log.publish_all(messages)
            _log.info("actuators told to go off", actuators=len(messages))

    def _on_at(self, stop: OpenStop) -> int:
        output = self._followed.state.output(stop.ref)
        return output.reported_at if output.level != 0 else 0

    def _settled(self) -> Sequence[Fact]:
        """What came of the stops: who is off, and who does not answer."""
        followed, now = self._followed, now_us()
        facts: list[Fact] = []
        for stop in followed.stops.open():
            if stop.tries and is_off(followed.state, stop.ref, stop.since):
                facts.append(stops.confirmed(stop, now))
                alert = followed.alerts.get(stop.ref.esp_id, stop.ref.gpio, "stop_unconfirmed")
                if alert is not None:
                    facts.append(alerts.cleared(alert, now, reason="its status says off"))
            elif stop.tries > stops.ALARMED_AFTER:
                facts += self._alarmed(stop, now)
        return facts

    def _alarmed(self, stop: OpenStop, now: int) -> Sequence[Fact]:
        stopped = stop.stopped
        if self._followed.alerts.get(stopped.esp_id, stopped.gpio, "stop_unconfirmed") is not None:
            return ()
        alarm = Alarm(
            alert_id=f"unconfirmed.{stopped.stop_id}",
            kaiser_id=stopped.kaiser_id,
            esp_id=stopped.esp_id,
            gpio=stopped.gpio,
            kind="stop_unconfirmed",
            at=now,
            detail=f"told OFF {stop.tries} times because of {stopped.rule}, and its status does not say off",
        )
        return (alerts.raised(alarm),)

    def _off(self, stop: OpenStop, now: int) -> Event | None:
        stopped = stop.stopped
        member = self._followed.state.member(stopped.esp_id)
        try:
            return downlinks.off(
                member.kaiser_id if member.esp_id else stopped.kaiser_id,
                stopped.esp_id,
                stopped.gpio,
                member.generation,
                stop_id=stopped.stop_id,
                tries=now,
                expires_at=now + LIFETIME_US,
            )
        except DownlinkForbiddenError as error:
            _log.error("an actuator cannot be told OFF", stop=stopped.stop_id, reason=error.reason)
            return None

    def _returned(self, esp_id: str) -> None:
        if self._followed.stops.hurry(esp_id):
            self._wake.set()
