"""What is known beside the commands."""

from kaiser.actuator.book import Key
from kaiser.actuator.surroundings import RECENT_US, Latches
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope
from kaiser.roster import Member

PUMP = Key("ESP_0A1B2C", 25)
DEVICE = Member(esp_id=PUMP.esp_id, kaiser_id="god")


def stop(latches: Latches, seq: int, at: int, **scope) -> EmergencyRequested:
    event = EmergencyRequested(at=at, by="ada", emergency_id=f"e{seq}", scope=Scope(**scope), reason="smoke")
    latches.take(event, seq)
    return event


def release(latches: Latches, seq: int, stopped: EmergencyRequested) -> None:
    event = EmergencyReleased(
        at=stopped.at + 1, by="ada", emergency_id=stopped.emergency_id, scope=stopped.scope, reason="no smoke"
    )
    latches.take(event, seq)


def test_a_stop_that_was_released_still_overrules_what_was_allowed_before_it():
    latches = Latches()
    release(latches, 8, stop(latches, 7, 1_000, kind="device", esp_id=PUMP.esp_id))
    assert latches.over(PUMP, DEVICE) == ""
    assert latches.last_over(PUMP, DEVICE) == 7
    assert latches.last_over(Key("ESP_0A1B2D", 25), DEVICE) == 0


def test_stops_that_no_approval_can_be_older_than_are_forgotten():
    latches = Latches()
    release(latches, 8, stop(latches, 7, 1_000, kind="site"))
    stop(latches, 9, 1_000 + RECENT_US, kind="device", esp_id="ESP_0A1B2D")
    assert latches.last_over(PUMP, DEVICE) == 0
