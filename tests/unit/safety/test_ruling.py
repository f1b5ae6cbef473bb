"""Decisions on the requests of a batch."""

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, CommandApproved, CommandRejected, InterlockSet
from kaiser.roster import Member
from kaiser.safety import ruling
from kaiser.safety.folding import fold_actuators, fold_member, fold_safety
from kaiser.safety.ruling import Numbered, rule
from kaiser.safety.state import State

ESP = "ESP_0A1B2C"
NOW = 1_800_000_000_000_000
LATER = NOW + 60_000_000


def request(gpio: int, action: str = "ON", **fields) -> CommandRequested:
    usual = {"level": 0.0 if action == "OFF" else 1.0, "source": "user", "by": "eva", "deadline_at": LATER}
    place = {"kaiser_id": "god", "esp_id": ESP, "gpio": gpio, "at": NOW}
    ids = {"command_id": f"c{gpio}{action}", "correlation_id": "c"}
    return CommandRequested(action=action, asked=action, **place, **ids, **usual | fields)


@pytest.fixture
def state() -> State:
    """Two pumps of which one may be on."""
    made = State()
    pumps = {pin: WantedActuator(gpio=pin, actuator_type="pump", name="Pump") for pin in (25, 26)}
    member = Member(esp_id=ESP, kaiser_id="god", standing="approved", actuators=pumps, heard_at=NOW - 1)
    fold_member(made, member)
    either = AtMost(most=1, actuators=(ActuatorRef(ESP, 25), ActuatorRef(ESP, 26)))
    fold_safety(made, 1, InterlockSet(at=NOW, by="eva", interlock_id="either", rule=either, reason="r"))
    return made


def asked(state: State, *requests: CommandRequested) -> list[Numbered]:
    for seq, one in enumerate(requests, 1):
        fold_actuators(state, seq, one)
    return list(enumerate(requests, 1))


def test_each_request_sees_what_was_decided_on_those_before_it_and_the_state_stays_as_it_is(state, said_off):
    said_off(state, 25, 26)
    requests = asked(state, request(25), request(26))
    before = state.encode_all()
    first, second = rule(state, requests, NOW, lease_until=LATER)
    assert isinstance(first, CommandApproved)
    assert isinstance(second, CommandRejected)
    assert (second.rule, second.code, second.request_seq) == ("interlock either", Code.INTERLOCKED, 2)
    assert state.encode_all() == before


def test_a_request_that_waits_for_its_device_gets_no_decision(state):
    fold_member(state, Member(esp_id=ESP, standing="approved", actuators=state.member(ESP).actuators, lost_at=NOW))
    assert not rule(state, asked(state, request(25, held_until=LATER)), NOW, lease_until=LATER)


def test_a_request_that_cannot_be_decided_is_rejected_and_keeps_no_other_from_it(state, monkeypatch):
    decide = ruling.decide

    def faulty(state, request, now, *, lease_until):
        if request.gpio == 25:
            raise ZeroDivisionError
        return decide(state, request, now, lease_until=lease_until)

    monkeypatch.setattr(ruling, "decide", faulty)
    first, second = rule(state, asked(state, request(25), request(26, "OFF")), NOW, lease_until=LATER)
    assert (type(first), first.rule, first.code) == (CommandRejected, "undecidable", Code.SERVICE_ERROR)
    assert second.rule == "off"
