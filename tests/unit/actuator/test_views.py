"""Commands as others see them: the same from memory and from rows."""

import random

from kaiser.actuator.archive import MOST_COMMANDS, Archive
from kaiser.actuator.book import Key
from kaiser.actuator.projections import merged
from kaiser.actuator.views import told

from .world import World


def lived() -> World:
    world = World()
    command_id = world.ask("ON", key="k", reason="dry", by="ada")
    world.approve(command_id)
    world.wait(1)
    world.respond("ON")
    world.status(1.0)
    world.reject(world.ask("ON"))
    late = world.ask("OFF", timeout_s=2)
    world.wait(3)
    world.respond("OFF")
    assert world.ends[late].outcome == "expired"
    return world


def test_a_command_shows_its_steps_with_their_times():
    world = lived()
    command = None
    for seq, fact in enumerate(world.facts, 1):
        if getattr(fact, "command_id", "") == "c1":
            command = told(command, fact, seq)
    assert (command.state, command.attempts, command.decision_seq, command.by) == ("succeeded", 1, 1, "ada")
    assert list(command.steps) == ["requested", "dispatched", "acknowledged", "succeeded"]
    assert command.ended_at == command.steps["succeeded"] > command.requested_at


def test_rows_say_the_same_as_memory():
    world = lived()
    archive = Archive()
    numbered = [(seq, fact) for seq, fact in enumerate(world.facts, 1) if hasattr(fact, "command_id")]
    for seq, fact in numbered:
        archive.take(Key("ESP_0A1B2C", 25), fact, seq)
    for row in merged(numbered):
        command = archive.get(row.command_id)
        for name in command.__struct_fields__:
            assert (getattr(row, name) or 0) == (getattr(command, name) or 0), (row.command_id, name)


def test_the_archive_forgets_the_oldest_that_has_ended():
    world = lived()
    archive = Archive()
    for seq, fact in enumerate(world.facts, 1):
        archive.take(Key("ESP_0A1B2C", 25), fact, seq)
    world = World()
    dice = random.Random(1)
    while len(world.requested) < MOST_COMMANDS + 10:
        world.ask(dice.choice(("ON", "OFF")))
    for seq, fact in enumerate(world.facts, 1):
        archive.take(Key("ESP_0A1B2C", 25), fact, seq)
    assert len(archive) == MOST_COMMANDS
    assert archive.get(world.state.open[-1].id) is not None
