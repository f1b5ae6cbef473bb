"""Answers that go wrong, in an order that a seed decides; and outputs that the server cannot see."""

import json

import pytest

from kaiser.fleet.faults import Faults
from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.life import PUMP, Bench, a_spec
from kaiser.fleet.spec import ActuatorSpec, Generation

COMMAND = f"actuator/{PUMP}/command"
BOTH = pytest.mark.parametrize("generation", ["dec", "head"])


def said(messages, suffix):
    return [json.loads(message.payload) for message in messages if message.topic.endswith(suffix)]


def a_bench(generation: Generation, *script, **options) -> Bench:
    return Bench(a_spec(generation, faults=Faults(script=script, **options)))


def on(bench: Bench) -> list:
    return bench.hear(COMMAND, command="ON", value=1.0, correlation_id="c-1")


@BOTH
def test_a_command_that_is_not_heard_is_not_carried_out(generation):
    bench = a_bench(generation, "unheard")
    assert not on(bench)
    assert not bench.device.actuators[PUMP].energised
    assert on(bench)
    assert bench.device.actuators[PUMP].energised


@BOTH
def test_a_lost_answer_leaves_the_next_status_true(generation):
    bench = a_bench(generation, "lost")
    assert not on(bench)
    assert said(bench.wait(31), f"{PUMP}/status")[0]["state"]


@BOTH
def test_a_late_answer_comes_when_its_time_has_come(generation):
    bench = a_bench(generation, "late", late_s=(4.0, 4.0))
    assert not on(bench)
    assert not said(bench.wait(3), "response")
    assert said(bench.wait(2), "response")[0]["success"]


def test_a_late_answer_dies_with_the_connection_and_with_the_device():
    bench = a_bench("head", "late", "late", late_s=(4.0, 4.0))
    on(bench)
    bench.device.disconnect()
    bench.wait(5)
    bench.connect()
    bench.acknowledge()
    on(bench)
    bench.device.reboot()
    assert not said(bench.wait(9), "response")


@BOTH
def test_a_doubled_answer_comes_twice(generation):
    assert len(said(on(a_bench(generation, "doubled")), "response")) == 2


@BOTH
def test_success_can_be_pretended_and_denied(generation):
    bench = a_bench(generation, "pretended", "denied")
    assert said(on(bench), "response")[0]["success"]
    assert not bench.device.actuators[PUMP].energised
    assert not said(on(bench), "response")[0]["success"]
    assert bench.device.actuators[PUMP].energised


def test_an_answer_can_be_to_somebody_else():
    assert said(on(a_bench("head", "foreign")), "response")[0]["correlation_id"] == "somebody-else-1"
    assert said(on(a_bench("dec", "foreign")), "response")[0]["command"] == "OFF"


def test_a_seed_decides_which_command_meets_which_fault():
    def dealt(seed: int) -> list[str]:
        bench = a_bench("head", shares={"lost": 0.3, "doubled": 0.3}, seed=seed)
        for _ in range(50):
            on(bench)
        return bench.device.faults.dealt

    assert dealt(1) == dealt(1) != dealt(2)
    assert set(dealt(1)) == {"none", "lost", "doubled"}


@BOTH
def test_an_inverted_relay_starts_energised_while_it_says_off_and_ignores_off(generation):
    relay = ActuatorSpec(gpio=PUMP, actuator_type="relay", inverted=True)
    bench = Bench(a_spec(generation, actuators=(relay,)))
    actuator = bench.device.actuators[PUMP]
    assert (actuator.state, actuator.energised) == (False, True)
    assert said(bench.hear(COMMAND, command="OFF"), "response")[0]["success"]
    assert actuator.energised
    bench.hear(COMMAND, command="ON")
    bench.hear(COMMAND, command="OFF")
    assert not actuator.energised


def test_an_emergency_frees_an_inverted_relay_on_head_only():
    for generation, energised in (("dec", True), ("head", False)):
        relay = ActuatorSpec(gpio=PUMP, actuator_type="relay", inverted=True)
        bench = Bench(a_spec(generation, actuators=(relay,)))  # type: ignore[arg-type]
        bench.hear_bytes(BROADCAST, b'{"command":"stop_all"}')
        assert bench.device.actuators[PUMP].energised is energised


def test_a_pump_that_ran_for_an_hour_rests_before_it_starts_again():
    bench = Bench(a_spec("dec"))
    on(bench)
    bench.wait(3601)
    bench.hear(COMMAND, command="OFF")
    assert not said(on(bench), "response")[0]["success"]
    bench.wait(30)
    assert said(on(bench), "response")[0]["success"]
