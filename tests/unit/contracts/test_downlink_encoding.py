"""Messages to devices, made from their structs."""

import json

import pytest

from kaiser.contracts import topics, wire
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import (
    DownlinkForbiddenError,
    check_downlink,
    downlink_qos,
    downlink_retained,
    encode_downlink,
)
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.uplink import Ignored, decode_uplink
from kaiser.contracts.wire.sendable.draft import pool

PUMP = wire.ActuatorItem(gpio=25, actuator_type="pump", actuator_name="Pump")
PH = wire.SensorItem(gpio=33, sensor_type="ph", sensor_name="Tank pH")

MESSAGES = {
    DownlinkKind.SENSOR_COMMAND: wire.SensorCommand(request_id="m-77"),
    DownlinkKind.ACTUATOR_COMMAND: wire.ActuatorCommand(command="PWM", value=0.35, correlation_id="c-1"),
    DownlinkKind.DEVICE_EMERGENCY: wire.DeviceEmergency(command="clear_emergency", auth_token="t", correlation_id="e"),
    DownlinkKind.BROADCAST_EMERGENCY: wire.BroadcastEmergency(),
    DownlinkKind.CONFIG: wire.DeviceConfig(
        sensors=[PH],
        actuators=[PUMP],
        offline_rules=[
            wire.OfflineRule(
                actuator_gpio=25, sensor_gpio=4, sensor_value_type="ds18b20", activate_below=18, deactivate_above=20
            )
        ],
        correlation_id="cfg-1",
        generation=1777500020,
    ),
    DownlinkKind.SYSTEM_COMMAND: wire.SystemCommand(command="factory_reset", confirm=True),
    DownlinkKind.HEARTBEAT_ACK: wire.HeartbeatAck(status="online", handover_epoch=3, server_time=1777500101),
    DownlinkKind.ZONE_ASSIGN: wire.ZoneAssign(
        zone_id="north", master_zone_id="house", zone_name="Süd \N{SEEDLING}", kaiser_id="god", timestamp=1767100000
    ),
    DownlinkKind.SUBZONE_ASSIGN: wire.SubzoneAssign(
        subzone_id="a", subzone_name="A", parent_zone_id="north", assigned_gpios=[25], safe_mode_active=False
    ),
    DownlinkKind.SUBZONE_REMOVE: wire.SubzoneRemove(subzone_id="a"),
    DownlinkKind.SUBZONE_SAFE: wire.SubzoneSafe(subzone_id="a", action="enable"),
    DownlinkKind.SERVER_STATUS: wire.ServerStatus(status="online", timestamp=1777499940),
}


def topic_of(kind):
    if kind is DownlinkKind.BROADCAST_EMERGENCY:
        return topics.BROADCAST_EMERGENCY
    if kind is DownlinkKind.SERVER_STATUS:
        return topics.server_status("god")
    pin = {DownlinkKind.SENSOR_COMMAND: 4, DownlinkKind.ACTUATOR_COMMAND: 25}.get(kind)
    return topics.downlink(kind, "god", "ESP_0A1B2C", pin)


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_is_encoded_in_ascii_and_passes_its_own_check(kind):
    payload = encode_downlink(topic_of(kind), MESSAGES[kind])
    assert payload.isascii()
    assert check_downlink(topic_of(kind), payload, downlink_qos(kind), downlink_retained(kind), "any") is None


def test_every_message_to_devices_has_a_case():
    assert set(MESSAGES) == set(wire.DOWNLINK_MESSAGES)
    assert {type(message) for message in MESSAGES.values()} == set(wire.DOWNLINK_MESSAGES.values())


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_kaiser_sends_is_never_taken_for_what_a_device_says(kind):
    payload = encode_downlink(topic_of(kind), MESSAGES[kind])
    assert isinstance(decode_uplink(topic_of(kind), payload), Ignored)


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_goes_to_topics_of_its_kind_only(kind):
    elsewhere = DownlinkKind.CONFIG if kind is not DownlinkKind.CONFIG else DownlinkKind.SYSTEM_COMMAND
    for topic in (topic_of(elsewhere), "kaiser/god/esp/ESP_0A1B2C/system/heartbeat", "elsewhere"):
        with pytest.raises(DownlinkForbiddenError) as caught:
            encode_downlink(topic, MESSAGES[kind])
        assert caught.value.code is Code.DOWNLINK_FORBIDDEN


def test_an_acknowledgement_says_what_was_measured_to_fit():
    payload = encode_downlink(topic_of(DownlinkKind.HEARTBEAT_ACK), MESSAGES[DownlinkKind.HEARTBEAT_ACK])
    assert payload == b'{"status":"online","handover_epoch":3,"server_time":1777500101}'


def test_the_pool_of_four_fields_is_what_was_measured():
    """Section 5.8: four fields take 124 bytes, give or take a slot of 16."""
    acknowledgement = {"status": "online", "handover_epoch": 3, "server_time": 1777500101, "config_available": False}
    assert abs(pool(acknowledgement) - 124) < 16


@pytest.mark.parametrize("value", [35, -0.5, 1.0001, float("nan"), float("inf")])
def test_a_value_outside_of_0_to_1_is_not_encoded(value):
    with pytest.raises(DownlinkForbiddenError):
        encode_downlink(topic_of(DownlinkKind.ACTUATOR_COMMAND), wire.ActuatorCommand(command="PWM", value=value))


def test_a_configuration_that_a_xiao_would_drop_is_not_encoded_for_it():
    many = wire.DeviceConfig(
        sensors=[
            wire.SensorItem(gpio=gpio, sensor_type="light", sensor_name="n" * 40)
            for gpio in (4, 5, 14, 15, 16, 17, 18, 19)
        ],
        actuators=[PUMP],
    )
    topic = topic_of(DownlinkKind.CONFIG)
    assert len(encode_downlink(topic, many, generation="dec")) > 1024
    with pytest.raises(DownlinkForbiddenError, match="1024"):
        encode_downlink(topic, many, generation="dec", packet_limit=1024)


@pytest.mark.parametrize(
    ("payload", "because"),
    [
        (b"", "not JSON"),
        (b"ON", "not JSON"),
        (b'["ON"]', "not a JSON object"),
        (b'{"command":"ON"', "not JSON"),
        ('{"command":"ON","issued_by":"Jürgen"}'.encode(), "not ASCII"),
        (b'{"command":"OFF","command":"ON"}', "occurs twice"),
        (b'{"command":"ON","note":null}', "null"),
        (b'{"command" :"ON"}', "dec would read command as None"),
        (b'{"command":"ON","value":1,"a":"b"', "not JSON"),
        (b'{"command":"\\u004fN"}', "escapes"),
        (b"[" * 10_000, "2048"),
        (b"[" * 1_500, "not JSON"),
    ],
)
def test_bytes_that_a_device_reads_otherwise_than_json_readers_are_never_sent(payload, because):
    reason = check_downlink("kaiser/god/esp/ESP_0A1B2C/actuator/25/command", payload, 2, retain=False, generation="dec")
    assert reason is not None
    assert because in reason


@pytest.mark.parametrize(
    ("topic", "payload", "retain", "sent"),
    [
        ("kaiser/god/esp/ESP_0A1B2C/system/will", b"", True, True),
        ("kaiser/god/esp/ESP_0A1B2C/sensor/33/data", b"", True, True),
        ("kaiser/god/esp/ESP_0A1B2C/system/will", b"", False, False),
        ("kaiser/god/esp/ESP_0A1B2C/system/will", b"{}", True, False),
        ("kaiser/god/server/status", b"", True, False),
        ("kaiser/broadcast/emergency", b"", True, False),
    ],
)
def test_only_what_the_broker_keeps_of_a_device_may_be_cleared(topic, payload, retain, sent):
    assert (check_downlink(topic, payload, 1, retain, "any") is None) is sent


@pytest.mark.parametrize(
    ("topic", "sent"),
    [
        ("kaiser/god/esp/ESP_0A1B2C/zone/assign", True),
        ("kaiser/site-1/esp/ESP_0A1B2C/zone/assign", True),
        ("kaiser//esp/ESP_0A1B2C/zone/assign", False),
        ("kaiser/site-2/esp/ESP_0A1B2C/zone/assign", False),
    ],
)
def test_a_zone_is_assigned_where_the_device_listens_and_goes_on_listening(topic, sent):
    payload = b'{"zone_id":"n","master_zone_id":"h","zone_name":"N","kaiser_id":"site-1"}'
    assert (check_downlink(topic, payload, 1, retain=False, generation="dec") is None) is sent


@pytest.mark.parametrize(
    "topic", ["kaiser//esp/ESP_0A1B2C/actuator/25/command", "kaiser/null/esp/ESP_0A1B2C/actuator/25/command"]
)
def test_a_device_is_answered_below_the_kaiser_id_that_it_uses(topic):
    assert check_downlink(topic, b'{"command":"OFF"}', 2, retain=False, generation="dec") is None


@pytest.mark.parametrize("pin", [0, 1, 2, 3, 6, 12, 13, 34, 39, 48])
def test_a_command_goes_to_pins_that_can_be_outputs(pin):
    topic = f"kaiser/god/esp/ESP_0A1B2C/actuator/{pin}/command"
    assert check_downlink(topic, b'{"command":"OFF"}', 2, retain=False, generation="any") is not None


def test_what_no_firmware_listens_to_is_not_sent():
    payload = json.dumps({"processed_value": 6.32, "unit": "pH", "quality": "good", "timestamp": 1767100125}).encode()
    topic = "kaiser/god/esp/ESP_0A1B2C/sensor/33/processed"
    assert check_downlink(topic, payload, 1, retain=False, generation="any") is not None
