"""Durations on a real process whose wall clock is set, before and after it is killed."""

import time

import pytest
from tests.integration.wall_clock import WallClock

from kaiser.contracts.events.actuation import CommandRequested

from .conftest import DEC, PUMP, known

HOUR_S = 3600
DURATION_S = 6


@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S], ids=["set-back", "set-forward"])
async def test_a_duration_ends_whatever_is_done_to_the_wall_clock(
    site, new_service, tmp_path, monkeypatch, off_s, killed
):
    """In time while the process lives; at most once more in all after it was killed and the clock was set back."""
    clock = WallClock(tmp_path / "clock", monkeypatch)
    service = new_service().start()
    await site.meet(DEC)
    await known(site, DEC)
    began = time.monotonic()
    command = await site.send(DEC, PUMP, "ON", duration_s=DURATION_S)
    await site.sent(command.command_id)
    await site.status(DEC, PUMP, 255)
    assert (await site.ended(command.command_id)).outcome == "succeeded"
    clock.set(off_s)
    if killed:
        service.kill()
        service.start()

    def timers() -> list[CommandRequested]:
        return [fact for fact in site.facts if isinstance(fact, CommandRequested) and fact.source == "timer"]

    (off,) = await site.until(timers, within_s=DURATION_S + 30)
    assert (off.action, off.causation_id) == ("OFF", command.command_id)
    assert abs(off.at / 1e6 - time.time() - off_s) < HOUR_S / 2, "it has that time of day"
    early = killed and off_s > 0  # nobody knows then how long it has run, and early is safe
    assert early or time.monotonic() - began >= DURATION_S
    await site.sent(off.command_id)
    await site.status(DEC, PUMP, 0)
    assert (await site.ended(off.command_id)).outcome == "succeeded"
