"""What an alert means and what is done at it, and storms of them folded. Pure.

The wire contract has an open list of kinds (section 4.7), so one that nobody knows is noted. What is done at an alert
does not depend on whether it was folded: a repetition stops an actuator that was switched on again meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from kaiser.contracts.events.safeguards import (
    AlertCleared,
    AlertFolded,
    AlertRaised,
    EmergencyRequested,
)
from kaiser.contracts.safeguarding import Alert
from kaiser.safety.acting import MEANINGS, UNKNOWN, Alarm, Situation, acts
from kaiser.safety.events import KAISER, Fact

MINUTE_US: Final = 60_000_000
MOST_KINDS: Final = 20
"""Alerts that one actuator may have open; a device that invents kinds gets ``other`` for the rest."""
OTHER: Final = "other"


class OpenAlert(msgspec.Struct):
    """An alert that is not over.

    Attributes:
        raised: As it was raised.
        seq: Sequence in ACTUATORS of the last repetition that is in the count.
        count: How often it was raised by now.
        told: The count that was last written to the log.
        told_at: When that was, unix microseconds.
    """

    raised: AlertRaised
    seq: int = 0
    count: int = 1
    last_at: int = 0
    told: int = 1
    told_at: int = 0


Key = tuple[str, int, str]
"""Device, pin and kind."""


class Answer(NamedTuple):
    """What follows from alarms: events to write, and counts to keep once they are written."""

    facts: Sequence[Fact]
    counted: Mapping[Key, OpenAlert]


class Alerts:
    """The open alerts, as the events of safety make them."""

    def __init__(self) -> None:
        self._open: dict[Key, OpenAlert] = {}
        self._kinds: dict[tuple[str, int], int] = {}

    def fold(self, fact: Fact) -> None:
        """Take an event in."""
        match fact:
            case AlertRaised():
                key = (fact.esp_id, fact.gpio, fact.kind)
                if key not in self._open:
                    self._kinds[key[:2]] = self._kinds.get(key[:2], 0) + 1
                    self._open[key] = OpenAlert(fact, seq_of(fact.alert_id), last_at=fact.at, told_at=fact.at)
            case AlertFolded():
                alert = self._open.get((fact.esp_id, fact.gpio, fact.kind))
                if alert is not None and alert.raised.alert_id == fact.alert_id:
                    alert.told, alert.told_at = fact.count, fact.at
                    alert.count, alert.last_at = max(alert.count, fact.count), max(alert.last_at, fact.last_at)
            case AlertCleared():
                key = (fact.esp_id, fact.gpio, fact.kind)
                if self._open.pop(key, None) is not None:
                    self._kinds[key[:2]] -= 1

    def keep(self, counted: Mapping[Key, OpenAlert]) -> None:
        """Keep counts, now that what was to be said of them is in the log."""
        for key, alert in counted.items():
            known = self._open.get(key)
            if known is not None and known.raised.alert_id == alert.raised.alert_id and alert.count > known.count:
                known.count, known.last_at, known.seq = alert.count, alert.last_at, max(known.seq, alert.seq)

    def open(self) -> Sequence[OpenAlert]:
        """All of them, in no order."""
        return tuple(self._open.values())

    def facts(self) -> Iterable[Fact]:
        """Events that make the same alerts: as they were raised, and how often by now."""
        for alert in self._open.values():
            yield alert.raised
            if alert.count > 1:
                yield folded(alert, alert.told_at)

    def get(self, esp_id: str, gpio: int, kind: str) -> OpenAlert | None:
        """The open alert of a kind; None for none."""
        return self._open.get((esp_id, gpio, kind))

    def by_id(self, alert_id: str) -> OpenAlert | None:
        """An open alert; None for none."""
        return next((alert for alert in self._open.values() if alert.raised.alert_id == alert_id), None)

    def answer(self, alarms: Sequence[Alarm], situation: Situation, now: int) -> Answer:
        """What follows from alarms, in their order.

        Args:
            alarms: New ones.
            situation: What is known of actuators.
            now: Unix microseconds.
        """
        facts: list[Fact] = []
        touched: dict[Key, OpenAlert] = {}
        acted: set[tuple[str, int]] = set()
        for alarm in alarms:
            key = self._key(alarm, touched)
            alert = touched.get(key) or self._open.get(key)
            if alert is not None and alarm.seq and alarm.seq <= alert.seq:
                continue  # delivered again, and in the count already
            done = acts(alarm, situation, acted, now, anew=alert is None)
            facts += done
            if alert is None:
                new = raised(alarm, kind=key[2], done=done)
                facts.append(new)
                touched[key] = OpenAlert(new, alarm.seq, last_at=alarm.at, told_at=now)
            else:
                touched[key] = msgspec.structs.replace(
                    alert, count=alert.count + 1, last_at=max(alert.last_at, alarm.at), seq=max(alert.seq, alarm.seq)
                )
        facts += [folded(alert, now) for alert in touched.values() if _worth_telling(alert, now)]
        return Answer(facts, touched)

    def fitting(self, alarms: Sequence[Alarm], situation: Situation, now: int, *, most: int) -> tuple[Answer, int]:
        """What follows from the first of some alarms, and from how many: at most so many events, but for one alarm."""
        taken = len(alarms)
        while len((answer := self.answer(alarms[:taken], situation, now)).facts) > most and taken > 1:
            taken //= 2
        return answer, taken

    def overdue(self, now: int) -> Sequence[AlertFolded]:
        """Counts that have grown and were told more than a minute ago."""
        grown = (alert for alert in self._open.values() if alert.count > alert.told)
        return [folded(alert, now) for alert in grown if now - alert.told_at >= MINUTE_US]

    def _key(self, alarm: Alarm, touched: Mapping[Key, OpenAlert]) -> Key:
        key = (alarm.esp_id, alarm.gpio, alarm.kind)
        if key in self._open or key in touched or alarm.kind in MEANINGS:
            return key
        fresh = sum(other[:2] == key[:2] and other not in self._open for other in touched)
        full = self._kinds.get(key[:2], 0) + fresh >= MOST_KINDS
        return (alarm.esp_id, alarm.gpio, OTHER) if full else key


def raised(alarm: Alarm, *, kind: str = "", done: Sequence[Fact] = ()) -> AlertRaised:
    """A new alert, as an event.

    Args:
        alarm: What it is about.
        kind: What it is called; empty for the alarm's own kind.
        done: What is done at it.
    """
    latched = any(isinstance(fact, EmergencyRequested) for fact in done)
    renamed = kind not in ("", alarm.kind)
    return AlertRaised(
        at=alarm.at,
        by=KAISER,
        alert_id=alarm.alert_id,
        kaiser_id=alarm.kaiser_id,
        esp_id=alarm.esp_id,
        gpio=alarm.gpio,
        kind=kind or alarm.kind,
        severity=MEANINGS.get(alarm.kind, UNKNOWN).severity,
        detail=f"{alarm.kind}: {alarm.detail}" if renamed else alarm.detail,
        acted="latched" if latched else "stopped" if done else "noted",
    )


def folded(alert: OpenAlert, now: int) -> AlertFolded:
    """How often an alert was raised by now, as an event."""
    first = alert.raised
    return AlertFolded(
        at=now,
        by=KAISER,
        alert_id=first.alert_id,
        esp_id=first.esp_id,
        gpio=first.gpio,
        kind=first.kind,
        count=alert.count,
        last_at=alert.last_at,
    )


def cleared(
    alert: OpenAlert, now: int, *, by: str = KAISER, reason: str = "", correlation_id: str = ""
) -> AlertCleared:
    """That an alert is over, as an event."""
    first = alert.raised
    return AlertCleared(
        at=now,
        by=by,
        correlation_id=correlation_id,
        alert_id=first.alert_id,
        esp_id=first.esp_id,
        gpio=first.gpio,
        kind=first.kind,
        reason=reason,
    )


def shown(alert: OpenAlert) -> Alert:
    """An open alert, for people."""
    raised = alert.raised
    return Alert(
        alert_id=raised.alert_id,
        esp_id=raised.esp_id,
        gpio=raised.gpio,
        kind=raised.kind,
        severity=raised.severity,
        detail=raised.detail,
        acted=raised.acted,
        raised_at=raised.at,
        last_at=alert.last_at,
        count=alert.count,
    )


def device_alert_id(seq: int) -> str:
    """Id of the alert that a device's message raised, the same whenever it is read."""
    return f"a{seq}"


def seq_of(alert_id: str) -> int:
    """Sequence in ACTUATORS of the device's message that raised an alert; 0 where none did."""
    return int(alert_id[1:]) if alert_id[:1] == "a" and alert_id[1:].isdecimal() else 0


def _worth_telling(alert: OpenAlert, now: int) -> bool:
    """At 10, 100, 1000, … or once a minute; several steps at once are one event."""
    if alert.count == alert.told:
        return False
    return len(str(alert.count)) > len(str(alert.told)) or now - alert.told_at >= MINUTE_US
