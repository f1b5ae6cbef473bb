import msgspec

from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters
from kaiser.eventlog.deadletters import _parts


def letter(size: int, detail: str = "bad") -> DeadLetter:
    return DeadLetter(code="INVALID_PAYLOAD_FORMAT", detail=detail, payload=b"\xff" * size, received_at=1)


def test_letters_share_events_as_long_as_they_fit():
    parts = _parts([letter(100) for _ in range(100)], 10_000)
    assert sum(len(part) for part in parts) == 100
    assert 1 < len(parts) < 10
    assert all(len(msgspec.json.encode(DeadLetters(service="s", letters=part))) < 10_100 for part in parts)


def test_a_payload_that_fits_nowhere_is_cut_and_says_so():
    (part,) = _parts([letter(20_000)], 10_000)
    assert 0 < len(part[0].payload) < 20_000
    assert len(msgspec.json.encode(part[0])) < 10_000
    assert "of 20000 bytes" in part[0].detail
