"""What clients of the monolith are told of what goes to everybody else."""

import json

from kaiser.gateway.sockets_as_monolith import translated


def said(message: dict) -> list[dict]:
    return [json.loads(each) for each in translated(json.dumps(message).encode(), now_s=7)]


def test_each_event_of_a_frame_is_a_message():
    at = 1_777_500_031_999_999
    events = [{"type": "esp_health", "seq": 1, "time": at, "data": {"esp_id": "E", "n": n}} for n in (1, 2)]
    assert said({"type": "frame", "events": events, "cursor": "x"}) == [
        {"type": "esp_health", "timestamp": 1_777_500_031, "data": {"esp_id": "E", "n": n}} for n in (1, 2)
    ]


def test_what_was_missed_is_told_and_nothing_else():
    missed = {"type": "missed", "stream": "TELEMETRY", "from_seq": 1, "to_seq": 2, "reason": "slow", "count": 2}
    assert said(missed) == [{"type": "missed", "timestamp": 7, "data": missed}]
    for other in ("subscribed", "authenticated", "heartbeat", "pong", "problem", "goodbye"):
        assert said({"type": other, "cursor": "x"}) == []
