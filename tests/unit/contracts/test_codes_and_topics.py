"""Codes are stable, topics bounded."""

import pytest

from kaiser.contracts import topics
from kaiser.contracts.codes import MEANINGS, NUMBERS, Code, describe_device_code
from kaiser.contracts.topics import TopicError, UplinkKind, UplinkTopic


def test_every_code_has_a_number_of_its_own_and_a_meaning():
    assert set(NUMBERS) == set(MEANINGS) == set(Code)
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert all(code.value == code.name for code in Code)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (Code.ESP_DEVICE_NOT_FOUND, 5001),
        (Code.OPERATION_TIMEOUT, 5006),
        (Code.INVALID_GPIO_PIN, 5202),
        (Code.INVALID_SENSOR_TYPE, 5203),
        (Code.MISSING_REQUIRED_FIELD, 5205),
        (Code.TYPE_MISMATCH, 5206),
        (Code.DATABASE_ERROR, 5301),
    ],
)
def test_numbers_are_those_of_section_18(code, number):
    assert NUMBERS[code] == number


@pytest.mark.parametrize(("number", "about"), [(1060, "DS18B20 reading"), (2506, "subzone"), (9, "unknown")])
def test_a_devices_number_is_described(number, about):
    assert describe_device_code(number) == about


def test_a_device_topic_is_parsed():
    topic = topics.parse("kaiser//esp/ESP_0A1B2C/sensor/33/data")
    assert topic == UplinkTopic(UplinkKind.SENSOR_DATA, "", "ESP_0A1B2C", 33)
    assert not topic.literal_kaiser_id


@pytest.mark.parametrize("suffix", ["session/announce", "onewire/scan_result"])
def test_god_says_nothing_about_the_kaiser_id_where_the_firmware_always_writes_it(suffix):
    assert topics.parse(f"kaiser/god/esp/ESP_0A1B2C/{suffix}").literal_kaiser_id


@pytest.mark.parametrize(
    ("topic", "where"),
    [
        ("x/god/esp/ESP_0A1B2C/zone/ack", "level 1"),
        ("kaiser/g d/esp/ESP_0A1B2C/zone/ack", "level 2"),
        ("kaiser/god/ESP/ESP_0A1B2C/zone/ack", "level 3"),
        ("kaiser/god/esp/ESP_0a1B2C/zone/ack", "level 4"),
        ("kaiser/god/esp/ESP_0A1B2C/zone/nack", "level 5"),
        ("kaiser/god/esp/ESP_0A1B2C/sensor/99/data", "level 6"),
        ("kaiser/god/esp/ESP_0A1B2C/sensor/9/date", "level 7"),
        ("kaiser/god/esp/ESP_0A1B2C/zone/assign", "topic"),
    ],
)
def test_an_error_says_where_and_what(topic, where):
    with pytest.raises(TopicError) as caught:
        topics.parse(topic)
    assert caught.value.where == where
    assert caught.value.detail


def test_parts_that_are_not_of_the_grammar_are_not_built_into_a_topic():
    for kaiser_id, esp_id, gpio in (("a/b", "ESP_0A1B2C", 4), ("god", "ESP_x", 4), ("god", "ESP_0A1B2C", 49)):
        with pytest.raises(TopicError):
            topics.uplink(UplinkKind.SENSOR_DATA, kaiser_id, esp_id, gpio)
    with pytest.raises(TopicError):
        topics.uplink(UplinkKind.SENSOR_DATA, "god", "ESP_0A1B2C")
    with pytest.raises(TopicError):
        topics.uplink(UplinkKind.HEARTBEAT, "god", "ESP_0A1B2C", 4)


def test_a_hostile_device_cannot_grow_the_memory_of_topics_without_limit():
    assert topics._classify.cache_parameters()["maxsize"] == topics.REMEMBERED_TOPICS
    before = topics._classify.cache_info().currsize
    topics.classify("kaiser/" + "x" * 10_000)
    assert topics._classify.cache_info().currsize == before


def test_the_individual_filters_let_no_downlink_through():
    assert len(topics.UPLINK_FILTERS) == len(UplinkKind)
    assert "kaiser/+/esp/+/sensor/+/data" in topics.UPLINK_FILTERS
    assert not any("command" in f and "response" not in f for f in topics.UPLINK_FILTERS)
