"""Takes devices out of an emergency whose stop was released, so that they take commands again. Switches nothing on.

``head`` is told so; ``dec`` knows no such message, and leaves its emergency when it is configured again (wire contract,
section 5.5). What is left to clear is read from the devices' own statuses, so a restart forgets nothing.
"""

import asyncio
import time
from typing import Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.commands import ConfigureAgain, DeviceDecided
from kaiser.contracts.events.safeguards import ActuatorRef, AlertCleared
from kaiser.contracts.queries import Reply
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE
from kaiser.eventlog import EventLog, EventLogError, now_us
from kaiser.safety import alerts, downlinks
from kaiser.safety.acting import Alarm
from kaiser.safety.emergencies import Known
from kaiser.safety.events import KAISER
from kaiser.safety.following import Followed
from kaiser.safety.writing import Writer

_log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
PAUSES_S: Final = (6.0, 10.0, 20.0, 40.0, 60.0)
"""Between two tries at a ``head`` device, which takes two seconds to resume; the last one for ever."""
CONFIG_PAUSE_S: Final = 150.0
"""Between two tries at a ``dec`` device: ingest tells a configuration for some minutes by itself."""
ALARMED_AFTER: Final = 3
LIFETIME_US: Final = 5_000_000
ASK_S: Final = 3.0
AGAIN: Final = subjects.command("ingest", "configure_again")
KIND: Final = "clear_unconfirmed"

_decode = msgspec.json.Decoder(Reply[DeviceDecided]).decode


class _Try(msgspec.Struct):
    tries: int = 0
    next_at: float = 0.0


class Clearing:
    """Devices on their way out of an emergency.

    Args:
        log: Where messages to devices go.
        followed: What is known.
        writer: Notes who does not come out of it.
    """

    def __init__(self, log: EventLog, followed: Followed, writer: Writer) -> None:
        self._log = log
        self._followed = followed
        self._writer = writer
        self._tries: dict[str, _Try] = {}

    async def run(self) -> None:
        """Clear, until cancelled."""
        while True:
            try:
                await self._step()
            except (EventLogError, nats.errors.Error, TimeoutError) as error:
                _log.warning("emergencies cannot be cleared now", reason=repr(error))
            await asyncio.sleep(LOOK_S)

    async def _step(self) -> None:
        now, clock = now_us(), time.monotonic()
        waiting = self._followed.latches.to_clear(self._followed.actuators(), now)
        for gone in self._tries.keys() - waiting.keys():
            del self._tries[gone]
            await self._over(gone)
        for esp_id, known in waiting.items():
            tried = self._tries.setdefault(esp_id, _Try())
            if tried.next_at <= clock and self._followed.state.member(esp_id).online:
                pause = PAUSES_S[min(tried.tries, len(PAUSES_S) - 1)]
                tried.tries += 1
                tried.next_at = clock + (pause if known.generation == "head" else CONFIG_PAUSE_S)
                await self._clear(known, tried.tries, now)
                if tried.tries > ALARMED_AFTER:
                    await self._alarm(known, tried.tries, now)

    async def _clear(self, known: Known, tries: int, now: int) -> None:
        if known.generation == "head":
            expires_at = now + LIFETIME_US
            await self._log.publish(
                downlinks.clear(known.kaiser_id, known.esp_id, tries=tries, at=now, expires_at=expires_at)
            )
            _log.info("device told that its emergency is over", esp_id=known.esp_id, tries=tries)
            return
        order = ConfigureAgain(esp_id=known.esp_id, by=KAISER, reason="an emergency stop of the site was released")
        answer = await self._log.nc.request(AGAIN, msgspec.json.encode(order), timeout=ASK_S)
        problem = _decode(answer.data).problem
        if problem is None:
            _log.info("device is configured again to leave its emergency", esp_id=known.esp_id)
        else:
            _log.warning("device cannot be configured again", esp_id=known.esp_id, reason=problem.detail)

    async def _alarm(self, known: Known, tries: int, now: int) -> None:
        alarm = Alarm(
            alert_id=f"clear.{known.esp_id}.{now}",
            kaiser_id=known.kaiser_id,
            esp_id=known.esp_id,
            gpio=GPIO_WHOLE_DEVICE,
            kind=KIND,
            at=now,
            detail=f"told {tries} times that its emergency is over, and still says that it is in it",
        )
        open_alerts = self._followed.alerts
        await self._writer.write(
            lambda: () if open_alerts.get(known.esp_id, GPIO_WHOLE_DEVICE, KIND) else (alerts.raised(alarm),)
        )

    async def _over(self, esp_id: str) -> None:
        def over() -> tuple[AlertCleared, ...]:
            alert = self._followed.alerts.get(esp_id, GPIO_WHOLE_DEVICE, KIND)
            return () if alert is None else (alerts.cleared(alert, now_us(), reason="the device left its emergency"),)

        await self._writer.write(over)


def still_stopped(followed: Followed, ref: ActuatorRef, now: int) -> bool:
    """Whether an actuator is under an emergency stop, or its device still is although that was released."""
    known = followed.actuator(ref)
    return followed.latches.covers(known) or followed.latches.clearing(known, now)
