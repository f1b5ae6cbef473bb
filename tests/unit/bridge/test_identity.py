"""Two copies of one message are one reading; two messages never are."""

from kaiser.bridge.identity import WINDOW_US, Deliveries, delivery, digest, reading_id

FIRST = digest(b'{"esp_id":"ESP_9F03D4","seq":12,"raw":352,"ts":0}')
NOW = 1_777_500_000_000_000


def _id(payload_digest: int = FIRST, **facts: object) -> int:
    defaults: dict = {"clock_set": True, "seq": 12, "boot": "b17", "received_at": NOW}
    return reading_id(payload_digest, **(defaults | facts))


def test_a_message_with_a_clock_is_itself_whenever_it_comes() -> None:
    assert _id() == _id(received_at=NOW + 3_600_000_000, boot="")


def test_different_messages_are_different_readings() -> None:
    assert _id() != _id(digest(b"another"))


def test_without_a_clock_one_number_in_two_boots_is_two_readings() -> None:
    assert _id(clock_set=False) == _id(clock_set=False, received_at=NOW + 3_600_000_000)
    assert _id(clock_set=False) != _id(clock_set=False, boot="b18")


def test_without_clock_and_number_the_same_words_five_seconds_later_are_another_reading() -> None:
    unnumbered = {"clock_set": False, "seq": None, "boot": ""}
    assert _id(**unnumbered) == _id(**unnumbered, received_at=NOW + WINDOW_US - 1)
    assert _id(**unnumbered) != _id(**unnumbered, received_at=NOW + 5_000_000)


def test_an_identity_fits_a_bigint() -> None:
    assert all(0 <= _id(digest(bytes([n])), clock_set=n % 2 == 0) < 2**63 for n in range(200))


def test_a_delivery_is_known_again_by_packet_id_and_content() -> None:
    deliveries = Deliveries()
    deliveries.remember(delivery(FIRST, 7))
    assert delivery(FIRST, 7) in deliveries
    assert delivery(FIRST, 8) not in deliveries
    assert delivery(digest(b"another"), 7) not in deliveries


def test_a_packet_id_that_was_used_again_stands_for_its_newest_message() -> None:
    deliveries = Deliveries()
    deliveries.remember(delivery(FIRST, 7))
    deliveries.remember(delivery(digest(b"another"), 7))
    assert delivery(FIRST, 7) not in deliveries


def test_messages_without_a_packet_id_are_never_known() -> None:
    deliveries = Deliveries()
    deliveries.remember(delivery(FIRST, None))
    assert delivery(FIRST, None) not in deliveries
