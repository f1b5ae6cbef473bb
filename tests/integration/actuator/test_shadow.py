"""Desired and reported states: drift, policies, history."""

from kaiser.contracts import actuation
from kaiser.contracts.events.actuation import CommandRequested, ShadowDrifted, ShadowPolicySet, ShadowSettled
from kaiser.eventlog import now_us

from .conftest import DEC, DIMMER, HEAD, PUMP, US, VALVE, known


async def on(site, esp_id: str, gpio: int) -> actuation.Command:
    command = await site.send(esp_id, gpio, "ON")
    await site.sent(command.command_id)
    await site.status(esp_id, gpio, 255)
    assert (await site.ended(command.command_id)).outcome == "succeeded"
    return command


async def policy(site, gpio: int, name: str) -> None:
    asked = actuation.SetShadowPolicy(esp_id=DEC, gpio=gpio, by="ada", policy=name, reason="tests")
    assert (await site.ask("command.actuator.set_policy", asked, actuation.Actuator)).policy == name


def of(site, kind, gpio: int) -> list:
    return [fact for fact in site.facts if isinstance(fact, kind) and fact.gpio == gpio]


async def test_an_actuator_shows_what_it_is_to_be_and_what_it_is(there):
    before = await there.actuator(DEC, PUMP)
    assert (before.actuator_type, before.name, before.known, before.desired, before.reported) == (
        "pump", "Pump", False, None, None,
    )  # fmt: skip
    command = await on(there, DEC, PUMP)
    end_seq = (await there.command(command.command_id)).seq
    shown = await there.actuator(DEC, PUMP, at_least=end_seq)
    assert (shown.known, shown.desired.level, shown.desired.version, shown.reported.level) == (True, 1.0, 1, 1.0)
    assert (shown.desired.command_id, shown.desired.by, shown.open_commands) == (command.command_id, "ada", [])
    await there.go(DEC)
    await known(there, DEC, online=False)
    assert not (await there.actuator(DEC, PUMP)).known


async def test_drift_is_said_once_and_shown(there):
    await on(there, DEC, PUMP)
    await there.status(DEC, PUMP, 0)
    drifted = (await there.until(lambda: of(there, ShadowDrifted, PUMP)))[0]
    assert (drifted.desired, drifted.reported, drifted.policy) == (1.0, 0.0, "alarm")
    asked = actuation.ActuatorsQuery(drifted=True)
    assert [one.gpio for one in (await there.page("actuators", asked, actuation.Actuator)).items] == [PUMP]
    await there.status(DEC, PUMP, 255)
    settled = (await there.until(lambda: of(there, ShadowSettled, PUMP)))[0]
    assert settled.how == "reported"
    assert len(of(there, ShadowDrifted, PUMP)) == 1


async def test_drift_is_asserted_again_by_a_command_that_safety_decides_on(there):
    first = await on(there, DEC, PUMP)
    await policy(there, PUMP, "reassert")
    await there.status(DEC, PUMP, 0)
    again = (await there.until(lambda: [one for one in of(there, CommandRequested, PUMP) if one.source == "drift"]))[0]
    assert (again.action, again.by, again.causation_id) == ("ON", "kaiser", first.command_id)
    assert (await there.sent(again.command_id)).decision_seq > 0


async def test_drift_is_accepted(there):
    await on(there, DEC, DIMMER)
    await policy(there, DIMMER, "accept")
    await there.status(DEC, DIMMER, 51)
    settled = (await there.until(lambda: of(there, ShadowSettled, DIMMER)))[0]
    assert (settled.desired, settled.how) == (51 / 255, "accepted")
    assert len(of(there, ShadowPolicySet, DIMMER)) == 1


async def test_lists_and_history_come_from_the_tables_a_page_at_a_time(there):
    start = now_us() - US
    commands = [await on(there, DEC, PUMP), await on(there, DEC, VALVE), await on(there, HEAD, PUMP)]
    for pwm in (255, 255, 0, 0, 255):
        await there.status(DEC, PUMP, pwm)

    async def first_page():
        page = await there.page("commands", actuation.CommandsQuery(limit=2), actuation.Command)
        return page if page.next_cursor is not None else None

    page = await there.eventually(first_page)
    rest = await there.page("commands", actuation.CommandsQuery(limit=2, cursor=page.next_cursor), actuation.Command)
    assert [one.command_id for one in (*page.items, *rest.items)] == [one.command_id for one in reversed(commands)]
    mine = actuation.CommandsQuery(esp_id=DEC, gpio=VALVE)
    assert [one.gpio for one in (await there.page("commands", mine, actuation.Command)).items] == [VALVE]
    states = actuation.StatesQuery(esp_id=DEC, gpio=PUMP, start=start, end=now_us() + US)

    async def history():
        found = await there.page("states", states, actuation.ReportedState)
        return found if len(found.items) >= 3 else None

    found = await there.eventually(history)
    assert [one.level for one in found.items] == [1.0, 0.0, 1.0]
    later = actuation.StatesQuery(esp_id=DEC, gpio=PUMP, start=found.items[1].at + 1, end=now_us() + US)
    assert [one.level for one in (await there.page("states", later, actuation.ReportedState)).items] == [0.0, 1.0]


async def test_a_command_reads_the_same_from_memory_and_from_the_table(there, service):
    command = await on(there, DEC, PUMP)
    remembered = await there.command(command.command_id)

    async def listed():
        page = await there.page("commands", actuation.CommandsQuery(outcome="succeeded"), actuation.Command)
        return page.items

    assert await there.eventually(listed) == [remembered]


async def test_all_actuators_are_listed_a_page_at_a_time(there):
    first = await there.page("actuators", actuation.ActuatorsQuery(limit=5), actuation.Actuator)
    rest = await there.page(
        "actuators", actuation.ActuatorsQuery(limit=5, cursor=first.next_cursor), actuation.Actuator
    )
    assert [(one.esp_id, one.gpio) for one in (*first.items, *rest.items)] == [
        (esp_id, gpio) for esp_id in (DEC, HEAD) for gpio in (25, 26, 27, 32)
    ]
    assert rest.next_cursor is None
