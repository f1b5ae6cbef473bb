"""Whatever the bytes are: a verdict, never an exception; and topics read back as they were built."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kaiser.contracts import topics
from kaiser.contracts.codes import Code
from kaiser.contracts.topics import DownlinkKind, DownlinkTopic, UplinkKind, UplinkTopic
from kaiser.contracts.uplink import Accepted, Ignored, Refused, decode_uplink
from kaiser.contracts.wire import UPLINK_MESSAGES

KAISER_IDS = st.from_regex(r"[A-Za-z0-9_-]{0,63}", fullmatch=True)
ESP_IDS = st.from_regex(r"ESP_[0-9A-F]{6,8}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({name for struct in UPLINK_MESSAGES.values() for name in struct.__struct_fields__}))
LIKELY = st.sampled_from(
    ["ESP_0A1B2C", 33, 25, 0, 1767100000, "ph", "ds18b20", True, "error", "sensor", 2141, -50, "ON"]
)
SUFFIXES = st.sampled_from([s.replace("{gpio}", "33") for s in topics.UPLINK_SUFFIXES.values()])


def is_a_verdict(outcome):
    if isinstance(outcome, Refused):
        return isinstance(outcome.code, Code) and bool(outcome.detail)
    return isinstance(outcome, Accepted | Ignored)


@given(SUFFIXES, st.binary(max_size=200))
def test_any_bytes_get_a_verdict(suffix, payload):
    assert is_a_verdict(decode_uplink(f"kaiser/god/esp/ESP_0A1B2C/{suffix}", payload))


@given(st.text(), st.binary(max_size=50), st.booleans())
def test_any_topic_gets_a_verdict(topic, payload, retained):
    assert is_a_verdict(decode_uplink(topic, payload, retained=retained))


@settings(max_examples=400)
@given(SUFFIXES, st.dictionaries(FIELDS, LIKELY | JSON, max_size=14))
def test_any_object_gets_a_verdict(suffix, payload):
    outcome = decode_uplink(f"kaiser/god/esp/ESP_0A1B2C/{suffix}", json.dumps(payload).encode())
    assert is_a_verdict(outcome)


@settings(max_examples=400)
@given(st.data())
def test_a_damaged_message_gets_a_verdict(data):
    sound = (
        '{"esp_id":"ESP_0A1B2C","zone_id":"tent","subzone_id":"","gpio":33,"sensor_type":"ph","raw":2141,"value":6.3,'
        '"unit":"°C","quality":"good","ts":1767100125,"raw_mode":true}'
    ).encode()
    at = data.draw(st.integers(0, len(sound)))
    until = data.draw(st.integers(at, len(sound)))
    patch = data.draw(
        st.sampled_from([b'"', b"\\", b'","', b"nan", b"{", b"}", b"\x00", b"\xff", b"", b":", b"\n"])
        | st.binary(max_size=8)
    )
    outcome = decode_uplink("kaiser/god/esp/ESP_0A1B2C/sensor/33/data", sound[:at] + patch + sound[until:])
    assert is_a_verdict(outcome)
    if isinstance(outcome, Accepted):
        assert (outcome.message.esp_id, outcome.message.gpio) == ("ESP_0A1B2C", 33)


@given(st.sampled_from(UplinkKind), KAISER_IDS, ESP_IDS, st.integers(0, 48))
def test_an_uplink_topic_reads_back_as_it_was_built(kind, kaiser_id, esp_id, gpio):
    pin = gpio if "{gpio}" in topics.UPLINK_SUFFIXES[kind] else None
    topic = UplinkTopic(kind, kaiser_id, esp_id, pin)
    assert topics.parse(topics.build(topic)) == topic


@given(st.sampled_from(DownlinkKind), KAISER_IDS, ESP_IDS, st.integers(0, 48))
def test_a_downlink_topic_reads_back_as_it_was_built(kind, kaiser_id, esp_id, gpio):
    if kind is DownlinkKind.BROADCAST_EMERGENCY:
        topic = DownlinkTopic(kind)
    elif kind is DownlinkKind.SERVER_STATUS:
        topic = DownlinkTopic(kind, kaiser_id)
    else:
        pin = gpio if "{gpio}" in topics.DOWNLINK_SUFFIXES[kind] else None
        topic = DownlinkTopic(kind, kaiser_id, esp_id, pin)
    assert topics.classify(topics.build(topic)) == topic


@given(st.text(alphabet="kaiser/godespESP_0A1B2C+#$sensordata3", max_size=60))
def test_a_topic_that_is_read_is_built_back_to_the_letter(text):
    found = topics.classify(text)
    if not isinstance(found, topics.TopicError):
        assert topics.build(found) == text
