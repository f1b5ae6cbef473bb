"""Configurations as messages, and what answers mean."""

import msgspec
import pytest

from kaiser.contracts.downlink import WROOM_PACKET, XIAO_PACKET
from kaiser.contracts.events.equipment import NOTHING, ConfigFault, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.wire import ConfigResponse, IntentOutcome
from kaiser.contracts.wire.configuration import ConfigFailure
from kaiser.ingest import configs
from kaiser.ingest.configs import Hearing, Part

TOPIC = "kaiser/god/esp/ESP_0A1B2C/config"


def sensors(count: int) -> list[WantedSensor]:
    return [
        WantedSensor(gpio=4, sensor_type="ds18b20", name=f"Räum {i}", onewire_address=f"28FF641E8C1603{i:02X}")
        for i in range(1, count + 1)
    ]


PUMPS = [WantedActuator(gpio=pin, actuator_type="pump", name="x" * 60) for pin in (5, 14, 15, 16, 17, 18, 19, 23)]
TWO = Equipment(
    sensors=[WantedSensor(gpio=32, sensor_type="ph", name="pH"), WantedSensor(gpio=33, sensor_type="ec", name="EC")],
    actuators=[WantedActuator(gpio=25, actuator_type="pump", name="Pump")],
)


@pytest.mark.parametrize(
    ("board", "generation", "limit"),
    [(None, "dec", WROOM_PACKET), ("xiao_esp32c3", "dec", XIAO_PACKET), ("xiao_esp32c3", "head", XIAO_PACKET),
     (None, "head", 4352)],
)  # fmt: skip
def test_every_part_fits_the_device_and_nothing_is_left_out(board, generation, limit):
    wanted = Equipment(
        sensors=[msgspec.structs.replace(s, gpio=pin) for s, pin in zip(sensors(4), (4, 32, 33, 13 + 14), strict=True)]
        if generation == "dec"
        else sensors(16),
        actuators=PUMPS[:6],
    )
    parts = configs.parts(wanted, NOTHING, board, generation, len(TOPIC))
    for part in parts:
        request = configs.downlink(
            part, "god", "ESP_0A1B2C", generation, board=board, correlation_id="c" * 40, now_us=1_767_100_000_000_000
        )
        assert len(request.topic) + len(request.payload) + 10 < limit
    assert sum(len(part.sensors) for part in parts) == len(wanted.sensors)
    assert sum(len(part.actuators) for part in parts) == len(wanted.actuators)


def test_what_is_given_up_is_told_first_and_on_its_own():
    given_up, told = configs.parts(TWO, Equipment(actuators=PUMPS[:1]), None, "head", len(TOPIC))
    assert [(item.gpio, item.active) for item in given_up.actuators] == [(5, False)]
    assert all(item.active for item in (*told.sensors, *told.actuators))


@pytest.mark.parametrize(
    ("generation", "more", "default_state"),
    [
        ("dec", {}, True),
        ("dec", {"actuator_type": "pump"}, True),
        ("dec", {"inverted": False}, False),
        ("dec", {"actuator_type": "pwm"}, False),
        ("dec", {"default_state": True}, True),
        ("head", {}, False),
    ],
)
def test_an_inverted_relay_of_dec_starts_off_by_a_default_that_says_on(generation, more, default_state):
    relay = WantedActuator(**({"gpio": 25, "actuator_type": "relay", "name": "Lamp", "inverted": True} | more))
    (part,) = configs.parts(msgspec.structs.replace(TWO, actuators=[relay]), NOTHING, None, generation, len(TOPIC))
    (item,) = part.actuators
    assert (item.default_state, item.inverted_logic) == (default_state, relay.inverted)


def hearing(generation: str) -> Hearing:
    (part,) = configs.parts(TWO, NOTHING, None, generation, len(TOPIC))
    return Hearing(part, generation, "run.0")


def test_a_dec_device_saves_no_sensor_and_has_them_all_the_same():
    heard = hearing("dec")
    for gpio in (32, 33):
        said = ConfigResponse(status="error", type="sensor", error_code="NVS_WRITE_FAILED", failed_item={"gpio": gpio})
        assert heard.hear(said)
    assert not heard.complete
    heard.hear(ConfigResponse(status="success", type="actuator", count=1))
    assert (heard.complete, heard.faults, heard.until_restart) == (True, [], [32, 33])


def test_a_dec_device_names_what_failed_and_not_what_worked_beside_it():
    heard = hearing("dec")
    heard.hear(
        ConfigResponse(
            status="error", type="sensor", error_code="UNKNOWN_ERROR", message="no", failed_item={"gpio": 33}
        )
    )
    assert (heard.answered, heard.complete) == (True, False)
    heard.hear(ConfigResponse(status="success", type="actuator", count=1))  # sensors are taken before
    assert heard.complete
    assert heard.faults == [ConfigFault(kind="sensor", gpio=33, code="UNKNOWN_ERROR", detail="no")]


def test_a_missing_list_that_was_empty_on_purpose_is_no_fault():
    heard = Hearing(Part(sensors=hearing("dec")._part.sensors), "dec", "run.0")
    assert not heard.hear(ConfigResponse(status="error", type="actuator", error_code="MISSING_FIELD"))
    assert not heard.answered


def test_a_head_device_answers_with_the_id_of_what_it_was_told():
    heard = hearing("head")
    assert not heard.hear(ConfigResponse(status="success", type="sensor", correlation_id="another"))
    failure = ConfigFailure(type="sensor", gpio=33, error_code=1002, error="UNKNOWN_ERROR", detail="GPIO conflict")
    said = ConfigResponse(status="partial_success", type="sensor", correlation_id="run.0", failures=[failure])
    assert heard.hear(said)
    heard.hear(ConfigResponse(status="success", type="actuator", correlation_id="run.0"))
    assert heard.complete
    assert heard.faults == [ConfigFault(kind="sensor", gpio=33, code="UNKNOWN_ERROR", detail="GPIO conflict")]


def test_a_head_device_that_is_busy_wants_to_be_told_again():
    heard = hearing("head")
    heard.hear(ConfigResponse(status="error", type="system", error_code="QUEUE_FULL", correlation_id="run.0"))
    assert (heard.busy, heard.complete, heard.faults) == (True, False, [])


def outcome(word: str, code: str = "") -> IntentOutcome:
    return IntentOutcome(flow="config", intent_id="i", correlation_id="run.0", outcome=word, code=code, ts=0)


def test_rules_alone_are_confirmed_by_the_outcome_of_the_message():
    heard = Hearing(Part(offline_rules=()), "head", "run.0")
    heard.conclude(outcome("accepted"))
    assert not heard.complete
    heard.conclude(outcome("persisted"))
    assert heard.complete


def test_a_message_that_is_rejected_as_a_whole_fails_as_a_whole():
    heard = hearing("head")
    heard.conclude(outcome("rejected", "STALE_SCOPE"))
    assert heard.complete
    assert (heard.faults[0].kind, heard.faults[0].code) == ("system", "STALE_SCOPE")
    assert configs.outcome(heard.faults, told=3) == "refused"


@pytest.mark.parametrize(
    ("faults", "word"),
    [
        ([], "confirmed"),
        ([ConfigFault(kind="sensor", gpio=4, code="X")], "partly"),
        ([ConfigFault(kind="sensor", gpio=None, code="X")], "refused"),
        ([ConfigFault(kind="sensor", gpio=pin, code="X") for pin in (4, 5, 6)], "refused"),
    ],
)
def test_what_came_of_it_is_one_word(faults, word):
    assert configs.outcome(faults, told=3) == word
