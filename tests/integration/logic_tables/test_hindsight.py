import msgspec
import pytest
from tests.unit.logic.builders import ESP, OFF, SECOND, SOIL, below, readings, rule

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.logic import ORDER_EVENTS, RuleDefined, RuleDisabled, RuleEnabled
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.logic import ExplainQuery
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import Event, now_us, replay
from kaiser.logic.engine import Engine
from kaiser.logic.hindsight import Hindsight
from kaiser.logic.ordering import Message, merged
from kaiser.logic.ordering import replay as decided
from kaiser.logic.past.processes import Processes
from kaiser.logic.queries import Queries
from kaiser.logic.rules import fact_of
from kaiser.service.settings import NatsSettings

from .conftest import event_of

HOUR = 3600 * SECOND


@pytest.fixture
def hindsight(pool, log, nats_server):
    return Hindsight(Queries(pool), log, Processes(), NatsSettings(url=nats_server.url))


@pytest.fixture
async def lived(log, rules, recorder, written):
    """A rule that was live while the soil was moist, dry and moist again, and then was not; the moments of all this."""
    moments = {"before": now_us()}

    async def note(fact):
        await rules.execute("water", lambda _: [fact])

    about = {"rule_id": "water", "by": "t"}
    watering = rule(below(30.0, fresh_s=3600), otherwise=(OFF,), cooldown_s=600)
    await note(RuleDefined(version=1, rule=watering, at=now_us(), **about))
    await note(RuleEnabled(version=1, at=now_us(), **about))
    part = subjects.partition(ESP)
    for name, value in (("moist", 50.0), ("dry", 20.0), ("moist again", 45.0), ("dry again", 21.0)):
        body = readings((SOIL, value), at=now_us())
        subject = f"telemetry.reading.god.{part}"
        await log.publish(Event(subject=subject, type=Readings.TYPE, data=encode(body), source="test"))
        moments[name] = now_us()
    await note(RuleDisabled(at=now_us(), **about))
    moments["disabled"] = now_us()

    decode = msgspec.json.Decoder(Readings).decode
    facts = [
        Message(each.stored_at, each.stream, each.seq, fact_of(each))
        async for each in replay(log, "LOGIC", subjects=("logic.rule.>",))
    ]
    measured = [
        Message(each.stored_at, each.stream, each.seq, decode(each.data)) async for each in replay(log, "TELEMETRY")
    ]
    seq = 0
    for decision in decided(Engine(), merged(facts, measured)):
        if not isinstance(decision, ORDER_EVENTS):
            seq = (await log.publish(event_of(decision))).seq
    await written(seq)
    return moments


async def why(hindsight, **asked):
    return await hindsight.explain(ExplainQuery(rule_id="water", **asked), now_us())


async def test_a_run_tells_why_it_was_with_values_and_sequences(lived, hindsight):
    told = await why(hindsight, run_id="water.1.1")
    assert told.verdict in {"ran", "running"}
    assert told.seen is not None
    assert (told.seen.value, told.seen.seq) == (20.0, 2)
    assert f"because of reading {ESP}/34/moisture (TELEMETRY 2)" in told.sentence
    assert "is 20, asked for is < 30" in told.sentence


async def test_a_moment_tells_why_there_was_no_run(lived, hindsight):
    moist = await why(hindsight, at=lived["moist"])
    assert (moist.verdict, moist.seen.value, moist.seen.seq) == ("condition_false", 50.0, 1)
    assert "is 50, asked for is < 30" in moist.sentence
    assert (await why(hindsight, at=lived["before"])).verdict == "unknown"
    assert (await why(hindsight, at=lived["disabled"])).verdict == "disabled"
    cooling = await why(hindsight, at=lived["dry again"])
    assert (cooling.verdict, cooling.seen.value) == ("cooldown", 21.0)
    assert cooling.until > lived["dry again"]


async def test_a_moment_tells_of_the_run_that_was_for_what_was_still_true(lived, hindsight):
    dry = await why(hindsight, at=lived["dry"])
    assert dry.verdict in {"acted", "running"}
    assert dry.run_id == "water.1.1"
    assert dry.seen.value == 20.0


async def test_without_the_table_the_condition_is_told_all_the_same(lived, hindsight, pool):
    await pool.close()
    dry = await why(hindsight, at=lived["dry"])
    assert (dry.verdict, dry.seen.value) == ("runs", 20.0)
    assert (await why(hindsight, at=lived["moist"])).verdict == "condition_false"


async def test_what_is_not_past_or_never_was_is_refused(lived, hindsight):
    for asked, code in (({"at": now_us() + HOUR}, Code.VALUE_OUT_OF_RANGE), ({"run_id": "x.1.1"}, Code.RUN_NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            await why(hindsight, **asked)
        assert refused.value.code == code
