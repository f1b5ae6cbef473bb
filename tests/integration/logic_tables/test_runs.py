import random

import msgspec
import pytest
from tests.unit.logic.builders import HOUR, MINUTE, NOON, OFF, ON, SOIL, Site, below, readings, rule

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleSkipped
from kaiser.contracts.logic import RunsQuery
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import CronTrigger, Delay
from kaiser.eventlog import now_us
from kaiser.logic.projections import Kept, Projections
from kaiser.logic.queries import Queries
from kaiser.logic.recording import decoder
from kaiser.logic.retaining import RetentionSettings, SizeLimit
from kaiser.timescale import Retention

DAY = 86_400_000_000


@pytest.fixture
async def day(log, recorder, tell, written):
    """Six dry spells of an hour each, and a rule with a trigger that comes in vain."""
    site = Site()
    site.define(rule(below(30.0), otherwise=(OFF,)), "water")
    site.define(rule(below(10.0, fresh_s=3600), triggers=(CronTrigger(expression="0 * * * *"),)), "mist")
    for i in range(6):
        for value, minute in ((20.0, 10), (40.0, 40)):
            site.now = NOON + i * HOUR + minute * MINUTE
            site.happens(readings((SOIL, value), at=site.now), "TELEMETRY")
    await written(await tell(site))
    return site


@pytest.fixture
def queries(pool):
    return Queries(pool)


async def test_runs_and_skips_come_newest_first_with_what_they_decided(day, queries):
    page = await queries.runs(RunsQuery(), 0)
    assert [view.started_at for view in page.items] == sorted((view.started_at for view in page.items), reverse=True)
    assert page.next_cursor is None
    newest = page.items[0]
    assert (newest.rule_id, newest.branch, newest.outcome) == ("water", "otherwise", "succeeded")
    decided = [each for each in day.decisions if getattr(each, "run_id", "") == newest.run_id]
    assert [decoder.decode(told.type, msgspec.json.encode(told.decision)) for told in newest.decisions] == decided
    assert [told.seq for told in newest.decisions] == sorted(told.seq for told in newest.decisions)
    skips = [view for view in page.items if view.outcome == "skipped"]
    assert {(skip.rule_id, skip.reason) for skip in skips} == {("mist", "condition_false")}
    assert skips[0].decisions[0].decision["seen"]["value"] == 40.0


async def test_pages_lead_through_everything_and_filters_choose(day, queries):
    everything = (await queries.runs(RunsQuery(), 0)).items
    cursor, found = None, []
    while True:
        page = await queries.runs(RunsQuery(limit=4, cursor=cursor), 0)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == everything
    assert len((await queries.runs(RunsQuery(rule_id="water"), 0)).items) == 12
    assert {view.outcome for view in (await queries.runs(RunsQuery(outcome="succeeded"), 0)).items} == {"succeeded"}
    several = RunsQuery(outcomes=("skipped", "succeeded"), limit=len(everything))
    assert (await queries.runs(several, 0)).items == everything
    first = await queries.runs(RunsQuery(outcomes=("succeeded", "skipped"), limit=4), 0)
    rest = await queries.runs(RunsQuery(outcomes=("skipped", "succeeded"), cursor=first.next_cursor), 0)
    assert [*first.items, *rest.items] == everything
    assert (await queries.runs(RunsQuery(outcomes=("failed", "cancelled")), 0)).items == []
    span = RunsQuery(rule_id="water", start=NOON + HOUR, end=NOON + 2 * HOUR)
    assert len((await queries.runs(span, 0)).items) == 2


async def test_a_page_ends_before_a_run_of_which_it_could_show_only_a_part(day, queries, pool):
    everything = (await queries.runs(RunsQuery(rule_id="water"), 0)).items
    small = Queries(pool, most_decisions=7)
    cursor, found, pages = None, [], 0
    while cursor or not pages:
        page = await small.runs(RunsQuery(rule_id="water", cursor=cursor), 0)
        found, cursor, pages = found + page.items, page.next_cursor, pages + 1
    assert found == everything
    assert pages > 2


async def test_a_run_under_way_is_running_until_its_end_is_told(log, recorder, tell, written, queries):
    site = Site()
    site.define(rule(below(30.0), (ON, Delay(for_s=600))), "slow")
    site.happens(readings((SOIL, 20.0), at=site.now), "TELEMETRY")
    await written(await tell(site))
    (view,) = (await queries.runs(RunsQuery(outcome="running"), 0)).items
    assert (view.outcome, view.ended_at) == ("running", 0)
    assert view.decisions[-1].decision["until"] == view.started_at + 600 * 1_000_000
    site.now += HOUR
    site.happens(readings((SOIL, 20.0), at=site.now), "TELEMETRY")
    await written(await tell(site))
    view = await queries.run("slow", view.run_id)
    assert (view.outcome, view.ended_at) == ("succeeded", view.started_at + 600 * 1_000_000)


async def test_a_run_that_never_was_is_refused(pool, queries):
    with pytest.raises(Refusal) as refused:
        await queries.run("water", "water.1.7")
    assert refused.value.code == Code.RUN_NOT_FOUND


async def test_written_twice_and_out_of_order_the_table_is_the_same(day, rows, pool):
    everything = "SELECT n, at, seq, rule_id, version, run_id, kind, outcome, type, body::text FROM logic.decisions"
    listed = "SELECT run, n, at, rule_id, outcome FROM logic.runs ORDER BY run"
    before, runs_before = await rows(f"{everything} ORDER BY n"), await rows(listed)
    told = [(seq, Kept(decoder.decode(kind, body.encode()), body)) for _, _, seq, *_, kind, body in before]
    async with pool.connection() as connection:
        await connection.execute("TRUNCATE logic.decisions, logic.runs, logic.progress")
    random.Random(4711).shuffle(told)
    projections = Projections(pool)
    for start in range(0, len(told), 7):
        await projections.decisions(told[start : start + 7])
    await projections.decisions(told[:20])
    assert await rows(f"{everything} ORDER BY n") == before
    assert await rows(listed) == runs_before


async def test_old_decisions_go_and_so_do_the_oldest_of_too_many(log, database, rows, pool):
    """Weeks are let go as a whole."""
    projections, now = Projections(pool), now_us()
    body = '{{"n":{n},"at":{at},"rule_id":"r","version":1,"branch":"then","reason":"busy","cause":{{"kind":"clock"}}}}'
    told = []
    for n, days in enumerate((300, 200, 100, 50, 1), start=1):
        text = body.format(n=n, at=now - days * DAY)
        told.append((n, Kept(decoder.decode(RuleSkipped.TYPE, text.encode()), text)))
    await projections.decisions(told)
    settings = RetentionSettings()
    await Retention(database, settings.lifetimes(180)).sweep()
    assert [n for (n,) in await rows("SELECT n FROM logic.decisions ORDER BY n")] == [3, 4, 5]
    assert await SizeLimit(pool, settings.most_bytes).sweep() == 0
    assert await SizeLimit(pool, 0).sweep() == 0
    assert await SizeLimit(pool, 1).sweep() == 2
    assert [n for (n,) in await rows("SELECT n FROM logic.decisions ORDER BY n")] == [5]
    assert await rows("SELECT run FROM logic.runs") == [("/5",)]
