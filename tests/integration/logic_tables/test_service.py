"""The process of logic with its tables: what it answers of the past, and what it does without its database."""

import json
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.integration.logic.site import Site, below, rule

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import EngineResumed, RunEnded, RunStarted
from kaiser.contracts.logic import Backtest, DefineRule, EnableRule, ExplainQuery, RunsQuery
from kaiser.eventlog import now_us
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral_services import Service

from .conftest import until
from .servers import web_server

ALARM = {"kind": "alarm", "do": "raise", "name": "dry", "message": "too dry"}
CLEAR = {"kind": "alarm", "do": "clear", "name": "dry"}
DRY = rule(below(30), ALARM, otherwise=[CLEAR])


@pytest.fixture
async def site(log) -> AsyncIterator[Site]:
    async with Site(log) as site:
        yield site


@pytest.fixture
def new_logic(log, nats_server, tmp_path):
    made: list[Service] = []

    def new(database, environment=None, **options):
        folder = tmp_path / f"logic-{len(made)}"
        service = ephemeral_services.logic(folder, nats_server, database, **options)
        if environment:
            service = Service("logic", folder, service.environment | environment)
        made.append(service)
        return service

    yield new
    for service in made:
        service.kill()


async def goes_live(site, values=DRY):
    """A rule whose sensor logic has heard of."""
    await site.measures(50)

    async def defined():
        order = DefineRule(rule_id="dry", rule=values, enable=True, by="eva")
        return (await site.ask("command.logic.define", order)).problem is None

    await until(defined)
    await site.goes_by("dry")


async def runs(site, **query):
    return (await site.asked("runs", RunsQuery(**query)))["items"]


async def in_table(site, count):
    async def known():
        reply = await site.ask("query.logic.runs", RunsQuery())
        return reply.problem is None and len(reply.ok["items"]) == count

    await until(known)
    return await runs(site)


async def test_runs_are_listed_explained_and_tried_again(site, new_logic, postgres):
    new_logic(postgres).start()
    await goes_live(site)
    start = now_us()
    await site.measures(50)
    moist = now_us()
    await site.measures(20)
    await site.one(RunEnded, rule_id="dry")
    await site.measures(45)
    await site.until(lambda: len(site.of(RunEnded)) == 2)
    newest, oldest = await in_table(site, 2)
    assert (newest["branch"], oldest["branch"], oldest["outcome"]) == ("otherwise", "then", "succeeded")
    assert [told["type"].split(".")[3] for told in oldest["decisions"]] == ["started", "alarm_raised", "ended"]

    ran = await site.asked("explain", ExplainQuery(rule_id="dry", run_id="dry.1.1"))
    assert (ran["verdict"], ran["seen"]["value"]) == ("ran", 20.0)
    idle = await site.asked("explain", ExplainQuery(rule_id="dry", at=moist))
    assert (idle["verdict"], idle["seen"]["value"]) == ("condition_false", 50.0)

    report = await site.asked("backtest", Backtest(rule_id="dry", start=start, end=now_us(), by="eva"))
    assert (report["run_count"], report["readings"]) == (2, 3)
    live = [(event.rule_id, event.branch, event.seen.value) for event in site.of(RunStarted)]
    tried = [
        (run["rule_id"], run["branch"], run["decisions"][0]["decision"]["seen"]["value"]) for run in report["runs"]
    ]
    assert tried == live


async def test_a_version_goes_live_by_a_backtest_where_one_is_asked_for(site, new_logic, postgres):
    new_logic(postgres, backtest_required="true").start()
    start = now_us()
    await site.measures(20)

    async def defined():
        return (await site.ask("command.logic.define", DefineRule(rule_id="dry", rule=DRY, by="eva"))).problem is None

    await until(defined)
    refused = await site.ask("command.logic.enable", EnableRule(rule_id="dry", by="eva"))
    assert refused.problem is not None
    assert refused.problem.code == Code.BACKTEST_REQUIRED
    report = await site.asked("backtest", Backtest(rule_id="dry", start=start, end=now_us(), by="eva"))
    assert report["run_count"] == 1
    await site.orders("enable", EnableRule(rule_id="dry", by="eva", backtest_id=report["backtest_id"]))
    await site.goes_by("dry")


async def test_rules_go_on_while_the_database_is_away_and_the_table_catches_up(site, new_logic, own_postgres):
    new_logic(own_postgres).start()
    await goes_live(site)
    await site.measures(20)
    await site.one(RunEnded)
    await in_table(site, 1)
    own_postgres.stop()
    for value in (40, 20, 40):
        await site.measures(value)
    await site.until(lambda: len(site.of(RunEnded)) == 4)
    refused = await site.ask("query.logic.runs", RunsQuery())
    assert refused.problem is not None
    assert refused.problem.code == Code.DATABASE_ERROR
    assert (await site.asked("explain", ExplainQuery(rule_id="dry")))["verdict"] == "condition_false"
    own_postgres.start()
    await in_table(site, 4)


async def test_the_table_is_made_anew_from_the_log_and_is_equal(site, new_logic, postgres, log):
    service = new_logic(postgres).start()
    await goes_live(site)
    for value in (20, 40, 20, 40):
        await site.measures(value)
    await site.until(lambda: len(site.of(RunEnded)) == 4)
    await in_table(site, 4)
    everything = "SELECT n, at, seq, rule_id, version, run_id, kind, outcome, type, body::text FROM logic.decisions"
    with psycopg.connect(postgres.dsn("kaiser_logic"), autocommit=True) as connection:
        listed = "SELECT run, n, at, rule_id, outcome FROM logic.runs ORDER BY run"
        before = [connection.execute(each).fetchall() for each in (f"{everything} ORDER BY n", listed)]
        service.kill()
        connection.execute("TRUNCATE logic.decisions, logic.runs, logic.progress")
        await log.js.delete_consumer("LOGIC", "logic-runs")
        service.start()
        await in_table(site, 4)

        async def equal():
            return [connection.execute(each).fetchall() for each in (f"{everything} ORDER BY n", listed)] == before

        await until(equal)


async def test_kill_9_while_a_batch_is_written_loses_nothing_and_writes_nothing_twice(site, new_logic, postgres):
    service = new_logic(postgres).start()
    await goes_live(site)
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO decisions%'"
    for count, dies in ((2, False), (4, True)):  # what was under way is committed after all, or is not
        with (
            psycopg.connect(postgres.dsn("kaiser_logic")) as lock,
            psycopg.connect(postgres.dsn(), autocommit=True) as eye,
        ):
            lock.execute("LOCK TABLE logic.decisions IN ACCESS EXCLUSIVE MODE")
            await site.measures(20)
            await site.measures(40)

            async def stuck(eye=eye):
                return eye.execute(waits).fetchall()

            await until(stuck)
            service.kill()
            for (pid,) in eye.execute(waits).fetchall() if dies else ():
                eye.execute("SELECT pg_terminate_backend(%s)", (pid,))
            lock.rollback()
        terms = len(site.of(EngineResumed))
        service.start()
        await site.until(lambda terms=terms: len(site.of(EngineResumed)) > terms)
        await site.until(lambda count=count: len(site.of(RunEnded)) == count)
        await in_table(site, count)
    kept = [decision["n"] for run in await runs(site) for decision in (told["decision"] for told in run["decisions"])]
    decided = [event.n for _, event in site.events if hasattr(event, "n")]
    assert sorted(kept) == decided


async def test_kill_9_while_a_webhook_is_told_tells_it_again_under_the_same_id(site, new_logic, postgres, tmp_path):
    async with web_server() as web:
        hooks = tmp_path / "hooks.json"
        hooks.write_text(json.dumps({"office": {"url": f"{web.url}/hook", "secret": "only-for-tests-only"}}))
        service = new_logic(postgres, {"KAISER_NOTIFY_WEBHOOKS_FILE": str(hooks)}).start()
        say = {"kind": "notify", "channel": "webhook", "target": "office", "message": "{value}"}
        await goes_live(site, rule(below(30), say, otherwise=[say]))
        web.answers.clear()
        await site.measures(20)

        async def told(count):
            return len(web.posts) >= count

        await until(lambda: told(1))
        await site.one(RunEnded)
        service.kill()
        web.answers.set()
        terms = len(site.of(EngineResumed))
        service.start()
        await site.until(lambda: len(site.of(EngineResumed)) > terms)
        await until(lambda: told(2))
        await site.measures(40)
        await until(lambda: told(3))
        ids = [headers["webhook-id"] for _, headers, _ in web.posts]
        assert ids == ["dry.1.1/1", "dry.1.1/1", "dry.1.2/1"]
        assert [json.loads(body)["message"] for _, _, body in web.posts] == ["20", "20", "40"]


async def test_what_a_rule_has_to_say_reaches_a_webhook(site, new_logic, postgres, tmp_path):
    async with web_server() as web:
        hooks = tmp_path / "hooks.json"
        hooks.write_text(json.dumps({"office": {"url": f"{web.url}/hook", "secret": "only-for-tests-only"}}))
        new_logic(postgres, {"KAISER_NOTIFY_WEBHOOKS_FILE": str(hooks)}).start()
        say = {"kind": "notify", "channel": "webhook", "target": "office", "message": "{rule}: {value}"}
        await goes_live(site, rule(below(30), say))
        await site.measures(20)
        await site.one(RunEnded)

        async def told():
            return web.posts

        await until(told)
        assert json.loads(web.posts[0][2])["message"] == "A rule: 20"


async def test_webhooks_that_are_none_keep_logic_from_starting_and_say_why(new_logic, postgres):
    service = new_logic(postgres, {"KAISER_NOTIFY_WEBHOOKS": '{"office": {"url": "here"}}'})
    service.wait = False
    service.start()

    async def ended():
        return "KAISER_NOTIFY_WEBHOOKS" in service.log.read_text()

    await until(ended)
