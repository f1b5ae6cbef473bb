"""Which devices have gone silent."""

from kaiser.contracts.events.device import DeviceRegistered, DeviceSaid
from kaiser.contracts.events.registry import DeviceRetired
from kaiser.ingest.directory import SILENT_AFTER_US, Directory
from kaiser.ingest.presence import Beat

E = "ESP_0A1B2C"
NOW = 1_767_100_000_000_000
LONG_AGO = NOW - 10 * SILENT_AFTER_US
PLACE = {"kaiser_id": "god", "esp_id": E}


def heard(at: int) -> Directory:
    """A registered device with one heartbeat."""
    directory = Directory()
    directory.decided(DeviceRegistered(generation="head", registered_at=LONG_AGO, **PLACE))
    beat(directory, at)
    return directory


def beat(directory: Directory, at: int) -> None:
    message = Beat(ts=at // 1_000_000, uptime=1, heap_free=1, wifi_rssi=-60)
    directory.beaten(DeviceSaid(generation="head", received_at=at, message=message, **PLACE))


def silent(directory: Directory, now: int = NOW, since: int = LONG_AGO) -> list[str]:
    return [event.esp_id for event in directory.gone_silent(now, since)]


def test_a_device_is_silent_after_five_heartbeats_that_did_not_come():
    directory = heard(NOW - SILENT_AFTER_US)
    assert silent(directory) == []
    assert silent(directory, NOW + 1) == [E]


def test_silence_is_noted_once_until_the_device_is_heard_again():
    directory = heard(LONG_AGO)
    (event,) = directory.gone_silent(NOW, LONG_AGO)
    directory.noted(event)
    assert silent(directory) == []
    beat(directory, NOW + 1)
    assert silent(directory, NOW + 2 + SILENT_AFTER_US) == [E]


def test_who_could_not_be_heard_is_not_silent():
    assert silent(heard(LONG_AGO), since=NOW - SILENT_AFTER_US) == []


def test_a_retired_device_may_be_silent():
    directory = heard(LONG_AGO)
    directory.decided(DeviceRetired(at=NOW, by="eva", reason="broken", **PLACE))
    assert silent(directory) == []


def test_who_left_with_a_last_will_is_not_silent_on_top_of_that():
    directory = heard(LONG_AGO)
    directory.lost(E, LONG_AGO + 1)
    assert silent(directory) == []
    beat(directory, LONG_AGO + 2)
    assert silent(directory) == [E]


def test_who_is_just_back_has_its_five_heartbeats_to_speak():
    directory = heard(LONG_AGO)
    directory.lost(E, LONG_AGO + 1)
    directory.returned(E, NOW - 1)
    assert silent(directory) == []
    assert silent(directory, NOW + SILENT_AFTER_US) == [E]
