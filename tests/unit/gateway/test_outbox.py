"""What a slow client did not get, it is told, exactly; what it got is gapless up to there."""

import json

from kaiser.gateway.outbox import FRAME_BYTES, Outbox


def _taken(outbox: Outbox) -> list[dict]:
    return [json.loads(message) for message in outbox.take()]


def _put(outbox: Outbox, number: int, *, size: int = 10, **options) -> None:
    chunk = json.dumps({"n": number, "pad": "x" * size}).encode()
    outbox.put(chunk, count=1, seq=number, stream="TELEMETRY", **options)


def test_everything_that_waits_is_one_frame_in_order() -> None:
    outbox = Outbox(10_000)
    for number in range(3):
        _put(outbox, number)
    (frame,) = _taken(outbox)
    assert [event["n"] for event in frame["events"]] == [0, 1, 2]
    assert _taken(outbox) == []


def test_what_did_not_fit_is_counted_with_its_range_and_told_after_what_fitted() -> None:
    outbox = Outbox(100)
    for number in range(10, 20):
        _put(outbox, number, size=20)
    frame, missed = _taken(outbox)
    got = [event["n"] for event in frame["events"]]
    assert got == list(range(10, 10 + len(got)))
    assert missed == {
        "type": "missed",
        "stream": "TELEMETRY",
        "count": 10 - len(got),
        "from_seq": 10 + len(got),
        "to_seq": 19,
    }


def test_after_a_gap_nothing_passes_until_the_client_was_told() -> None:
    outbox = Outbox(100)
    _put(outbox, 1, size=60)
    _put(outbox, 2, size=60)
    _put(outbox, 3, size=0)
    _, missed = _taken(outbox)
    assert (missed["from_seq"], missed["to_seq"], missed["count"]) == (2, 3, 2)
    _put(outbox, 4)
    assert _taken(outbox)[0]["events"][0]["n"] == 4


def test_an_urgent_event_passes_a_gap() -> None:
    outbox = Outbox(100)
    _put(outbox, 1, size=200)
    _put(outbox, 2, size=20, urgent=True)
    frame, missed = _taken(outbox)
    assert frame["events"][0]["n"] == 2
    assert missed["count"] == 1


def test_a_frame_stays_below_what_clients_accept() -> None:
    outbox = Outbox(10 * FRAME_BYTES)
    for number in range(8):
        _put(outbox, number, size=FRAME_BYTES // 3)
    frames = outbox.take()
    assert len(frames) > 1
    assert all(len(frame) < 2 * FRAME_BYTES for frame in frames)
    assert sum(len(json.loads(frame)["events"]) for frame in frames) == 8
