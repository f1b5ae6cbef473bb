"""What the registry held of a device, and how its sensors were calibrated, at a past time."""

import msgspec
import pytest

from kaiser.contracts import commands
from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.queries import CalibrationQuery
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import message_at, now_us
from kaiser.ingest.as_of import AsOf
from kaiser.physics import families

from .test_calibrations import ESP, PH, site

__all__ = ("site",)  # a fixture


@pytest.fixture
def was(site):
    as_of = AsOf(site.log, families())

    async def was(kind, at=0, seq=0, name=ESP):
        return await as_of.state_at(StateAtQuery(kind=kind, name=name, at=at or now_us(), seq=seq), now_us())

    return was


async def refused(asking) -> str:
    with pytest.raises(Refusal) as error:
        await asking
    return error.value.code


async def test_the_registry_held_what_was_decided_by_then_and_shows_no_key(site, was):
    before = now_us()
    named = await site.orders.rename(commands.RenameDevice(esp_id=ESP, by="eva", name="North"), now_us())
    placed = await site.orders.assign_zone(commands.AssignZone(esp_id=ESP, by="eva", zone_id="tent"), now_us())
    then = await was("registry", before)
    assert (then.state["standing"], then.state["name"], then.state["zone"]) == ("approved", "", None)
    assert (then.stream, then.state["esp_id"], "digest" in then.state, then.state["key_id"] != "") == (
        "DEVICES", ESP, False, True,
    )  # fmt: skip
    between = await was("registry", seq=named.seq)
    assert (between.seq, between.state["name"], between.state["zone"]) == (named.seq, "North", None)
    now = await was("registry")
    assert (now.seq, now.state["zone"]["zone_id"], now.state["zone_outcome"]) == (placed.seq, "tent", None)
    held = msgspec.to_builtins(await site.orders.device(ESP))
    assert now.state == {name: value for name, value in held.items() if name != "digest"} | {"esp_id": ESP}
    assert await refused(was("registry", 1)) == "EVENT_NOT_FOUND"
    assert await refused(was("registry", name="ESP_DEAD00")) == "EVENT_NOT_FOUND"
    assert await refused(was("toy")) == "VALUE_OUT_OF_RANGE"


async def test_sensors_were_calibrated_as_their_events_say(site, was):
    assert await refused(was("calibration")) == "EVENT_NOT_FOUND"
    finished = await site.calibrate()
    live = msgspec.to_builtins(await site.calibrations.shown(CalibrationQuery(esp_id=ESP, sensor=PH), now_us()))
    now = await was("calibration")
    assert (now.state, now.seq) == ({"esp_id": ESP, "sensors": [live]}, finished.seq)
    stored_at = (await message_at(site.log, "DEVICES", finished.seq)).stored_at
    (then,) = (await was("calibration", stored_at - 1)).state["sensors"]
    assert (then["in_force"], then["sessions"][0]["state"], len(then["sessions"][0]["points"])) == (None, "open", 2)
