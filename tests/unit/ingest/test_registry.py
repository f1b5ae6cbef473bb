"""Decisions of the registry."""

import msgspec
import pytest

from kaiser.contracts import devicekeys
from kaiser.contracts.events.codec import encode
from kaiser.ingest import orders
from kaiser.ingest.intents import (
    Approve,
    AssignZone,
    Describe,
    Meet,
    Reject,
    Rename,
    Retire,
    RotateKey,
    SetBoard,
    SettleZone,
)
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.registry import UNKNOWN, decide, evolve, subject

E = "ESP_0A1B2C"
WHO = {"esp_id": E, "at": 5, "by": "eva"}
MEET = Meet(kaiser_id="", esp_id=E, generation="dec", at=1)
APPROVE = Approve(key_id="k1", digest="d1", **WHO)
REJECT = Reject(reason="not ours", **WHO)
RETIRE = Retire(reason="broken", **WHO)
ROTATE = RotateKey(key_id="k2", digest="d2", **WHO)


def after(*commands):
    """State and all events after commands."""
    state, events = UNKNOWN, []
    for command in commands:
        decided = decide(state, command)
        for event in decided:
            state = evolve(state, event)
        events += decided
    return state, events


def test_a_device_that_is_met_is_pending_and_met_once():
    state, events = after(MEET, MEET)
    assert (state.standing, state.pending, len(events)) == ("pending", True, 1)


def test_approval_comes_with_a_key_and_a_name():
    state, events = after(MEET, Approve(key_id="k1", digest="d1", name="Bench A", **WHO))
    assert [subject(event).rpartition(".")[2] for event in events] == [
        "registered", "approved", "key_issued", "renamed",
    ]  # fmt: skip
    assert (state.standing, state.pending, state.key_id, state.name) == ("approved", False, "k1", "Bench A")


@pytest.mark.parametrize(
    ("commands", "standing", "key_id"),
    [
        ((MEET, APPROVE, RETIRE), "retired", ""),
        ((MEET, REJECT), "rejected", ""),
        ((MEET, APPROVE, REJECT), "rejected", ""),
        ((MEET, REJECT, APPROVE), "approved", "k1"),
        ((MEET, APPROVE, RETIRE, APPROVE), "approved", "k1"),
        ((MEET, APPROVE, ROTATE), "approved", "k2"),
        ((MEET, APPROVE, RETIRE, MEET), "retired", ""),
    ],
)
def test_a_life(commands, standing, key_id):
    state, _ = after(*commands)
    assert (state.standing, state.key_id) == (standing, key_id)


@pytest.mark.parametrize("command", [APPROVE, REJECT, RETIRE, SetBoard(board="xiao_esp32c3", **WHO)])
def test_the_same_order_again_changes_nothing(command):
    state, events = after(MEET, command, command)
    assert events == after(MEET, command)[1]
    assert decide(state, command) == ()


@pytest.mark.parametrize("command", [APPROVE, REJECT, RETIRE, ROTATE, Rename(name="x", **WHO)])
def test_a_device_that_was_never_heard_cannot_be_decided_on(command):
    with pytest.raises(RegistryError) as refused:
        decide(UNKNOWN, command)
    assert (refused.value.code, refused.value.where) == ("ESP_DEVICE_NOT_FOUND", "esp_id")


def test_only_an_approved_device_has_a_key():
    for commands in ((MEET,), (MEET, REJECT), (MEET, APPROVE, RETIRE)):
        state, _ = after(*commands)
        with pytest.raises(RegistryError, match="only an approved one") as refused:
            decide(state, ROTATE)
        assert refused.value.code == "DEVICE_STATE_FORBIDS"


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "\x00"])
def test_a_name_has_to_be_one(name):
    state, _ = after(MEET)
    with pytest.raises(RegistryError) as refused:
        decide(state, Rename(name=name, **WHO))
    assert (refused.value.code, refused.value.where) == ("VALUE_OUT_OF_RANGE", "name")


def test_every_event_comes_back_from_the_log_as_it_went():
    _, events = after(
        MEET, APPROVE, Rename(name="Bench A", **WHO), SetBoard(board="esp32_wroom", **WHO), ROTATE, RETIRE
    )
    _, rejected = after(MEET, REJECT)
    for event in (*events, *rejected):
        sent = orders.event_of(event)
        assert orders.decoder.decode(sent.type, encode(event)) == event
        assert sent.subject.startswith(f"device.~.{E}.registry.")


def into(zone_id="north_tent", correlation_id="c1", **more):
    return AssignZone(zone_id=zone_id, correlation_id=correlation_id, **WHO, **more)


def settled(outcome="confirmed", correlation_id="c1"):
    return SettleZone(outcome=outcome, correlation_id=correlation_id, **WHO)


def test_an_order_into_a_zone_is_open_until_the_device_answers():
    state, _ = after(MEET, APPROVE, into())
    assert (state.zone.zone_id, state.zone.zone_name, state.zone_outcome) == ("north_tent", "north_tent", None)
    state, _ = after(MEET, APPROVE, into(), settled())
    assert state.zone_outcome == "confirmed"


def test_a_device_without_a_kaiser_id_is_adopted_by_its_first_zone():
    state, _ = after(MEET, APPROVE, into())
    assert state.zone.into_kaiser_id == "god"


def test_an_answer_to_another_order_changes_nothing():
    state, _ = after(MEET, APPROVE, into(), into("south_tent", "c2"), settled(correlation_id="c1"))
    assert (state.zone.zone_id, state.zone_outcome) == ("south_tent", None)


def test_a_late_answer_counts_and_a_second_one_does_not():
    state, _ = after(MEET, APPROVE, into(), settled("unanswered"), settled("confirmed"), settled("refused"))
    assert state.zone_outcome == "confirmed"


def test_the_zone_that_is_confirmed_is_not_ordered_again_and_one_that_was_refused_is():
    assert len(after(MEET, APPROVE, into(), settled(), into(correlation_id="c2"))[1]) == 5
    assert len(after(MEET, APPROVE, into(), settled("refused"), into(correlation_id="c2"))[1]) == 6


@pytest.mark.parametrize("zone_id", ["", "north tent", "x" * 33, "null", 'a"b'])
def test_a_zone_that_the_device_would_misread_is_refused_before_it_is_sent(zone_id):
    state, _ = after(MEET, APPROVE)
    with pytest.raises(RegistryError) as refused:
        decide(state, into(zone_id))
    assert (refused.value.code, refused.value.where) == ("DOWNLINK_FORBIDDEN", "zone_id")


def test_moving_a_dec_device_to_another_kaiser_id_would_leave_it_deaf():
    state, _ = after(msgspec.structs.replace(MEET, kaiser_id="house"), APPROVE)
    with pytest.raises(RegistryError, match="deaf"):
        decide(state, into(into_kaiser_id="greenhouse"))


def test_a_key_follows_from_the_secret_the_device_and_the_key_id_alone():
    secret = b"s" * 32
    key = devicekeys.derive(secret, E, "k1")
    assert key == devicekeys.derive(secret, E, "k1")
    assert (
        len({key, *(devicekeys.derive(*x) for x in ((secret, E, "k2"), (secret, "ESP_1", "k1"), (b"t" * 32, E, "k1")))})
        == 4
    )
    assert len(key) == 32
    assert key not in devicekeys.digest(key)
    with pytest.raises(devicekeys.WeakSecretError):
        devicekeys.derive(b"short", E, "k1")


def test_what_a_device_is_beyond_its_board_is_told_by_people_piece_by_piece():
    state, events = after(
        MEET, Describe(firmware_version="4.2.1", **WHO), Describe(mac_address="24-6f-28-0a-1b-2c", **WHO)
    )
    assert (state.firmware_version, state.mac_address) == ("4.2.1", "24:6F:28:0A:1B:2C")
    assert [event.firmware_version for event in events[1:]] == ["4.2.1", "4.2.1"]
    state, events = after(MEET, Describe(firmware_version="4", **WHO), Describe(firmware_version="", **WHO))
    assert (state.firmware_version, len(events)) == ("", 3)
    assert len(after(MEET, Describe(firmware_version="", mac_address="", **WHO))[1]) == 1


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ({"firmware_version": "4.2 beta"}, "firmware_version"),
        ({"firmware_version": "-"}, "firmware_version"),
        ({"mac_address": "24:6F:28:0A:1B"}, "mac_address"),
        ({"mac_address": "24:6F:28:FF:FF:FF"}, "mac_address"),  # such a device would have another id
    ],
)
def test_a_description_that_cannot_be_is_refused_with_its_field(told, where):
    with pytest.raises(RegistryError) as refused:
        after(MEET, Describe(**told, **WHO))
    assert (refused.value.code, refused.value.where) == ("VALUE_OUT_OF_RANGE", where)


def test_to_lead_a_zone_is_an_order_of_its_own():
    settled = SettleZone(outcome="confirmed", correlation_id="c1", **WHO)
    _, events = after(MEET, APPROVE, into(), settled, into(zone_master=True), into(zone_master=True))
    assert [event.zone_master for event in events[3:] if hasattr(event, "zone_master")] == [False, True, True]
