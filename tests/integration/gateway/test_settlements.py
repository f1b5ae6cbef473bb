"""What was decided about dead letters, known to every gateway without reading all of it for each list."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters, LetterDiscarded, ReplayEnded, ReplayOrdered
from kaiser.eventlog import Event, EventLog, now_us
from kaiser.gateway.deadletters import LETTER
from kaiser.gateway.letters import Letters, Wanted
from kaiser.gateway.settlements import Settlements

ALL = Wanted()


@pytest.fixture
async def settlements(log: EventLog) -> AsyncIterator[Settlements]:
    made = Settlements(log)
    following = asyncio.create_task(made.follow())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def _lost(log: EventLog, *topics: str) -> int:
    """Letters in one event; its sequence."""
    now = now_us()
    held = [
        DeadLetter(code="INVALID_PAYLOAD_FORMAT", detail="", received_at=now, topic=topic, payload=b"x")
        for topic in topics
    ]
    body = DeadLetters(service="bridge", letters=held)
    event = Event(subject=subjects.deadletter("bridge"), type=DeadLetters.TYPE, data=encode(body), source="test")
    return (await log.publish(event)).seq


async def test_a_list_has_what_was_decided_before_it_was_asked_for_whoever_decided_it(
    log: EventLog, settlements: Settlements
) -> None:
    seq = await _lost(log, "a", "b", "c")
    found = Letters(log, settlements)
    for _ in range(3):
        page, _ = await found.page(ALL, limit=10, cursor=None)
        assert {each.settled.state for each in page} <= {"open"}
    first, second = f"{seq}-0", f"{seq}-1"
    ordered = ReplayOrdered(
        letter_id=first, at=now_us(), by="ada", replay_id=f"{first}.1", payload=b"y" * 60_000, edited=True, reason="r"
    )
    dropped = LetterDiscarded(letter_id=second, at=now_us(), by="ada", reason="r")
    last = 0
    for decision in (ordered, dropped):
        last = (await log.publish(LETTER.encode(decision))).seq
    page, _ = await found.page(ALL, limit=10, cursor=None)
    assert [each.settled.state for each in page] == ["replaying", "discarded", "open"]
    assert [each.state_seq for each in page] == [last - 1, last, seq]
    assert page[0].settled.order.payload == b""  # the log has it
    assert (await found.find(first)).settled.order.payload == b"y" * 60_000
    ended = ReplayEnded(
        letter_id=first, at=now_us(), by="ada", replay_id=f"{first}.1", outcome="stored", event_ids=("e",)
    )
    await log.publish(LETTER.encode(ended))
    page, _ = await found.page(Wanted(state="open"), limit=10, cursor=None)
    assert [each.letter_id for each in page] == [f"{seq}-2"]
    assert len(settlements) == 2
