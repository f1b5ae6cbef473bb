"""What alerts mean, what is done at them, and how a storm is folded."""

from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    EmergencyRequested,
    Scope,
)
from kaiser.safety.acting import Alarm, Situation
from kaiser.safety.alerts import MINUTE_US, MOST_KINDS, Alerts, cleared, device_alert_id

ESP = "ESP_0A1B2C"
NOW = 1_800_000_000_000_000


def situation(*, on: bool = True, stopping: bool = False, latched: bool = False) -> Situation:
    return Situation(
        pins=lambda _: (25, 26),
        possibly_on=lambda _, __: on,
        stopping=lambda _, __: stopping,
        latched=lambda _, __: latched,
    )


def alarm(seq: int = 1, kind: str = "hardware_error", gpio: int = 25, at: int = NOW) -> Alarm:
    return Alarm(
        alert_id=device_alert_id(seq), kaiser_id="god", esp_id=ESP, gpio=gpio, kind=kind, at=at, seq=seq, detail="smoke"
    )


def told(alerts: Alerts, alarms: list[Alarm], now: int = NOW, **known: bool) -> list:
    """What follows, written."""
    facts, counted = alerts.answer(alarms, situation(**known), now)
    for fact in facts:
        alerts.fold(fact)
    alerts.keep(counted)
    return list(facts)


def test_an_emergency_at_the_device_latches_its_actuator():
    latched, raised = told(Alerts(), [alarm(kind="emergency_stop")])
    assert isinstance(latched, EmergencyRequested)
    assert latched.scope == Scope(kind="actuator", esp_id=ESP, gpio=25)
    assert (raised.severity, raised.acted) == ("critical", "latched")


def test_an_emergency_of_the_whole_device_latches_all_of_it():
    latched, _ = told(Alerts(), [alarm(kind="safety_violation", gpio=255)])
    assert latched.scope == Scope(kind="device", esp_id=ESP)


def test_an_emergency_that_we_ordered_ourselves_is_only_noted():
    (raised,) = told(Alerts(), [alarm(kind="emergency_stop")], latched=True)
    assert (raised.severity, raised.acted) == ("critical", "noted")


def test_a_fault_stops_its_actuator_and_names_the_alert():
    stopped, raised = told(Alerts(), [alarm()])
    assert isinstance(stopped, ActuatorStopped)
    assert (stopped.rule, stopped.code, stopped.detail) == ("alert hardware_error", "DEVICE_ALERT", "smoke")
    assert raised.acted == "stopped"


def test_a_fault_of_the_whole_device_stops_each_of_its_actuators():
    facts = told(Alerts(), [alarm(gpio=255)])
    assert [fact.gpio for fact in facts if isinstance(fact, ActuatorStopped)] == [25, 26]


def test_a_kind_that_nobody_knows_is_noted_as_a_warning():
    (raised,) = told(Alerts(), [alarm(kind="moon_phase")])
    assert (raised.kind, raised.severity, raised.acted) == ("moon_phase", "warning", "noted")


def test_a_storm_is_one_alert_and_a_few_counts():
    alerts = Alerts()
    facts = []
    for first in range(1, 10_001, 200):
        facts += told(alerts, [alarm(seq) for seq in range(first, first + 200)], stopping=first > 1)
    assert [type(fact) for fact in facts] == [ActuatorStopped, AlertRaised, *[AlertFolded] * 3]
    assert [fact.count for fact in facts if isinstance(fact, AlertFolded)] == [200, 1000, 10_000]
    (alert,) = alerts.open()
    assert alert.count == 10_000


def test_a_count_that_grows_slowly_is_told_once_a_minute():
    alerts = Alerts()
    told(alerts, [alarm(1), alarm(2)])
    assert not alerts.overdue(NOW + MINUTE_US - 1)
    (folded,) = alerts.overdue(NOW + MINUTE_US)
    assert folded.count == 2
    alerts.fold(folded)
    assert not alerts.overdue(NOW + 10 * MINUTE_US)


def test_what_is_delivered_again_is_not_counted_again():
    alerts = Alerts()
    told(alerts, [alarm(1), alarm(2)])
    assert not told(alerts, [alarm(1), alarm(2)])
    assert alerts.open()[0].count == 2


def test_a_repetition_stops_an_actuator_that_was_switched_on_again():
    alerts = Alerts()
    told(alerts, [alarm(1)])
    assert not told(alerts, [alarm(2)], on=False)
    assert [type(fact) for fact in told(alerts, [alarm(3)], on=True)] == [ActuatorStopped]
    assert not told(alerts, [alarm(4)], on=True, stopping=True)


def test_an_alert_that_is_over_can_be_raised_again():
    alerts = Alerts()
    told(alerts, [alarm(1, kind="drift")])
    over = cleared(alerts.open()[0], NOW, by="eva", reason="seen")
    assert isinstance(over, AlertCleared)
    alerts.fold(over)
    assert not alerts.open()
    assert [type(fact) for fact in told(alerts, [alarm(9, kind="drift")])] == [AlertRaised]


def test_a_device_that_invents_kinds_fills_no_memory():
    alerts = Alerts()
    told(alerts, [alarm(n, kind=f"kind_{n}") for n in range(1, 101)])
    assert len(alerts.open()) == MOST_KINDS + 1
    other = alerts.get(ESP, 25, "other")
    assert other is not None
    assert other.count == 100 - MOST_KINDS
