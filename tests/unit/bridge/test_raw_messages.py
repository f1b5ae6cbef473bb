"""What the log keeps of a message as it came: all of it, within what a message of NATS can hold, and no secret."""

import json
import random

import msgspec
import pytest
from mqtt5 import PublishPacket, QoS

from kaiser.bridge.profiles import Profile, Profiles
from kaiser.bridge.redacting import as_received
from kaiser.bridge.sorting import Sorter
from kaiser.bridge.telemetry import MOST_ROWS
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.packing import unpack
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.wire import Heartbeat
from kaiser.eventlog import Event

LARGEST = 1024 * 1024
DEVICE = "kaiser/god/esp/ESP_9F03D4"
NOW = 1_777_614_000_000_000
READING = {"ts": 1777614000, "esp_id": "ESP_9F03D4", "gpio": 4, "sensor_type": "ds18b20", "raw": 352, "raw_mode": True}
BEAT = b'{ "esp_id":"ESP_9F03D4","ts":1777614000,"uptime":60,"heap_free":2,"wifi_rssi":-58,"sensor_count":0 }'


def published(topic: str, payload: bytes, packet_id: int | None = None, *, dup: bool = False) -> PublishPacket:
    qos = QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE
    return PublishPacket(f"{DEVICE}/{topic}", payload, qos=qos, packet_id=packet_id, duplicate=dup)


def reading(n: int, **more: object) -> bytes:
    return json.dumps(READING | {"seq": n} | more).encode()


def events_of(messages: list[PublishPacket]) -> list[Event]:
    return Sorter("kaiser-uplink-0", Profiles({"ESP_9F03D4": Profile(kaiser_id="god", generation="head")})).sort(
        messages, NOW
    )


def batches_of(events: list[Event]) -> list[RawReadings]:
    return [msgspec.json.decode(event.data, type=RawReadings) for event in events if event.type == RawReadings.TYPE]


def test_each_reading_of_a_batch_has_its_bytes() -> None:
    sent = [reading(n, note=" " * n) for n in range(5)]
    (batch,) = batches_of(events_of([published("sensor/4/data", each, n + 1) for n, each in enumerate(sent)]))
    assert unpack(batch.payloads, len(batch)) == sent
    assert batch.seq == [0, 1, 2, 3, 4]


def test_the_log_knows_which_readings_the_broker_had_sent_before() -> None:
    messages = [published("sensor/4/data", reading(n), n + 1, dup=n == 1) for n in range(3)]
    (batch,) = batches_of(events_of(messages))
    assert batch.redelivered == [1]
    assert all(batch.delivery), "QoS 1"
    (lossy,) = batches_of(events_of([published("sensor/4/data", reading(1))]))
    assert lossy.delivery == [0], "QoS 0"


def test_readings_that_cannot_be_packed_are_more_batches_and_none_is_too_large() -> None:
    noise = random.Random(1)
    sent = [reading(n, note=noise.randbytes(7500).hex()) for n in range(120)]
    events = events_of([published("sensor/4/data", each, n + 1) for n, each in enumerate(sent)])
    batches = batches_of(events)
    assert max(len(event.data) for event in events) < LARGEST / 2
    assert len({event.id for event in events}) == len(batches) > 1
    assert [seq for batch in batches for seq in batch.seq] == list(range(120)), "in the order of arrival"
    assert [each for batch in batches for each in unpack(batch.payloads, len(batch))] == sent


def test_a_batch_of_any_number_of_readings_fits_into_a_message_of_nats() -> None:
    events = events_of([published("sensor/4/data", reading(n), n + 1) for n in range(2 * MOST_ROWS + 1)])
    assert sum(map(len, batches_of(events))) == 2 * MOST_ROWS + 1
    assert max(map(len, batches_of(events))) <= MOST_ROWS
    assert max(len(event.data) for event in events) < LARGEST


def test_whatever_else_is_said_has_its_message() -> None:
    (event,) = events_of([published("system/heartbeat", BEAT, 7, dup=True)])
    said = msgspec.json.decode(event.data, type=DeviceSaid[Heartbeat])
    assert said.mqtt is not None
    assert (said.mqtt.topic, said.mqtt.payload) == (f"{DEVICE}/system/heartbeat", BEAT)
    assert (said.mqtt.qos, said.mqtt.dup, said.mqtt.redacted) == (1, True, False)


def test_an_event_of_a_release_that_kept_no_bytes_is_read_as_before() -> None:
    (event,) = events_of([published("system/heartbeat", BEAT)])
    said = json.loads(event.data)
    del said["mqtt"]
    assert msgspec.json.decode(json.dumps(said), type=DeviceSaid[Heartbeat]).mqtt is None
    (batch,) = batches_of(events_of([published("sensor/4/data", reading(1))]))
    before = json.loads(encode(batch))
    del before["payloads"], before["redelivered"]
    assert msgspec.json.decode(json.dumps(before), type=RawReadings).payloads == b""


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b'{"wifi_password":"pa\\"ss", "x":1}', b'{"wifi_password":"***", "x":1}'),
        (b'{"wifi":{"Auth_Token" : "t"},"API-key":"k"}', b'{"wifi":{"Auth_Token" : "***"},"API-key":"k"}'),
        (b'{"mqtt_psk":"","apikey":"k"}', b'{"mqtt_psk":"***","apikey":"***"}'),
        (b'{"emergency_rejected_no_token_total":3}', b'{"emergency_rejected_no_token_total":3}'),
        (b'{"message":"the token was refused"}', b'{"message":"the token was refused"}'),
        (b"\xff token", b"\xff token"),
    ],
)
def test_a_value_that_is_a_secret_by_its_name_is_not_kept(payload: bytes, kept: bytes) -> None:
    received = as_received(published("system/command/response", payload))
    assert (received.payload, received.redacted) == (kept, kept != payload)
