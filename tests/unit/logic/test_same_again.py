"""The same log gives the same decisions, byte for byte: in one go, in pieces, after restarts, live and again."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from kaiser.contracts.events.logic import EngineResumed, RuleDefined, RuleDisabled, RuleEnabled, TakenLate
from kaiser.contracts.rules import (
    ActuatorIs,
    AllOf,
    AnyOf,
    Command,
    CronTrigger,
    Delay,
    DeviceIs,
    Difference,
    DuringHours,
    EventTrigger,
    Hysteresis,
    Not,
    Parallel,
    Place,
    RanTrigger,
    RateOfChange,
    RuleRan,
    Sequence,
    Silent,
    Sun,
    SunTrigger,
    Sustained,
    WaitUntil,
    Watched,
    Window,
)
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Ledger, Message, Order, merged, replay

from .builders import (
    AIR,
    ESP,
    FAN,
    MINUTE,
    NOON,
    OFF,
    ON,
    PUMP,
    SECOND,
    SOIL,
    above,
    below,
    heartbeat,
    last_will,
    readings,
    rule,
    status,
)

FAN_ON = Command(actuator=FAN, command="ON", duration_s=20, timeout_s=15)
CONDITIONS = (
    Hysteresis(sensor=SOIL, on_below=30.0, off_above=45.0),
    Sustained(condition=below(35.0, fresh_s=120), for_s=45),
    Window(sensor=SOIL, aggregate="mean", over_s=300, operator="<", value=38.0),
    RateOfChange(sensor=AIR, operator=">", value=20.0, over_s=120),
    AnyOf(conditions=(Silent(sensor=AIR, for_s=60), Not(condition=ActuatorIs(actuator=PUMP, state="on", for_s=30)))),
    AllOf(conditions=(DeviceIs(esp_id=ESP, state="online"), above(35.0, AIR), Sun(phase="day"))),
    Difference(left=Watched(sensor=AIR), right=Watched(sensor=SOIL), operator=">", value=0.0),
    AllOf(conditions=(DuringHours(start="12:05", end="12:20"), RuleRan(rule="r0", within_s=300))),
)
ACTIONS = (
    (ON, Delay(for_s=20), OFF),
    (FAN_ON, ON),
    (Parallel(branches=(Sequence(steps=(ON, Delay(for_s=5))), WaitUntil(condition=above(40.0), timeout_s=60))),),
)
TRIGGERS = (
    (),
    (CronTrigger(expression="*/3 * * * *"), EventTrigger(event="lost")),
    (RanTrigger(rule="r0"), SunTrigger(event="sunset", offset_s=-22_500)),
)

rules = st.builds(
    lambda condition, actions, otherwise, triggers, mode, cooldown, priority: rule(
        condition, actions, otherwise=otherwise, triggers=triggers, mode=mode, cooldown_s=cooldown, priority=priority,
        place=Place(52.5, 13.4),
    ),
    st.sampled_from(CONDITIONS),
    st.sampled_from(ACTIONS),
    st.sampled_from([(), (OFF,)]),
    st.sampled_from(TRIGGERS),
    st.sampled_from(["single", "restart", "queued", "parallel"]),
    st.sampled_from([0, 60]),
    st.sampled_from([10, 50]),
)  # fmt: skip


def logs(defined, seed, length):
    """A log of four streams, each in its order, with readings that are late, early, twice, or bad."""
    chance = random.Random(seed)
    streams = {"LOGIC": [], "TELEMETRY": [], "ACTUATORS": [], "DEVICES": []}

    def add(stream, at, event):
        streams[stream].append(Message(at, stream, len(streams[stream]) + 1, event))

    for i, each in enumerate(defined):
        about = {"rule_id": f"r{i}", "at": NOON, "by": "t", "version": 1}
        add("LOGIC", NOON + 2 * i, RuleDefined(rule=each, **about))
        add("LOGIC", NOON + 2 * i + 1, RuleEnabled(**about))
    at = NOON + SECOND
    for _ in range(length):
        at += chance.choice((1, 400_000, 3 * SECOND, 20 * SECOND, 90 * SECOND))
        match chance.choices(("reading", "status", "device", "rule"), (12, 4, 2, 1))[0]:
            case "reading":
                late = chance.choice((0, 0, 0, 2 * SECOND, 50 * SECOND, -20 * SECOND, 400 * SECOND))
                fields = {
                    "quality": chance.choice(("good", "good", "good", "suspect")),
                    "measured_at": at - late,
                    "reading_id": chance.randrange(1, 6) if chance.random() < 0.1 else at,
                }
                sensor = chance.choice((SOIL, AIR))
                add("TELEMETRY", at, readings((sensor, round(chance.uniform(20, 60), 1), fields), at=at))
            case "status":
                add("ACTUATORS", at, status(chance.choice((PUMP, FAN)), chance.choice((0.0, 0.5, 1.0, None)), at))
            case "device":
                add("DEVICES", at, chance.choice((heartbeat, last_will))(ESP, at))
            case "rule":
                about = {"rule_id": f"r{chance.randrange(len(defined))}", "at": at, "by": "t"}
                off = chance.random() < 0.5
                add("LOGIC", at, RuleDisabled(**about) if off else RuleEnabled(version=1, **about))
    return streams, at + 10 * MINUTE


def written(decisions):
    ledger = Ledger()
    return b"".join(ledger.add(each) for each in decisions)


logged = st.tuples(st.lists(rules, min_size=1, max_size=4), st.integers(0, 10**6), st.integers(10, 120))


@given(logged, st.lists(st.integers(0, 200), max_size=6))
@settings(deadline=None, max_examples=80)
def test_in_pieces_with_a_restart_between_any_two_messages_it_is_the_same_as_in_one_go(log, cuts) -> None:
    streams, end = logs(*log)
    messages = list(merged(*streams.values()))
    whole = Engine()
    expected = written(replay(whole, messages, until=end))
    engine, found, start = Engine(), b"", 0
    for cut in [*sorted(cut % (len(messages) + 1) for cut in cuts), len(messages)]:
        found += written(replay(engine, messages[start:cut]))
        snapshot = engine.snapshot()
        engine = Engine.restore(snapshot)
        assert engine.snapshot() == snapshot
        start = cut
    found += written(engine.tick(end))
    assert found == expected
    assert engine.snapshot() == whole.snapshot()


@given(logged, st.integers(0, 10**6))
@settings(deadline=None, max_examples=80)
def test_live_with_streams_that_overtake_each_other_is_the_same_as_the_backtest_over_the_same_log(log, seed) -> None:
    streams, end = logs(*log)
    chance = random.Random(seed)
    live, decisions, order = Engine(), [], []
    waiting = {name: list(messages) for name, messages in streams.items() if messages}
    while waiting:
        # Mostly what is oldest, now and then another stream's; between them the clock ticks
        name = min(waiting, key=lambda each: waiting[each][0].at)
        if chance.random() < 0.2:
            name = chance.choice(sorted(waiting))
        message = waiting[name].pop(0)
        if not waiting[name]:
            del waiting[name]
        if chance.random() < 0.5:
            decisions += live.tick(message.at + chance.choice((0, 5 * SECOND)))
        decisions += live.take(message.stream, message.seq, message.at, message.event)
    decisions += live.tick(end)
    order = Order.of(decisions)
    again = Engine()
    assert written(replay(again, merged(*streams.values(), order=order), order=order, until=end)) == written(decisions)
    assert again.snapshot() == live.snapshot()


@given(logged, st.integers(0, 10**6))
@settings(deadline=None, max_examples=80)
def test_a_time_that_the_service_was_away_is_a_part_of_the_log(log, seed) -> None:
    streams, end = logs(*log)
    messages = list(merged(*streams.values()))
    chance = random.Random(seed)
    live, decisions, i = Engine(), [], 0
    while i < len(messages):
        lives = chance.randrange(1, 30)
        for message in messages[i : i + lives]:
            decisions += live.take(message.stream, message.seq, message.at, message.event)
        i += lives
        live = Engine.restore(live.snapshot())
        live.hold()
        away = chance.randrange(0, 10)
        for message in messages[i : i + away]:
            decisions += live.take(message.stream, message.seq, message.at, message.event)
        i += away
        back = messages[i].at - 1 if i < len(messages) else end
        decisions += live.resume(back)
    decisions += live.tick(end)
    order = Order.of(decisions)
    assert any(isinstance(each, EngineResumed) for each in decisions)
    again = Engine()
    found = written(replay(again, merged(*streams.values(), order=order), order=order, until=end))
    assert found == written(decisions)
    assert again.snapshot() == live.snapshot()


def test_a_message_that_the_clock_has_passed_is_taken_a_moment_later_and_that_is_said() -> None:
    engine = Engine()
    engine.take("TELEMETRY", 1, NOON, readings((SOIL, 20.0), at=NOON))
    assert engine.take("ACTUATORS", 9, NOON - SECOND, status(PUMP, 1.0, NOON)) == [
        TakenLate(stream="ACTUATORS", seq=9, at=NOON + 1)
    ]


def test_what_rules_have_nothing_to_do_with_leaves_no_trace() -> None:
    engine = Engine()
    engine.take("TELEMETRY", 1, NOON, readings((SOIL, 20.0), at=NOON))
    before = engine.snapshot()
    assert engine.take("ACTUATORS", 1, NOON + SECOND, object()) == []
    assert engine.snapshot() == before


def test_of_messages_of_one_moment_the_order_is_that_of_their_streams() -> None:
    first, second = Message(NOON, "LOGIC", 7, None), Message(NOON, "TELEMETRY", 1, None)
    assert list(merged([second], [first])) == [first, second]


@given(st.permutations(range(6)))
def test_in_which_order_late_readings_come_does_not_matter_to_a_window(order) -> None:
    """All within the patience of the rule, after the newest one has come."""
    values = [31.0, 35.5, 44.1, 29.7, 33.3, 41.2]
    mean = Window(sensor=SOIL, aggregate="mean", over_s=600, operator="<", value=100.0)

    def series(sequence):
        engine, at = Engine(), NOON
        about = {"rule_id": "r", "at": NOON, "by": "t", "version": 1}
        engine.take("LOGIC", 1, at, RuleDefined(rule=rule(mean), **about))
        engine.take("LOGIC", 2, at + 1, RuleEnabled(**about))
        for i in sequence:
            at += SECOND
            fields = {"measured_at": NOON - (5 - i) * SECOND, "reading_id": i + 1}
            engine.take("TELEMETRY", 1, at, readings((SOIL, values[i], fields), at=at))
        (only,) = engine.core.world.series.values()
        return only.times, only.values

    assert series([5, *(i for i in order if i != 5)]) == series(range(6))
