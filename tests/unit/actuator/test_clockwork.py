"""What happens once and is to be done although the log takes nothing at that moment."""

import asyncio
import contextlib

import pytest

from kaiser.actuator import clockwork
from kaiser.actuator.acting import Acting
from kaiser.actuator.book import Book, Decided, Key
from kaiser.actuator.clockwork import Clockwork
from kaiser.actuator.commands import Arrive, Intent, Patience, Stop
from kaiser.actuator.metrics import ActuatorMetrics
from kaiser.actuator.state import NEW, evolve
from kaiser.actuator.surroundings import Surroundings
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.device import DeviceDiscovered
from kaiser.contracts.events.registry import ZoneOrdered
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.eventlog import LogFull
from kaiser.roster import Roster

ESP, GPIO, AT = "ESP_0A1B2C", 25, 1_777_500_000_000_000
KEY = Key(ESP, GPIO)


class Refused(Acting):
    """Stores nothing at the first time of asking."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(None, Book(None), surroundings, ActuatorMetrics())  # type: ignore[arg-type]  # no log is asked
        self.asked: list[Intent] = []
        self.stored = asyncio.Event()

    async def put(self, key: Key, intent: Intent) -> Decided:
        assert key == KEY
        self.asked.append(intent)
        if len(self.asked) == 1:
            raise LogFull("no room", [])
        self.stored.set()
        return Decided(NEW, ())


class Held:
    """A lease that is ours."""

    held = True


def acting() -> Refused:
    """A device that is away, with an ON that waits for it."""
    surroundings = Surroundings(Roster(), Patience())
    made = Refused(surroundings)
    surroundings._of_device[ESP] = {GPIO}  # as its status would have told
    request = CommandRequested(
        kaiser_id="god", esp_id=ESP, gpio=GPIO, at=AT, command_id="c1", correlation_id="c1", action="ON", asked="ON",
        level=1.0, source="user", by="ada", deadline_at=AT * 2, held_until=AT * 2,
    )  # fmt: skip
    made.book.page(KEY).state = evolve(NEW, request)
    return made


async def tried_again(made: Refused, happens, kind: type[Intent]) -> None:
    works = Clockwork(made, Held())  # type: ignore[arg-type]  # nothing else of it is asked
    running = asyncio.create_task(works.run())
    happens()
    async with asyncio.timeout(30):
        await made.stored.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert len(made.asked) == 2
    assert all(isinstance(one, kind) for one in made.asked)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(clockwork, "AGAIN_S", 0.01)


async def test_the_arrival_of_a_device_that_something_waits_for_is_not_forgotten():
    made = acting()
    come = DeviceDiscovered(kaiser_id="god", esp_id=ESP, received_at=AT + 1, generation="dec")
    await tried_again(made, lambda: made.surroundings.roster.take(come), Arrive)


async def test_a_move_into_a_stop_is_not_forgotten():
    made = acting()
    scope = Scope(kind="zone", zone_id="north")
    stop = EmergencyRequested(at=AT, by="ada", emergency_id="e1", scope=scope, reason="smoke")
    made.surroundings.latches.take(stop, 1)
    names = {"zone_name": "", "master_zone_id": "", "into_kaiser_id": "god"}
    moved = ZoneOrdered(kaiser_id="god", esp_id=ESP, zone_id="north", at=AT + 1, by="ada", **names)
    await tried_again(made, lambda: made.surroundings.roster.take(moved), Stop)
