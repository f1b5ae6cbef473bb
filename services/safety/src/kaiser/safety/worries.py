"""Alarms of safety's own: states that nobody knows, and outputs that are on without a command. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.safety import alerts
from kaiser.safety.acting import Alarm
from kaiser.safety.alerts import Alerts
from kaiser.safety.events import Fact
from kaiser.safety.state import State

SETTLED_US: Final = 10_000_000
"""A status that shows an output on for so long was not overtaken by a command on its way; a valve travels for 5 s."""
UNKNOWN: Final = "unknown_state"
UNCOMMANDED: Final = "uncommanded"


class Worry(NamedTuple):
    """Whether there is cause for an alarm about an actuator, since when, and in words."""

    kind: str
    since: int
    words: str


def worries(state: State, ref: ActuatorRef, now: int) -> Sequence[Worry]:
    """What there is to worry about an actuator."""
    output, guard, view, member = state.output(ref), state.guard(ref), state.view(ref), state.member(ref.esp_id)
    found = []
    if view.evident and not member.online and member.lost_at:
        found.append(Worry(UNKNOWN, member.lost_at, f"its device vanished ({member.lost_because}) while it was on"))
    on_since = output.reported_on_since
    wanted = guard.approved_seq > 0 or guard.stop is not None or output.command_level > 0 or not output.ended
    if on_since and view.known and not wanted and now - on_since >= SETTLED_US:
        found.append(Worry(UNCOMMANDED, on_since, "its status says that it is on, and no command was approved"))
    return found


def alarms(state: State, open_alerts: Alerts, refs: Iterable[ActuatorRef], now: int) -> Sequence[Fact]:
    """Alerts that are to be raised, and those whose cause is gone.

    An actuator whose device is back is known again only when its status has said what it is.
    """
    facts: list[Fact] = []
    for ref in refs:
        found = {worry.kind: worry for worry in worries(state, ref, now)}
        for kind in (UNKNOWN, UNCOMMANDED):
            alert, worry = open_alerts.get(ref.esp_id, ref.gpio, kind), found.get(kind)
            if alert is None and worry is not None:
                facts.append(alerts.raised(_alarm(state, ref, worry, now)))
            elif alert is not None and worry is None and state.view(ref).known:
                facts.append(alerts.cleared(alert, now, reason="its status says what it is"))
    return facts


def _alarm(state: State, ref: ActuatorRef, worry: Worry, now: int) -> Alarm:
    return Alarm(
        alert_id=f"{worry.kind}.{ref.esp_id}.{ref.gpio}.{worry.since}",
        kaiser_id=state.member(ref.esp_id).kaiser_id,
        esp_id=ref.esp_id,
        gpio=ref.gpio,
        kind=worry.kind,
        at=now,
        detail=worry.words,
    )
