"""More at once than one batch of events has room for."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import ActuatorRef, ActuatorStopped
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE
from kaiser.contracts.wire import ActuatorAlert
from kaiser.safety.consumers import ActAtAlerts
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.watch import Watch
from kaiser.safety.writing import MOST_AT_ONCE

from .builders import NOW, Site

PINS = (25, 26, 27, 14)


class Written:
    """A log that takes everything of a batch that it has room for, as the writer of safety does."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self.facts: list[Fact] = []

    async def write(self, decide: Callable[[], Sequence[Fact]]) -> Sequence[tuple[int, Fact]]:
        facts = decide()[:MOST_AT_ONCE]
        numbered = [(len(self.facts) + i, fact) for i, fact in enumerate(facts, 1)]
        self.facts += facts
        self.followed.wrote(numbered)
        return numbered


def name(number: int) -> str:
    return f"ESP_{number:06X}"


def alert(seq: int) -> Any:
    said = ActuatorAlert(
        esp_id=name(seq), ts=0, gpio=GPIO_WHOLE_DEVICE, alert_type="hardware_error", message="", zone_id=""
    )
    body = DeviceSaid(kaiser_id="god", esp_id=name(seq), generation="dec", received_at=NOW, message=said)
    return SimpleNamespace(seq=seq, type=SAID[ActuatorAlert].name, data=encode(body), subject="")


async def test_each_of_many_devices_that_report_a_fault_at_once_is_stopped():
    followed = Followed(None)  # type: ignore[arg-type]  # nothing is read
    devices = range(1, 1 + MOST_AT_ONCE // len(PINS) + 50)
    followed.state.pins.update({name(number): frozenset(PINS) for number in devices})
    log = Written(followed)
    acting = ActAtAlerts(followed, log, SimpleNamespace(wrote=lambda _: None))  # type: ignore[arg-type]
    await acting.handle([alert(number) for number in devices])
    stopped = {(fact.esp_id, fact.gpio) for fact in log.facts if isinstance(fact, ActuatorStopped)}
    assert stopped == {(name(number), pin) for number in devices for pin in PINS}
    assert len(followed.alerts.open()) == len(devices)


async def test_what_one_batch_of_stops_has_no_room_for_is_found_again_at_once():
    site = Site()
    refs = [ActuatorRef(name(number), 25) for number in range(1, MOST_AT_ONCE + 20)]
    for ref in refs:
        site.status(ref, 1.0)
    followed = Followed(None)  # type: ignore[arg-type]  # nothing is read
    followed.state = site.state
    site.emergency()
    log = Written(followed)
    watch = Watch(followed, log, SimpleNamespace(wrote=lambda _: None))  # type: ignore[arg-type]
    assert await watch._step(refs) == MOST_AT_ONCE
