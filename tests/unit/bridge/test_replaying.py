"""Which dead letters become events when they are replayed, and which."""

import json

import pytest

from kaiser.bridge.profiles import Profile, Profiles
from kaiser.bridge.replaying import sorted_again
from kaiser.contracts.deadlettering import ReplayMessage
from kaiser.contracts.events.device import DeviceDiscovered
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.refusals import Refusal

DEVICE = "kaiser/god/esp/ESP_9F03D4"
READING = {"ts": 1777614000, "esp_id": "ESP_9F03D4", "gpio": 4, "sensor_type": "ds18b20", "raw": 352, "raw_mode": True}
STATUS = {"esp_id": "ESP_9F03D4", "ts": 1767100700, "gpio": 25, "type": "pump", "state": True, "pwm": 255} | {
    "runtime_ms": 0,
    "emergency": "normal",
}
RECEIVED = 1_777_614_000_000_000


def asked(topic: str, payload: object, replay_id: str = "7-0.1") -> ReplayMessage:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return ReplayMessage(
        replay_id=replay_id, topic=f"{DEVICE}/{topic}", payload=body, received_at=RECEIVED, ordered_at=2
    )


def known(**fields: int) -> Profiles:
    return Profiles({"ESP_9F03D4": Profile(kaiser_id="god", generation="head", **fields)})


def test_a_reading_is_the_reading_that_it_would_have_been() -> None:
    (event,) = sorted_again(asked("sensor/4/data", READING), known())
    assert (event.type, event.id) == (RawReadings.TYPE, "replay.7-0.1.0")
    batch = json.loads(event.data)
    assert (batch["raw"], batch["received_at"]) == ([352.0], [RECEIVED])
    (again,) = sorted_again(asked("sensor/4/data", READING, "7-0.2"), known())
    assert json.loads(again.data)["reading_id"] == batch["reading_id"]


def test_it_tells_nothing_of_the_device_as_it_is_now() -> None:
    profiles = known(lost_at=9)
    events = sorted_again(asked("sensor/4/data", READING), profiles)
    assert [event.type for event in events] == [RawReadings.TYPE], "it has not returned by this"
    profile = profiles.get("ESP_9F03D4")
    assert profile is not None
    assert (profile.lost_at, profiles.changed) == (9, False)
    nobody = Profiles()
    assert [event.type for event in sorted_again(asked("sensor/4/data", READING), nobody)] == [
        DeviceDiscovered.TYPE,
        RawReadings.TYPE,
    ]
    assert len(nobody) == 0


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("sensor/4/data", b"\xff", "INVALID_PAYLOAD_FORMAT"),
        ("sensor/5/data", READING, "GPIO_MISMATCH"),
        ("actuator/25/status", STATUS, "REPLAY_REFUSED"),
        ("system/will", {"status": "offline", "timestamp": 1777614000}, "REPLAY_REFUSED"),
    ],
)
def test_what_is_wrong_still_or_out_of_date_is_refused(topic: str, payload: object, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        sorted_again(asked(topic, payload), known())
    assert refused.value.code == code
