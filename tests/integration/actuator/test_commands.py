"""The life of commands, event by event."""

DEC, HEAD = "ESP_0A1B2C", "ESP_9F03D4"
PUMP, VALVE, DIMMER, INVERTED = 25, 26, 27, 32


async def test_a_command_is_requested_approved_dispatched_acknowledged_and_succeeds_under_one_correlation_id(there):
    command = await there.send(DEC, PUMP, "ON", correlation_id="c-1")
    assert (command.state, command.action, command.level, command.by) == ("requested", "ON", 1.0, "ada")
    await there.sent(command.command_id)
    assert there.told(command.command_id) == [{"command": "ON", "value": 1.0, "duration": 0}]
    await there.respond(DEC, PUMP, "ON")
    await there.status(DEC, PUMP, 255)
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code) == ("succeeded", "")
    names = [type(fact).__name__ for fact in there.of(command.command_id)]
    assert names == ["CommandRequested", "CommandDispatched", "CommandAcknowledged", "CommandEnded"]
    assert {fact.correlation_id for fact in there.of(command.command_id)} == {"c-1"}
    seen = await there.command(command.command_id, wait_s=5)
    assert (seen.state, seen.attempts) == ("succeeded", 1)
    assert list(seen.steps) == ["requested", "dispatched", "acknowledged", "succeeded"]
