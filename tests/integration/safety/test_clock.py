"""Longest runs on a real process whose wall clock is set, before and after it is killed."""

import time

import pytest
from tests.integration.safety.site import ESP
from tests.integration.wall_clock import WallClock

from kaiser.contracts.events.safeguards import ActuatorStopped, Limits
from kaiser.contracts.safeguarding import SetLimits
from kaiser.local.ephemeral_services import safety

HOUR_S = 3600
MAX_ON_S = 5


@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S], ids=["set-back", "set-forward"])
async def test_a_run_is_ended_whatever_is_done_to_the_wall_clock(
    site, tmp_path, monkeypatch, nats_server, postgres, off_s, killed
):
    clock = WallClock(tmp_path / "clock", monkeypatch)
    service = safety(tmp_path / "safety", nats_server, postgres, lease_s="1")
    try:
        service.start()
        await site.has_device()
        limits = Limits(max_on_s=MAX_ON_S)
        assert (await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=limits))).ok
        began = time.monotonic()
        await site.runs()
        clock.set(off_s)
        if killed:
            service.kill()
            service.start()
        stopped = await site.one(ActuatorStopped)
        assert stopped.rule == "max_on"
        assert abs(stopped.at / 1e6 - time.time() - off_s) < HOUR_S / 2, "it has that time of day"
        assert off_s > 0 or time.monotonic() - began >= MAX_ON_S, "a clock that is set forward ends it early"
    finally:
        service.kill()
