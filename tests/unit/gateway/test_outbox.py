"""What a slow client did not get, it is told, exactly; what it got is gapless up to there."""

import json

from kaiser.gateway import positions
from kaiser.gateway.outbox import FRAME_BYTES, Outbox

NOW = {"TELEMETRY": 100, "SAFETY": 7}


def _taken(outbox: Outbox) -> list[dict]:
    return [json.loads(message) for message in outbox.take(NOW, positions.write(NOW))]


def _cursors(messages: list[dict]) -> list[dict]:
    return [positions.read(message["cursor"]) for message in messages if message["type"] == "frame"]


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
    frame, missed, after = _taken(outbox)
    assert after["events"] == []
    got = [event["n"] for event in frame["events"]]
    assert got == list(range(10, 10 + len(got)))
    assert missed == {
        "type": "missed",
        "stream": "TELEMETRY",
        "count": 10 - len(got),
        "from_seq": 10 + len(got),
        "to_seq": 19,
        "reason": "slow",
    }


def test_after_a_gap_nothing_passes_until_the_client_was_told() -> None:
    outbox = Outbox(100)
    _put(outbox, 1, size=60)
    _put(outbox, 2, size=60)
    _put(outbox, 3, size=0)
    _, missed, _ = _taken(outbox)
    assert (missed["from_seq"], missed["to_seq"], missed["count"]) == (2, 3, 2)
    _put(outbox, 4)
    assert _taken(outbox)[0]["events"][0]["n"] == 4


def test_an_urgent_event_passes_a_gap() -> None:
    outbox = Outbox(100)
    _put(outbox, 1, size=200)
    _put(outbox, 2, size=20, urgent=True)
    missed, frame = _taken(outbox)
    assert frame["events"][0]["n"] == 2
    assert missed["count"] == 1


def test_a_frame_stays_below_what_clients_accept() -> None:
    outbox = Outbox(10 * FRAME_BYTES)
    for number in range(8):
        _put(outbox, number, size=FRAME_BYTES // 3)
    frames = outbox.take(NOW, positions.write(NOW))
    assert len(frames) > 1
    assert all(len(frame) < 2 * FRAME_BYTES for frame in frames)
    assert sum(len(json.loads(frame)["events"]) for frame in frames) == 8


def test_a_frame_says_how_far_the_client_is_with_it_and_not_further() -> None:
    outbox = Outbox(10 * FRAME_BYTES)
    outbox.told = {"TELEMETRY": 10, "SAFETY": 3}
    for number in range(20, 25):
        _put(outbox, number, size=FRAME_BYTES // 2)
    *before, last = _cursors(_taken(outbox))
    assert [cursor["TELEMETRY"] for cursor in before] == [20 + number for number in range(len(before))]
    assert {cursor["SAFETY"] for cursor in before} == {3}
    assert last == NOW


def test_no_frame_before_a_gap_points_behind_it() -> None:
    outbox = Outbox(100)
    for number in range(10, 20):
        _put(outbox, number, size=20)
    outbox.put(b"{}", count=1, seq=5, stream="SAFETY", urgent=True)
    frame, missed, after = _taken(outbox)
    first, last = _cursors([frame, after])
    assert first["TELEMETRY"] == missed["from_seq"] - 1
    assert first["SAFETY"] == 4
    assert len(after["events"]) == 1
    assert last == NOW


def test_of_the_same_key_only_the_newest_waits_and_nothing_is_missed() -> None:
    outbox = Outbox(1000)
    for number in range(100):
        _put(outbox, number, key="a" if number % 2 else "b")
    (frame,) = _taken(outbox)
    assert [event["n"] for event in frame["events"]] == [98, 99]
    assert outbox.missed == 0


def test_what_a_client_asked_for_again_is_taken_whatever_waits() -> None:
    outbox = Outbox(100)
    for number in range(5):
        _put(outbox, number, size=50, asked_for=True)
    assert not outbox.roomy
    (frame,) = _taken(outbox)
    assert [event["n"] for event in frame["events"]] == [0, 1, 2, 3, 4]
    assert outbox.roomy
