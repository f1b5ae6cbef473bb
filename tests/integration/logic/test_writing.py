"""The fence around what is written: of two that believe that they lead, one does."""

import pytest

from kaiser.contracts.events.logic import EngineResumed, RunEnded
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import EventLog
from kaiser.logic.following import LostTrackError
from kaiser.logic.marks import Mark
from kaiser.logic.writing import Writer

HERE = Mark(clock=1, n=0, order_seq=0, seq=0, taken={})
RESUMED = EngineResumed(since=0, at=1)


def ended(n: int, rule_id: str) -> RunEnded:
    return RunEnded(
        n=n, at=1, rule_id=rule_id, version=1, run_id=f"{rule_id}.1.1", branch="then", outcome="succeeded", steps=0
    )


async def test_who_was_frozen_does_not_take_a_decision_of_another_of_the_same_number_for_its_own(log: EventLog) -> None:
    frozen = Writer(log, HERE, 3600)
    await frozen.begin([RESUMED], HERE, 0)
    await frozen.write([ended(1, "water")], HERE)
    other = Writer(log, Mark(clock=1, n=1, order_seq=frozen.order_seq, seq=frozen.seq, taken={}), 3600)
    await other.begin([RESUMED], HERE, frozen.seq)
    await other.write([ended(2, "heat")], HERE)
    with pytest.raises(LostTrackError):
        await frozen.write([ended(2, "water")], HERE)
    assert int((await log.js.stream_info(LOGIC.name)).state.messages) == 4
