from kaiser.ingest.presence import Heard, rounds


def heard(esp_id: str, at: int) -> Heard:
    return Heard(kaiser_id="god", esp_id=esp_id, generation="head", at=at)


def test_events_of_one_device_are_never_merged_into_one_row() -> None:
    a1, b1, a2, a3, b2 = heard("a", 1), heard("b", 1), heard("a", 2), heard("a", 3), heard("b", 2)
    assert rounds([a1, b1, a2, a3, b2]) == [[a1, b1], [a2, b2], [a3]]
    assert rounds([]) == []
