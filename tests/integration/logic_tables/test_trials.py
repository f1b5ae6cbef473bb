import asyncio
import sys
from asyncio.subprocess import PIPE

import msgspec
import pytest
from tests.unit.logic.builders import ESP, FAN, OFF, PUMP, SECOND, SOIL, below, heartbeat, readings, rule, status

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceDiscovered
from kaiser.contracts.events.logic import RuleBacktested, RuleDefined
from kaiser.contracts.events.safeguards import AtMost, InterlockSet, Limits, LimitsSet
from kaiser.contracts.logic import Backtest, EnableRule, Rival, WhatIf
from kaiser.contracts.queries import Health, HealthQuery, History, HistoryQuery, Page, Reply
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import AllOf, Command, DeviceIs
from kaiser.contracts.wire import ActuatorStatus, Heartbeat
from kaiser.eventlog import Event, now_us
from kaiser.local.ephemeral_services import ingest
from kaiser.logic import definitions
from kaiser.logic.past.jobs import Job, Tried
from kaiser.logic.past.processes import Processes
from kaiser.logic.trials import Trials, TrialSettings, answerer
from kaiser.service.settings import NatsSettings

from .conftest import PATIENCE_S, until

WATER = rule(below(30.0, fresh_s=3600), otherwise=(OFF,))
THERE = rule(AllOf(conditions=(below(30.0, fresh_s=3600), DeviceIs(esp_id=ESP, state="online"))), otherwise=(OFF,))
HOUR = 3600 * SECOND


@pytest.fixture
def trials(rules, nats_server):
    return Trials(rules, Processes(), NatsSettings(url=nats_server.url), TrialSettings())


@pytest.fixture
def define(rules):
    async def define(defined, rule_id="water", version=1):
        fact = RuleDefined(rule_id=rule_id, at=now_us(), by="t", version=version, rule=defined)
        await rules.execute(rule_id, lambda _: [fact])

    return define


@pytest.fixture
def measure(log):
    """Readings of the soil, one message each; when all of them are stored."""

    async def measure(*values):
        start = now_us()
        part = subjects.partition(ESP)
        for value in values:
            await log.publish(event("telemetry.reading.god." + str(part), readings((SOIL, value), at=now_us())))
        return start, now_us() + SECOND

    return measure


def event(subject, body):
    return Event(subject=subject, type=body.TYPE, data=encode(body), source="test")


async def life_of(rules, rule_id="water"):
    return (await rules.execute(rule_id, lambda _: ())).state


def beat():
    body = heartbeat(ESP, now_us())
    return Event(subject=subjects.heartbeat("god", ESP), type=SAID[Heartbeat].name, data=encode(body), source="test")


def plain(values):
    return msgspec.to_builtins(values)


async def test_a_version_is_tried_on_what_the_log_holds_and_may_go_live_by_that(trials, define, measure, rules):
    await define(WATER)
    start, end = await measure(40.0, 20.0, 25.0, 40.0)
    now = end + HOUR
    with pytest.raises(Refusal) as refused:
        definitions.enable(await life_of(rules), EnableRule(rule_id="water", by="t"), now=now, gated=True)
    assert refused.value.code == Code.BACKTEST_REQUIRED

    report = await trials.backtest(Backtest(rule_id="water", start=start, end=end, by="ann"), now)
    assert (report.version, report.readings, report.run_count) == (1, 4, 2)
    assert [(run.branch, run.outcome) for run in report.runs] == [("then", "succeeded"), ("otherwise", "succeeded")]
    began = report.runs[0].decisions[0].decision
    assert (began["seen"]["value"], began["seen"]["seq"]) == (20.0, 2)
    assert (began["cause"]["stream"], began["cause"]["seq"]) == ("TELEMETRY", 2)

    life = await life_of(rules)
    assert life.backtests == {report.backtest_id: 1}
    order = EnableRule(rule_id="water", by="t", backtest_id=report.backtest_id)
    (enabled,) = definitions.enable(life, order, now=now, gated=True)
    assert enabled.backtest_id == report.backtest_id


async def test_rules_that_might_have_been_in_the_way_are_named_and_change_nothing(trials, define, measure, rules):
    await define(WATER)
    await define(msgspec.structs.replace(WATER, priority=7, hold_s=90), "rival")
    await define(rule(below(30.0), (Command(actuator=FAN, command="ON"),)), "elsewhere")
    await define(WATER, "resting")
    start, end = await measure(40.0, 20.0)
    before = await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR)
    assert before.rivals == []
    for name in ("rival", "elsewhere"):
        order = EnableRule(rule_id=name, by="t")
        await rules.execute(name, lambda life, order=order: definitions.enable(life, order, now=end, gated=False))
    report = await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR)
    assert report.rivals == [Rival(rule_id="rival", version=1, priority=7, hold_s=90, actuators=[PUMP])]
    assert report.digest == before.digest
    compared = await trials.whatif(WhatIf(rule_id="water", version=1, against=1, start=start, end=end), end + HOUR)
    assert [compared.before.rivals, compared.after.rivals] == [report.rivals, report.rivals]


async def test_the_same_span_gives_the_same_digest_and_the_event_says_it(trials, define, measure, log):
    await define(WATER)
    start, end = await measure(40.0, 20.0, 40.0)
    one, two = [await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR) for _ in range(2)]
    assert one.digest == two.digest
    assert msgspec.structs.replace(one, backtest_id="") == msgspec.structs.replace(two, backtest_id="")
    last = await log.js.get_last_msg("LOGIC", "logic.rule.water.backtested")
    told = msgspec.json.decode(last.data, type=RuleBacktested)
    assert (told.digest, told.runs, told.backtest_id) == (two.digest, 2, two.backtest_id)
    assert set(told.on_s) == {f"{PUMP.esp_id}/{PUMP.gpio}"}


async def test_a_span_of_long_ago_holds_nothing(trials, define):
    await define(WATER)
    report = await trials.backtest(Backtest(rule_id="water", start=5, end=10), now_us())
    assert (report.readings, report.run_count) == (0, 0)


async def test_a_draft_is_tried_and_leaves_nothing_behind(trials, measure, rules):
    start, end = await measure(40.0, 20.0, 40.0)
    report = await trials.backtest(Backtest(rule_id="draft", rule=plain(WATER), start=start, end=end), end + HOUR)
    assert (report.run_count, report.backtest_id, report.version) == (2, "", 0)
    assert (await life_of(rules, "draft")).newest == 0


async def test_two_versions_are_compared_and_safety_of_then_is_heard(trials, define, measure, log):
    await define(rule(below(30.0, fresh_s=3600), otherwise=(OFF,)), version=1)
    await define(rule(below(10.0, fresh_s=3600), otherwise=(OFF,)), version=2)
    about = {"at": now_us(), "by": "t", "reason": "t"}
    limits = LimitsSet(esp_id=ESP, gpio=PUMP.gpio, limits=Limits(starts_per_hour=1), **about)
    await log.publish(event(subjects.safety("limits", ESP, PUMP.gpio), limits))
    start, end = await measure(40.0, 20.0, 40.0, 5.0, 40.0)
    report = await trials.whatif(WhatIf(rule_id="water", against=1, start=start, end=end), end + HOUR)
    assert (report.before.version, report.after.version) == (1, 2)
    assert (report.before.run_count, report.after.run_count) == (4, 2)
    assert [veto.code for veto in report.before.vetoed] == ["TOO_MANY_STARTS"]
    assert report.vetoed == -1
    assert {change.kind for change in report.changes} >= {"removed"}
    assert report.after.backtest_id


async def test_what_cannot_be_tried_is_refused(trials, define, nats_server):
    await define(WATER)
    wrong = (
        (Backtest(rule_id="water", start=5, end=5), Code.VALUE_OUT_OF_RANGE),
        (Backtest(rule_id="water", start=0, end=400 * 86_400 * SECOND), Code.VALUE_OUT_OF_RANGE),
        (Backtest(rule_id="nobody", start=0, end=5), Code.RULE_NOT_FOUND),
        (Backtest(rule_id="water", version=9, start=0, end=5), Code.RULE_NOT_FOUND),
        (Backtest(rule_id="water", rule={"name": "x"}, start=0, end=5), Code.RULE_INVALID),
    )
    for asked, code in wrong:
        with pytest.raises(Refusal) as refused:
            await trials.backtest(asked, now_us())
        assert refused.value.code == code


async def test_nobody_waits_for_a_trial_that_takes_too_long_and_its_process_is_gone(
    rules, define, measure, nats_server
):
    await define(WATER)
    start, end = await measure(40.0, 20.0)
    processes, settings = Processes(), TrialSettings(patience_s=0.05)
    trials = Trials(rules, processes, NatsSettings(url=nats_server.url), settings)
    asked = msgspec.json.encode(Backtest(rule_id="water", start=start, end=end))
    requests = {"query.logic.backtest": (Backtest, trials.backtest)}
    reply = await answerer(requests, settings).answer("query.logic.backtest", asked)
    assert reply.problem is not None
    assert reply.problem.code == Code.OPERATION_TIMEOUT

    async def gone():
        return processes.running == 0

    await until(gone)
    assert (await life_of(rules)).backtests == {}


async def test_what_safety_looks_at_is_read_out_of_the_log(trials, define, measure, log):
    await define(WATER)
    about = {"at": now_us(), "by": "t", "reason": "t"}
    both = InterlockSet(interlock_id="both", rule=AtMost(most=1, actuators=(PUMP, FAN)), **about)
    await log.publish(event(subjects.interlock("both"), both))
    said = SAID[ActuatorStatus].name
    begin = now_us()
    for level in (0.0, 1.0):
        body = status(FAN, level, now_us())
        subject = subjects.actuator("god", ESP, FAN.gpio, "status")
        await log.publish(Event(subject=subject, type=said, data=encode(body), source="test"))
        _, end = await measure(40.0, 20.0, 40.0)
    report = await trials.backtest(Backtest(rule_id="water", start=begin, end=end), end + HOUR)
    assert [(veto.code, veto.detail) for veto in report.vetoed] == [
        (Code.INTERLOCKED, f"both: at most 1, and on may be {ESP}/{FAN.gpio}")
    ]
    assert report.run_count == 4


async def test_a_process_of_the_past_ends_with_whoever_started_it():
    job = Job(nats_url="nats://127.0.0.1:9", what="backtest", rule_id="r", tried=(Tried(1, WATER),), start=1, end=2)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kaiser.logic.past", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    await process.stdin.drain()
    process.stdin.close()  # as when it is killed
    async with asyncio.timeout(PATIENCE_S):
        assert await process.wait() == 3


async def test_what_the_streams_have_let_go_comes_from_history(
    trials, define, measure, log, nats_server, postgres, tmp_path
):
    service = ingest(tmp_path / "ingest", nats_server, postgres)
    service.start()
    try:
        found = DeviceDiscovered(kaiser_id="god", esp_id=ESP, generation="head", received_at=now_us())
        await log.publish(event(subjects.device("god", ESP, "discovered"), found))
        await define(THERE)
        await log.publish(beat())
        start, end = await measure(40.0, 20.0, 25.0, 40.0)
        before = await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR)

        async def stored():
            query = HistoryQuery(
                esp_id=ESP, gpio=SOIL.gpio, sensor_type="moisture", start=start, end=end, pending=True, resolution="raw"
            )
            message = await log.nc.request("query.ingest.history", msgspec.json.encode(query), timeout=10)
            reply = msgspec.json.decode(message.data, type=Reply[History])
            return reply.ok is not None and len(reply.ok.readings) == 4

        async def beaten():
            query = HealthQuery(esp_id=ESP, start=start - HOUR, end=end)
            message = await log.nc.request("query.ingest.health", msgspec.json.encode(query), timeout=10)
            reply = msgspec.json.decode(message.data, type=Reply[Page[Health]])
            return reply.ok is not None and len(reply.ok.items) == 1

        await until(stored)
        await until(beaten)
        await log.js.purge_stream("TELEMETRY", seq=4)
        await log.publish(beat())
        await log.js.purge_stream("HEARTBEATS", seq=2)
        after = await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR)
        assert (after.run_count, after.skips, after.vetoed) == (before.run_count, before.skips, before.vetoed)
        assert [(run.branch, run.outcome) for run in after.runs] == [(run.branch, run.outcome) for run in before.runs]
        soil, device = after.runs[0].decisions[0].decision["seen"]["parts"]
        assert (soil["value"], device["truth"]) == (20.0, True)
        again = await trials.backtest(Backtest(rule_id="water", start=start, end=end), end + HOUR)
        assert again.digest == after.digest
    finally:
        service.kill()
