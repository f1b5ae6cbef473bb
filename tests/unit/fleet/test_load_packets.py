"""Prebuilt packets of the load mode: what a broker and a receiver would make of them."""

import pytest

from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.contracts.wire import SensorData
from kaiser.fleet.link import PACKET_IDS
from kaiser.fleet.load import Load


class Packet:
    """One PUBLISH packet, read as MQTT 3.1.1, 3.3 says."""

    def __init__(self, first: int, content: bytes) -> None:
        topic_ends = 2 + int.from_bytes(content[:2], "big")
        self.again, self.qos = bool(first & 0x08), first >> 1 & 3
        self.topic = content[2:topic_ends].decode()
        begins = topic_ends + 2 if self.qos else topic_ends
        self.packet_id = int.from_bytes(content[topic_ends:begins], "big")
        self.payload = content[begins:]

    @property
    def reading(self) -> SensorData:
        outcome = decode_uplink(self.topic, self.payload)
        assert isinstance(outcome, Accepted), outcome
        assert not outcome.flags
        assert isinstance(outcome.message, SensorData)
        return outcome.message


def read_packets(stream: bytes) -> list[Packet]:
    packets, at = [], 0
    while at < len(stream):
        first, length, shift = stream[at], 0, 0
        while True:
            at += 1
            length |= (stream[at] & 0x7F) << shift
            shift += 7
            if not stream[at] & 0x80:
                break
        packets.append(Packet(first, stream[at + 1 : at + 1 + length]))
        at += 1 + length
    return packets


def load_of(*, connections: int, qos: int = 1, devices: int = 7) -> tuple[Load, list[bytearray]]:
    """A load whose connections write into buffers."""
    load = Load(host="nowhere", port=1, devices=devices, connections=connections, qos=qos)
    written = [bytearray() for _ in range(connections)]
    for link, buffer in zip(load._links, written, strict=True):
        link.write = buffer.extend  # type: ignore[method-assign]
    return load, written


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_every_packet_is_the_reading_that_is_logged_and_its_number_follows_from_it(connections):
    load, written = load_of(connections=connections)
    for batch in (1, 2, 30, 5, 400):
        load._write(batch)
    numbers = set()
    for number, buffer in enumerate(written):
        for turn, packet in enumerate(read_packets(bytes(buffer))):
            reading = packet.reading
            counted = load.counter(reading.esp_id, reading.seq or 0)
            assert counted == turn * connections + number
            logged = load.reading(counted)
            assert (logged.esp_id, logged.gpio, logged.sensor_type) == (
                reading.esp_id,
                reading.gpio,
                reading.sensor_type,
            )
            assert (logged.address, logged.raw, logged.ts) == (reading.address, reading.raw, reading.ts)
            numbers.add(counted)
    assert numbers == set(range(load.sent)) == set(range(438))


def test_packet_ids_go_round_without_zero():
    load, written = load_of(connections=1, devices=1000)
    load._write(PACKET_IDS + 10)
    ids = [packet.packet_id for packet in read_packets(bytes(written[0]))]
    assert ids[:PACKET_IDS] == list(range(1, PACKET_IDS + 1))
    assert ids[PACKET_IDS:] == list(range(1, 11))


def test_a_connection_that_comes_back_sends_exactly_what_was_not_acknowledged_marked_as_again():
    load, written = load_of(connections=2)
    load._write(100)
    load._links[1].acked = 20
    first, again = read_packets(bytes(written[1])), read_packets(load._again(1))
    assert [(p.packet_id, p.topic, p.payload) for p in again] == [(p.packet_id, p.topic, p.payload) for p in first[20:]]
    assert all(packet.again for packet in again)


def test_a_load_with_qos_0_has_no_packet_ids_and_counts_what_it_wrote():
    load, written = load_of(connections=2, qos=0)
    load._write(33)
    packets = [packet for buffer in written for packet in read_packets(bytes(buffer))]
    assert len({packet.reading.seq for packet in packets}) == 5
    assert {packet.qos for packet in packets} == {0}
    assert load.acked == load.sent == 33
