"""What has to be off is told so until its own status says that it is."""

import msgspec
import pytest

from kaiser.bridge.orders import Broadcast, DeviceStop, Off, Order
from kaiser.bridge.stopping import PAUSES_S, Latch, Lost, Said, Stopping
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import Scope
from kaiser.roster import Member

ESP, OTHER = "ESP_0A1B2C", "ESP_0A1B2D"
SITE = Latch("em-1", Scope(kind="site"))


def a_scope(kind: str, **where) -> Latch:
    return Latch("em-1", Scope(kind=kind, **where))  # type: ignore[arg-type]


def says(on: bool | None, esp_id: str = ESP, gpio: int = 25, **facts) -> Said:
    return Said(**{"kaiser_id": "god", "esp_id": esp_id, "gpio": gpio, "on": on, **facts})


def running(*said: Said) -> Stopping:
    stopping = Stopping()
    stopping.begin(0.0)
    for one in said or (says(True), says(True, OTHER)):
        stopping.hear(one, 0.0)
    return stopping


def told(stopping: Stopping, now: float) -> list[Order]:
    """A broadcast, and when that is said, the rest."""
    return stopping.due(now) + stopping.due(now)


def offs(stopping: Stopping, now: float) -> list[tuple[str, int]]:
    return [(order.esp_id, order.gpio) for order in told(stopping, now) if isinstance(order, Off)]


def test_nothing_is_said_while_nothing_has_to_be_off() -> None:
    stopping = running()
    assert not stopping.due(100.0)
    assert stopping.next_due() == float("inf")


def test_an_off_that_was_said_before_an_on_and_came_later_confirms_no_stop() -> None:
    stopping = running(says(True, ts=1000))
    stopping.latch(a_scope("device", esp_id=ESP), 1.0)
    stopping.hear(says(False, ts=998), 1.1)
    assert offs(stopping, 1.2) == [(ESP, 25)]
    stopping.hear(says(False, ts=1001), 1.3)
    assert stopping.unconfirmed == 0


def test_a_stop_of_the_site_is_the_broadcast_first_and_then_off_to_each() -> None:
    stopping = running(says(True), says(False, OTHER, head=True))
    stopping.latch(SITE, 1.0)
    assert stopping.due(1.0) == [Broadcast("em-1")]
    assert stopping.due(1.0) == [Off("god", ESP, 25, "dec", "em-1"), Off("god", OTHER, 25, "head", "em-1")]


def test_a_broadcast_is_said_again_only_until_the_broker_has_it() -> None:
    stopping = running(says(False))
    stopping.latch(SITE, 0.0)
    assert Broadcast("em-1") in stopping.due(0.0)
    assert Broadcast("em-1") in stopping.due(1.0)
    stopping.broadcast_taken("em-1")
    assert Broadcast("em-1") not in stopping.due(9.0)


@pytest.mark.parametrize(
    "latch",
    [
        a_scope("actuator", esp_id=ESP, gpio=25),
        a_scope("device", esp_id=ESP),
        a_scope("zone", zone_id="north"),
        a_scope("kaiser", kaiser_id="god"),
    ],
)
def test_a_scoped_stop_never_uses_the_broadcast_and_leaves_the_others_alone(latch: Latch) -> None:
    stopping = running(says(True, zone_id="north"), says(True, OTHER, kaiser_id="other", zone_id="south"))
    stopping.latch(latch, 0.0)
    assert stopping.due(0.0) == [Off("god", ESP, 25, "dec", "em-1")]


def test_head_is_stopped_as_a_whole_unless_the_stop_is_of_one_actuator() -> None:
    stopping = running(says(True, head=True), says(True, gpio=26, head=True))
    stopping.latch(a_scope("device", esp_id=ESP), 0.0)
    assert stopping.due(0.0)[0] == DeviceStop("god", ESP, "em-1")
    assert offs(stopping, 1.0) == [(ESP, 25), (ESP, 26)]
    one = running(says(True, head=True), says(True, gpio=26, head=True))
    one.latch(a_scope("actuator", esp_id=ESP, gpio=25), 0.0)
    assert one.due(0.0) == [Off("god", ESP, 25, "head", "em-1")]


def test_head_that_did_not_hear_the_broadcast_is_stopped_as_a_whole_when_it_is_told_again() -> None:
    stopping = running(says(True, head=True))
    stopping.latch(SITE, 0.0)
    assert not any(isinstance(order, DeviceStop) for order in told(stopping, 0.0))
    stopping.broadcast_taken("em-1")
    assert DeviceStop("god", ESP, "em-1") in told(stopping, 1.0)


def test_off_is_repeated_with_growing_pauses_until_a_status_says_off() -> None:
    stopping = running(says(True))
    stopping.latch(a_scope("device", esp_id=ESP), 0.0)
    tries, now = [], 0.0
    while now < 100:
        if offs(stopping, now):
            tries.append(now)
        now += 0.5
    assert tries == [0, 1, 3, 7, 15, 30, 60, 90]
    assert PAUSES_S[-1] == 30
    stopping.hear(says(False), 100.0)
    assert not stopping.unconfirmed
    assert not offs(stopping, 500.0)


def test_a_status_from_before_the_stop_proves_nothing() -> None:
    stopping = running(says(False))
    stopping.latch(SITE, 1.0)
    assert offs(stopping, 1.0) == [(ESP, 25)]


def test_a_retained_status_tells_that_there_is_an_actuator_and_proves_nothing() -> None:
    stopping = running(says(False, retained=True))
    stopping.latch(SITE, 1.0)
    assert stopping.unconfirmed == 1
    stopping.hear(says(False, retained=True), 2.0)
    assert stopping.unconfirmed == 1


def test_a_device_that_does_not_know_itself_is_told() -> None:
    stopping = running(says(None))
    stopping.latch(SITE, 0.0)
    stopping.hear(says(None), 1.0)
    assert stopping.unconfirmed == 1


def test_a_device_that_comes_back_running_is_told_at_once_while_the_latch_is_in_force() -> None:
    stopping = running(says(True))
    stopping.latch(a_scope("device", esp_id=ESP), 0.0)
    offs(stopping, 0.0)
    stopping.hear(says(False), 1.0)
    stopping.hear(says(True), 50.0)
    assert offs(stopping, 50.0) == [(ESP, 25)]


def test_an_answer_to_a_try_does_not_hurry_the_next_one_but_a_return_does() -> None:
    stopping = running(says(True))
    stopping.latch(SITE, 0.0)
    for now in (0.0, 1.0, 3.0, 7.0, 15.0, 30.0):
        offs(stopping, now)
    stopping.hear(says(True), 30.1)
    assert not offs(stopping, 30.1)
    stopping.hear(says(True), 40.0)
    assert offs(stopping, 40.0) == [(ESP, 25)]


def test_a_release_ends_it_and_what_waited_is_not_wanted_any_more() -> None:
    stopping = running(says(True))
    stopping.latch(SITE, 0.0)
    waiting = told(stopping, 0.0)
    stopping.release("em-1", 0.5)
    assert not any(stopping.wanted(order) for order in waiting)
    stopping.hear(says(True), 60.0)
    assert not stopping.due(60.0)


def test_of_two_stops_the_second_is_in_force_when_the_first_is_released() -> None:
    stopping = running(says(True))
    stopping.latch(SITE, 0.0)
    stopping.latch(Latch("em-2", Scope(kind="device", esp_id=ESP)), 0.0)
    stopping.release("em-1", 1.0)
    assert offs(stopping, 1.0) == [(ESP, 25)]


def test_whoever_takes_the_role_says_stops_in_force_again_and_believes_nobody() -> None:
    stopping = running(says(True))
    stopping.latch(SITE, 0.0)
    stopping.broadcast_taken("em-1")
    stopping.hear(says(False), 1.0)
    stopping.begin(10.0)
    assert told(stopping, 10.0) == [Broadcast("em-1"), Off("god", ESP, 25, "dec", "em-1")]


def test_what_is_configured_and_was_never_heard_is_told_too_and_forgotten_with_its_configuration() -> None:
    wanted = {26: WantedActuator(gpio=26, actuator_type="relay", name="Lamp")}
    member = Member(esp_id=ESP, kaiser_id="farm", generation="head", actuators=wanted, zone_wanted="north")
    stopping = running()
    stopping.latch(a_scope("zone", zone_id="north"), 0.0)
    stopping.learn(member, 1.0)
    assert Off("god", ESP, 26, "head", "em-1") in stopping.due(1.0)
    stopping.learn(Member(esp_id=ESP, kaiser_id="farm", generation="head", zone_wanted="north"), 2.0)
    assert (ESP, 26) not in offs(stopping, 99.0)


def test_a_device_that_the_log_says_is_back_is_told_at_once() -> None:
    wanted = {25: WantedActuator(gpio=25, actuator_type="pump", name="Pump")}
    away = Member(esp_id=ESP, actuators=wanted, heard_at=1, lost_at=2)
    stopping = Stopping()
    stopping.begin(0.0)
    stopping.learn(away, 0.0)
    stopping.latch(SITE, 0.0)
    for now in (0.0, 1.0, 3.0, 7.0, 15.0, 30.0):
        offs(stopping, now)
    stopping.learn(Member(esp_id=ESP, actuators=wanted, heard_at=3, lost_at=2), 40.0)
    assert offs(stopping, 40.0) == [(ESP, 25)]


def test_silence_of_safety_switches_off_what_is_on_or_unknown_but_not_what_holds() -> None:
    stopping = running(says(True), says(False, gpio=26), says(True, gpio=27), says(None, OTHER))
    stopping.hold((ESP, 27), hold=True, now=0.0)
    stopping.safety_is(silent=True, now=10.0)
    assert offs(stopping, 10.0) == [(ESP, 25), (OTHER, 25)]
    assert stopping.take_lost() == [Lost("god", ESP, 25), Lost("god", OTHER, 25)]
    assert not stopping.take_lost()


def test_what_was_not_yet_off_goes_off_even_when_safety_is_heard_again_and_is_then_left_alone() -> None:
    stopping = running(says(True))
    stopping.safety_is(silent=True, now=10.0)
    offs(stopping, 10.0)
    stopping.safety_is(silent=False, now=10.5)
    assert offs(stopping, 11.0) == [(ESP, 25)]
    stopping.hear(says(False), 11.1)
    stopping.hear(says(True), 12.0)
    assert not stopping.due(99.0)


def test_what_comes_on_while_safety_is_silent_goes_off_and_is_reported_again() -> None:
    stopping = running(says(True))
    stopping.safety_is(silent=True, now=10.0)
    stopping.take_lost()
    stopping.hear(says(False), 11.0)
    stopping.hear(says(True), 20.0)
    assert offs(stopping, 20.0) == [(ESP, 25)]
    assert len(stopping.take_lost()) == 1


def test_limits_that_say_hold_end_what_silence_began_but_no_emergency() -> None:
    stopping = running(says(True), says(True, gpio=26))
    stopping.safety_is(silent=True, now=10.0)
    stopping.latch(a_scope("actuator", esp_id=ESP, gpio=26), 10.0)
    for gpio in (25, 26):
        stopping.hold((ESP, gpio), hold=True, now=10.0)
    assert offs(stopping, 10.0) == [(ESP, 26)]


def test_a_device_without_a_kaiser_id_is_told_where_it_talks() -> None:
    stopping = running(says(True, kaiser_id="", retained=True), says(True, kaiser_id="god"))
    stopping.latch(a_scope("kaiser", kaiser_id="god"), 0.0)
    assert stopping.due(0.0) == [Off("god", ESP, 25, "dec", "em-1")]


def test_everything_open_is_told_again_when_the_broker_is_back() -> None:
    stopping = running(says(True))
    stopping.latch(SITE, 0.0)
    told(stopping, 0.0)
    stopping.reconnected(0.2)
    assert offs(stopping, 0.2) == [(ESP, 25)]


def test_what_is_in_an_emergency_stop_may_not_be_switched_on_by_what_was_allowed_before() -> None:
    stopping = running()
    assert stopping.forbids(ESP, 25) == ""
    stopping.latch(a_scope("device", esp_id=ESP), 1.0)
    assert stopping.forbids(ESP, 25) == "EMERGENCY_ACTIVE"
    assert stopping.forbids(OTHER, 25) == ""
    stopping.release("em-1", 2.0)
    assert stopping.forbids(ESP, 25) == ""


def test_nothing_is_switched_on_while_safety_is_silent_but_what_holds() -> None:
    stopping = running()
    stopping.hold((OTHER, 25), hold=True, now=0.0)
    stopping.safety_is(silent=True, now=1.0)
    assert stopping.forbids(ESP, 25) == "SAFETY_UNAVAILABLE"
    assert stopping.forbids(OTHER, 25) == ""
    stopping.safety_is(silent=False, now=2.0)
    assert stopping.forbids(ESP, 25) == ""
    assert stopping.forbids(ESP, 25, unheard=True) == "SAFETY_UNAVAILABLE", "by a bridge without the role, too"
    assert stopping.forbids(OTHER, 25, unheard=True) == ""


@pytest.mark.parametrize(("scope", "stops"), [("device", True), ("site", True), ("actuator", False)])
def test_an_inverted_relay_of_head_that_starts_inside_a_stop_is_stopped_again_whatever_it_says(scope, stops) -> None:
    lamp = WantedActuator(gpio=25, actuator_type="relay", name="Lamp", inverted=True)
    member = Member(esp_id=ESP, kaiser_id="god", generation="head", actuators={25: lamp}, heard_at=1)
    stopping = running(says(False, head=True))
    stopping.learn(member, 0.0)
    where = {"device": {"esp_id": ESP}, "site": {}, "actuator": {"esp_id": ESP, "gpio": 25}}[scope]
    stopping.latch(a_scope(scope, **where), 1.0)
    told(stopping, 1.0)
    stopping.broadcast_taken("em-1")
    stopping.hear(says(False, head=True), 1.1)
    assert not told(stopping, 2.0)
    stopping.learn(msgspec.structs.replace(member, booted_at=5), 3.0)
    orders = told(stopping, 3.0)
    assert (DeviceStop("god", ESP, "em-1") in orders) is stops
    assert Off("god", ESP, 25, "head", "em-1") in orders
    stopping.hear(says(False, head=True), 3.1)
    assert not told(stopping, 60.0)
