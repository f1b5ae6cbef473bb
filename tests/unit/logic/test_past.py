"""How the past is gathered: what is looked at, one order, and answers that fit into a reply."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.logic import BacktestReport, RunView
from kaiser.contracts.rules import (
    ActuatorIs,
    Choose,
    CronTrigger,
    DeviceIs,
    EventTrigger,
    Option,
    RanTrigger,
    RuleRan,
    Silent,
    SwitchRule,
    WaitUntil,
    Window,
)
from kaiser.logic.backtest import backtest
from kaiser.logic.ordering import Message, merged
from kaiser.logic.past.gathering import in_order, readings_of
from kaiser.logic.past.jobs import fitted
from kaiser.logic.past.watching import LEAST_LOOK_BACK, others, watch_of
from kaiser.logic.queries import MOST_BYTES, filled, view_of
from kaiser.logic.retaining import kept

from .builders import AIR, ESP, FAN, HOUR, MINUTE, NOON, OFF, ON, SECOND, SOIL, below, readings, rule

KEYS = {sensor: (sensor.esp_id, sensor.gpio, sensor.sensor_type) for sensor in (SOIL, AIR)}


def test_everything_that_a_rule_looks_at_is_known_with_how_far_back() -> None:
    wait = WaitUntil(condition=ActuatorIs(actuator=FAN, state="on"), timeout_s=60)
    found = watch_of(
        [
            rule(Window(sensor=SOIL, aggregate="mean", over_s=86_400, operator="<", value=30.0), (ON, wait)),
            rule(DeviceIs(esp_id="ESP_7", state="online")),
        ]
    )
    assert set(found.sensors) == {KEYS[SOIL]}
    assert (found.devices, found.actuators, found.listens) == ({"ESP_7"}, {(ESP, FAN.gpio)}, False)
    assert found.look_back == 24 * HOUR + 60 * SECOND


def test_a_look_goes_back_an_hour_at_least_and_as_far_as_the_longest_span() -> None:
    assert watch_of([rule(below(30.0))]).look_back == LEAST_LOOK_BACK
    assert watch_of([rule(Silent(sensor=SOIL, for_s=7200))]).look_back == 2 * HOUR
    assert watch_of([rule(None, triggers=(EventTrigger(event="lost"),))]).listens


def test_rules_that_a_rule_waits_for_or_switches_are_found() -> None:
    choose = Choose(options=(Option(when=RuleRan(rule="c"), do=SwitchRule(rule="d", enabled=True)),))
    tried = rule(RuleRan(rule="a"), (choose,), triggers=(RanTrigger(rule="b"), CronTrigger(expression="* * * * *")))
    assert sorted(others(tried)) == ["a", "b", "c", "d"]


def test_a_batch_that_nobody_looks_at_is_left_out_unread() -> None:
    watch = watch_of([rule(below(30.0))])
    both, other = readings((AIR, 1.0), (SOIL, 2.0), at=NOON), readings((AIR, 1.0), at=NOON)
    assert readings_of(msgspec.json.encode(both), watch) == both
    assert readings_of(msgspec.json.encode(other), watch) is None
    assert (watch.concerns(both), watch.concerns(other)) == (1, 0)


def test_what_a_source_leaves_out_changes_nothing() -> None:
    tried = rule(below(30.0), otherwise=(OFF,))
    noise = [Message(NOON + i * SECOND, "TELEMETRY", i, readings((AIR, 1.0), at=NOON)) for i in range(0, 3600, 7)]
    news = [
        Message(NOON + i * SECOND, "TELEMETRY", i, readings((SOIL, 20.0 + i % 23), at=NOON + i * SECOND))
        for i in range(1, 3600, 60)
    ]
    span = {"start": NOON, "end": NOON + HOUR}
    whole = backtest({"r": (1, tried)}, "r", merged(noise, news), **span)
    assert whole == backtest({"r": (1, tried)}, "r", news, **span)
    assert whole.run_count > 2


@given(st.lists(st.lists(st.integers(1, 40), max_size=20), min_size=1, max_size=4), st.integers(1, 7))
async def test_the_order_hangs_on_the_messages_and_not_on_how_they_come(times, size) -> None:
    streams = [
        [Message(at, name, seq, None) for seq, at in enumerate(sorted(moments), start=1)]
        for name, moments in zip(("SAFETY", "DEVICES", "ACTUATORS", "TELEMETRY"), times, strict=False)
    ]

    async def source(messages):
        for start in range(0, len(messages), size):
            yield messages[start : start + size]

    found = [message async for ready in in_order([source(each) for each in streams]) for message in ready]
    assert found == list(merged(*streams))


def test_a_report_fits_into_a_reply_and_counts_all_of_it() -> None:
    values = [20.0, 40.0] * 100
    messages = [
        Message(NOON + i * MINUTE, "TELEMETRY", i + 1, readings((SOIL, value), at=NOON + i * MINUTE))
        for i, value in enumerate(values)
    ]
    span = {"start": NOON, "end": NOON + 4 * HOUR}
    report = backtest({"r": (1, rule(below(30.0), otherwise=(OFF,)))}, "r", messages, **span)
    assert fitted(report, MOST_BYTES) is report
    short = fitted(report, 40_000)
    assert len(msgspec.json.encode(short.runs)) < 42_000
    assert 0 < len(short.runs) < report.run_count
    assert (short.truncated, short.run_count, short.digest) == (True, report.run_count, report.digest)
    assert all(run.decisions for run in short.runs)
    assert msgspec.json.decode(msgspec.json.encode(short), type=BacktestReport) == short


def test_a_page_ends_where_a_reply_is_full_and_has_one_run_at_least() -> None:
    def view(number):
        return RunView(
            rule_id="r", version=1, run_id=f"r.1.{number}", branch="then", outcome="running", started_at=1,
            cause=msgspec.convert({"kind": "clock"}, type=RunView.__annotations__["cause"]),
        )  # fmt: skip

    body = msgspec.json.encode({"text": "x" * 100_000}).decode()
    decided = [(f"r.1.{number}", 7, "t", body) for number in (1, 2) for _ in range(5)]
    assert [len(each.decisions) for each in filled([view(1), view(2)], decided)] == [5]
    alone = filled([view(1)], [("r.1.1", 7, "t", body)] * 20)
    assert [len(each.decisions) for each in alone] == [6]


def test_a_run_that_was_not_told_its_end_is_running() -> None:
    body = '{"n":1,"at":5,"rule_id":"r","version":2,"run_id":"r.2.1","branch":"then","cause":{"kind":"clock"}}'
    found = view_of((5, 1, 9, "io.kaiser.run.started.v1", body, None))
    assert (found.outcome, found.run_id, found.ended_at) == ("running", "r.2.1", 0)


@pytest.mark.parametrize(
    ("sizes", "stay"), [([], 0), ([5, 5, 5], 3), ([5, 5, 6], 2), ([50, 1], 1), ([50], 1), ([1, 1, 50, 1], 2)]
)
def test_the_oldest_go_when_the_table_is_too_large_and_the_newest_stays(sizes, stay) -> None:
    assert kept(sizes, 15) == stay
