import msgspec
import pytest

from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import message_at, now_us
from kaiser.logic.as_of import AsOf
from kaiser.logic.queries import Queries

from .test_runs import day

__all__ = ("day",)  # a fixture


async def test_a_run_was_as_far_as_it_had_come(log, pool, day):
    queries = Queries(pool)
    as_of = AsOf(log, queries)
    run_id = next(each.run_id for each in day.decisions if getattr(each, "run_id", "").startswith("water."))
    live = await queries.run("water", run_id)
    found = await as_of.state_at(StateAtQuery(kind="run", name=run_id, at=now_us()), now_us())
    assert found.state == msgspec.to_builtins(live)
    assert (found.state["outcome"], found.seq) == ("succeeded", live.decisions[-1].seq)
    first = live.decisions[0].seq
    begun = await as_of.state_at(StateAtQuery(kind="run", name=run_id, at=now_us(), seq=first), now_us())
    assert (begun.state["outcome"], begun.seq, begun.events, len(begun.state["decisions"])) == ("running", first, 1, 1)
    stored_at = (await message_at(log, "LOGIC", first)).stored_at
    for asked in (
        StateAtQuery(kind="run", name=run_id, at=stored_at - 1),
        StateAtQuery(kind="run", name="water.1.999", at=now_us()),
        StateAtQuery(kind="run", name="x", at=now_us()),
    ):
        with pytest.raises(Refusal) as error:
            await as_of.state_at(asked, now_us())
        assert error.value.code == "EVENT_NOT_FOUND"
