"""Payloads of a batch come back byte for byte, and what is none of it is told."""

import pytest

from kaiser.contracts import topics
from kaiser.contracts.events.packing import Packer, unpack
from kaiser.contracts.topics import UPLINK_SUFFIXES, UplinkTopic

READING = b'{"esp_id":"ESP_%06X","seq":%d,"gpio":4,"sensor_type":"ds18b20","raw":%d,"value":22.00,"unit":"\xc2\xb0C"}'


@pytest.mark.parametrize("payloads", [[], [b""], [b"{}", b"", b"\xff\x00"], [READING % (n, n, n) for n in range(1000)]])
def test_payloads_come_back_as_they_were_in_their_order(payloads: list[bytes]) -> None:
    packer = Packer()
    assert unpack(packer.pack(payloads), len(payloads)) == payloads
    assert unpack(packer.pack(payloads), len(payloads)) == payloads, "the second time with the same context"


def test_readings_of_many_devices_take_a_tenth() -> None:
    payloads = [READING % (n * 8191, 417 + n, 300 + n * 7 % 90) for n in range(60)]
    assert len(Packer().pack(payloads)) < sum(map(len, payloads)) / 6


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_blob_of_another_number_of_records_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="records"):
        unpack(Packer().pack([b"one", b"two"]), count)


@pytest.mark.parametrize("blob", [b"", b"no frame", Packer().pack([b"cut off"])[:-1]])
def test_what_is_no_blob_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="not the payloads of 1"):
        unpack(blob, 1)


@pytest.mark.parametrize("kind", UPLINK_SUFFIXES)
@pytest.mark.parametrize("kaiser_id", ["", "god", "Haus_7-b"])
def test_a_topic_that_is_taken_can_be_written_again_to_the_letter(kind: topics.UplinkKind, kaiser_id: str) -> None:
    pins: tuple[int | None, ...] = (0, 4, 39) if "{gpio}" in UPLINK_SUFFIXES[kind] else (None,)
    for gpio in pins:
        text = f"kaiser/{kaiser_id}/esp/ESP_0A1B2C/{UPLINK_SUFFIXES[kind].format(gpio=gpio)}"
        found = topics.classify(text)
        assert isinstance(found, UplinkTopic)
        assert topics.build(found) == text
    for other in ("kaiser/god/esp/ESP_0A1B2C/sensor/04/data", "kaiser/god/esp/ESP_0A1B2C/sensor/+4/data"):
        assert not isinstance(topics.classify(other), UplinkTopic)
