"""What people may decide about a dead letter, and that the same twice is the same."""

import pytest

from kaiser.contracts.events.deadletter import DeadLetter, ReplayEnded, ReplayOrdered
from kaiser.contracts.refusals import Refusal
from kaiser.gateway.deadletters import LETTER, Discard, End, Letter, Replay, Wish, decide, decode, evolve
from kaiser.gateway.letters import must_be_replayable

OPEN = Letter()


def order(payload: bytes = b"1", *, at: int = 1) -> Replay:
    return Replay(letter_id="7-0", payload=payload, edited=False, reason="try", by="ada", at=at)


def end(replay_id: str = "7-0.1", outcome: str = "stored") -> End:
    event = ReplayEnded(letter_id="7-0", at=2, by="ada", replay_id=replay_id, outcome=outcome)
    return End(event=event)


DISCARD = Discard(letter_id="7-0", reason="toy", by="bob", at=3)


def after(*wishes: Wish) -> Letter:
    letter = OPEN
    for wish in wishes:
        for event in decide(letter, wish):
            letter = evolve(letter, event)
    return letter


def test_a_replay_is_ordered_and_stored_and_the_same_again_changes_nothing() -> None:
    assert after(order()).state == "replaying"
    done = after(order(), end())
    assert done.state == "replayed"
    assert decide(done, order(at=9)) == ()
    assert decide(done, end()) == ()


def test_while_one_is_under_way_another_payload_is_refused() -> None:
    for letter in (after(order()), after(order(), end())):
        with pytest.raises(Refusal, match="another payload") as refused:
            decide(letter, order(b"2"))
        assert refused.value.code == "DEADLETTER_SETTLED"


def test_what_is_refused_once_more_stays_open_for_another_try_of_another_name() -> None:
    letter = after(order(), end(outcome="refused"))
    assert (letter.state, letter.tries) == ("open", 1)
    (again,) = decide(letter, order(b"2"))
    assert isinstance(again, ReplayOrdered)
    assert again.replay_id == "7-0.2"
    assert decide(evolve(letter, again), end("7-0.1")) == (), "the end of the first try is not that of the second"


def test_what_was_discarded_is_not_replayed_and_the_other_way_round() -> None:
    letter = after(DISCARD)
    assert letter.state == "discarded"
    assert decide(letter, DISCARD) == ()
    for before, wish in ((letter, order()), (after(order()), DISCARD), (after(order(), end()), DISCARD)):
        with pytest.raises(Refusal) as refused:
            decide(before, wish)
        assert refused.value.code == "DEADLETTER_SETTLED"


def test_every_decision_comes_back_from_the_log_as_it_was() -> None:
    for event in (*decide(OPEN, order(b"\xff")), *decide(OPEN, DISCARD), end().event):
        stored = LETTER.encode(event)
        assert stored.subject == "deadletter.settled.7-0"

        class Stored:
            type, data = stored.type, stored.data

        assert decode(Stored()) == event  # type: ignore[arg-type]  # all that it reads of a delivery


def test_an_event_of_the_log_is_not_replayed() -> None:
    letter = DeadLetter(code="POISON_MESSAGE", detail="", received_at=1, subject="device.a", stream="D", stream_seq=4)
    with pytest.raises(Refusal, match="event 4 of D"):
        must_be_replayable(letter)
    must_be_replayable(DeadLetter(code="X", detail="", received_at=1, topic="kaiser/god/esp/ESP_1/sensor/4/data"))
