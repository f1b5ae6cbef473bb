"""What safety is alarmed at by itself."""

import msgspec

from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import ActuatorRef, AlertCleared, AlertRaised
from kaiser.roster import Member
from kaiser.safety.alerts import Alerts
from kaiser.safety.folding import fold_member
from kaiser.safety.state import State
from kaiser.safety.worries import SETTLED_US, alarms

ESP = "ESP_0A1B2C"
PUMP = ActuatorRef(ESP, 25)
NOW = 1_800_000_000_000_000
MEMBER = Member(
    esp_id=ESP,
    kaiser_id="god",
    standing="approved",
    heard_at=NOW - 1,
    actuators={25: WantedActuator(gpio=25, actuator_type="pump", name="Pump")},
)


def known() -> State:
    state = State()
    fold_member(state, MEMBER)
    return state


def test_an_output_that_nobody_switched_on_is_alarmed_when_it_stays_so(says):
    state = known()
    says(state, 25, on=True, at=NOW)
    assert not alarms(state, Alerts(), [PUMP], NOW + SETTLED_US - 1)
    (raised,) = alarms(state, Alerts(), [PUMP], NOW + SETTLED_US)
    assert (type(raised), raised.kind, raised.severity) == (AlertRaised, "uncommanded", "warning")


def test_a_device_that_vanishes_while_something_is_on_is_alarmed_until_that_has_said_what_it_is(says):
    state, open_alerts = known(), Alerts()
    says(state, 25, on=True, at=NOW)
    fold_member(state, msgspec.structs.replace(MEMBER, lost_at=NOW + 5, lost_because="last_will"))
    (raised,) = alarms(state, open_alerts, [PUMP], NOW + 6)
    assert (raised.kind, raised.severity) == ("unknown_state", "error")
    open_alerts.fold(raised)
    assert not alarms(state, open_alerts, [PUMP], NOW + 7)
    fold_member(state, msgspec.structs.replace(MEMBER, lost_at=NOW + 5, heard_at=NOW + 8))
    assert not alarms(state, open_alerts, [PUMP], NOW + 9)
    says(state, 25, on=False, at=NOW + 10)
    (over,) = alarms(state, open_alerts, [PUMP], NOW + 11)
    assert (type(over), over.alert_id) == (AlertCleared, raised.alert_id)


def test_a_device_that_vanishes_while_everything_is_off_worries_nobody(says):
    state = known()
    says(state, 25, on=False, at=NOW)
    fold_member(state, msgspec.structs.replace(MEMBER, lost_at=NOW + 5))
    assert not alarms(state, Alerts(), [PUMP], NOW + SETTLED_US)
