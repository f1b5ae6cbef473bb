"""Every state change has its whole chain of causes in one call, down to the bytes of a device or to somebody (D9).

The short one is in ``make test``; the long one, at the size that ``field.md`` asks for, in ``make chaos``.
"""

import json

import pytest

from .day import DRY, PUMP, SOIL, Change, Day
from .suite import Suite, logged_in


def explained(day: Day, change: Change) -> None:
    """Hold what one call said about a change to what was really sent and ordered."""
    status, chain = change.status, change.chain
    esp = status["data"]["esp_id"]
    assert (chain["complete"], chain["missing"], chain["cut_because"]) == (True, [], []), chain
    (own,) = chain["sent"]
    topic = f"kaiser/god/esp/{esp}/actuator/{PUMP}/status"
    assert (own["topic"], own["text"].encode() in day.said[topic]) == (topic, True)
    assert json.loads(own["text"])["state"] is change.on
    kinds = {cause["event"]["type"] for cause in chain["causes"]}
    asked = {f"io.kaiser.{kind}.v1" for kind in ("command.requested", "safety.command_approved", "command.dispatched")}
    if change.on:
        assert asked | {"io.kaiser.run.started.v1", "io.kaiser.rule.defined.v1"} <= kinds, kinds
        (dry,) = change.sent()
        assert dry in day.said[f"kaiser/god/esp/{esp}/sensor/{SOIL}/data"]
        assert json.loads(dry)["raw"] == DRY
    else:
        assert {"io.kaiser.command.requested.v1", "io.kaiser.command.dispatched.v1"} <= kinds, kinds
        assert change.sent() == []
        assert [(entry["data"]["username"], entry["data"]["address"]) for entry in change.root("user")] == [
            ("admin", "127.0.0.1")
        ]


async def every_change_is_explained(suite: Suite, *, devices: int, hours: int, readings: int) -> None:
    """Live some hours, and hold every change to it."""
    async with logged_in(suite.gateway) as api, Day(suite.mosquitto, api, devices=devices).lived() as day:
        await day.hours(hours, readings=readings)
        changes = await day.changes()
        assert len(changes) == devices * (1 + 2 * hours), "off at first, and on and off in each hour"
        for change in changes:
            explained(day, change)


async def test_every_change_of_two_hours_is_explained_in_one_call(suite: Suite) -> None:
    await every_change_is_explained(suite, devices=4, hours=2, readings=20)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_every_change_of_a_day_with_fifty_rules_is_explained_in_one_call(suite: Suite) -> None:
    await every_change_is_explained(suite, devices=50, hours=24, readings=120)
