"""Every order is a message that its device understands, and none is ever retained."""

import json

import pytest

from kaiser.bridge.orders import Broadcast, DeviceStop, Off, Order, label, message
from kaiser.contracts.downlink import DownlinkForbiddenError, check_downlink

ESP = "ESP_0A1B2C"
OFF = Off("god", ESP, 25, "head", "em-1")


@pytest.mark.parametrize(
    ("order", "generation"),
    [
        (Broadcast("em-1"), "both"),
        (DeviceStop("god", ESP, "em-1"), "head"),
        (OFF, "head"),
        (Off("", ESP, 25, "dec", "em-1"), "dec"),
        (DeviceStop("k" * 60, ESP, "x" * 500), "head"),
    ],
)
def test_the_contract_allows_every_order(order: Order, generation) -> None:
    said = message(order, broadcast_token="t" * 64)
    assert check_downlink(said.topic, said.payload, said.qos, retain=False, generation=generation) is None


def test_the_broadcast_is_the_one_form_that_both_generations_accept() -> None:
    said = message(Broadcast("em-1"))
    assert (said.topic, said.qos) == ("kaiser/broadcast/emergency", 2)
    assert json.loads(said.payload) == {"command": "stop_all", "reason": "operator"}


def test_production_builds_get_their_token() -> None:
    assert json.loads(message(Broadcast("em-1"), broadcast_token="secret").payload)["auth_token"] == "secret"


def test_dec_gets_no_ids_and_head_gets_them() -> None:
    dec = json.loads(message(Off("", ESP, 25, "dec", "em-1")).payload)
    assert dec == {"command": "OFF", "value": 0.0, "duration": 0}
    assert json.loads(message(OFF).payload)["correlation_id"] == "em-1"


def test_a_stop_with_a_strange_name_goes_out_all_the_same() -> None:
    assert [label(why) for why in ("em-1", 'a"b', "", "ü", "x" * 99)] == ["em-1", *3 * ["emergency"], "x" * 40]


def test_a_pin_that_the_firmware_gives_to_nobody_is_refused() -> None:
    with pytest.raises(DownlinkForbiddenError):
        message(Off("god", ESP, 6, "dec", "em-1"))
