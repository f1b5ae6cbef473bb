import asyncio
import json
from typing import NamedTuple

import pytest

from kaiser.eventlog import Aggregate, Delivery, Event, EventLog, Repository, replay


class Deposited(NamedTuple):
    account: str
    amount: int


class RefusedError(Exception):
    pass


def decide(balance: int, command: list[Deposited]) -> list[Deposited]:
    if balance + sum(event.amount for event in command) < 0:
        raise RefusedError(f"only {balance}")
    return command


def encode(event: Deposited) -> Event:
    return Event(
        subject=f"fact.{event.account}.{'in' if event.amount > 0 else 'out'}",
        type="io.kaiser.test.deposited.v1",
        data=json.dumps(event._asdict()).encode(),
        source="kaiser/test",
    )


def decode(delivery: Delivery) -> Deposited:
    return Deposited(**json.loads(delivery.data))


ACCOUNT = Aggregate(initial=0, decide=decide, evolve=lambda b, e: b + e.amount, encode=encode, decode=decode)


def accounts(log: EventLog) -> Repository[int, list[Deposited], Deposited]:
    return Repository(log, "FACTS", ACCOUNT)


async def test_a_command_becomes_events_and_the_state_is_theirs(log: EventLog):
    executed = await accounts(log).execute("fact.k.*", [Deposited("k", 10)])
    assert (executed.state, executed.last_seq, list(executed.events)) == (10, 1, [Deposited("k", 10)])
    loaded = await accounts(log).load("fact.k.*")
    assert (loaded.state, loaded.last_seq) == (10, 1)
    assert (await accounts(log).load("fact.other.*")).state == 0


async def test_a_refused_command_leaves_no_event(log: EventLog):
    with pytest.raises(RefusedError):
        await accounts(log).execute("fact.k.*", [Deposited("k", -1)])
    assert [d async for d in replay(log, "FACTS")] == []


async def test_a_command_without_need_leaves_no_event(log: EventLog):
    executed = await accounts(log).execute("fact.k.*", [])
    assert (executed.state, list(executed.events)) == (0, [])


async def test_the_events_of_a_command_are_stored_together(log: EventLog):
    executed = await accounts(log).execute("fact.k.*", [Deposited("k", 10), Deposited("k", -3), Deposited("k", 1)])
    assert (executed.state, executed.last_seq) == (8, 3)
    assert [decode(d).amount async for d in replay(log, "FACTS")] == [10, -3, 1]


async def test_two_writers_never_decide_on_the_same_state(log: EventLog):
    """Of many withdrawals from ten at once, ten succeed, whatever the other subjects of the stream do."""
    await accounts(log).execute("fact.k.*", [Deposited("k", 10)])
    repositories = [accounts(log) for _ in range(4)]

    async def withdraw(number: int) -> bool:
        await repositories[number % 4].execute(f"fact.n{number}.*", [Deposited(f"n{number}", 1)])
        try:
            await repositories[number % 4].execute("fact.k.*", [Deposited("k", -1)])
        except RefusedError:
            return False
        return True

    done = []
    for start in range(0, 16, 4):
        done += await asyncio.gather(*(withdraw(start + i) for i in range(4)))
    assert sum(done) == 10
    assert (await accounts(log).load("fact.k.*")).state == 0


@pytest.mark.parametrize("count", [1, 3])
async def test_a_lost_acknowledgement_does_not_make_a_command_happen_twice(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, count: int
):
    """The first answer of the server is lost, so that its repetition meets our own event."""
    monkeypatch.setattr("kaiser.eventlog.publish.ACK_TIMEOUT_S", 0.3)
    monkeypatch.setattr("kaiser.eventlog.atomic.COMMIT_TIMEOUT_S", 0.3)
    repository = accounts(log)
    await repository.load("fact.k.*")
    await log.publish(Event(subject="fact.x", type="t", data=b"", source="s"))
    process, lost = log.nc._process_msg, []

    async def lose_first_ack(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if not lost and b'"seq":%d' % (1 + count) in data and b"FACTS" in data and b"config" not in data:
            lost.append(data)
            return
        await process(sid, subject, reply, data, headers)

    monkeypatch.setattr(log.nc, "_process_msg", lose_first_ack)
    executed = await repository.execute("fact.k.*", [Deposited("k", 5)] * count)
    assert lost
    assert (executed.state, executed.last_seq) == (5 * count, 1 + count)
    assert len([d async for d in replay(log, "FACTS", subjects=("fact.k.*",))]) == count


async def test_of_many_who_decide_on_what_they_saw_one_does(log: EventLog):
    seen = (await accounts(log).execute("fact.k.*", [Deposited("k", 10)])).last_seq

    async def admit(seq: int) -> None:
        if seq != seen:
            raise RefusedError(f"{seq} is not {seen}")

    asked = [accounts(log).execute("fact.k.*", [Deposited("k", 1)], admit=admit) for _ in range(8)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, RefusedError) for each in done) == 7
    assert (await accounts(log).load("fact.k.*")).state == 11
