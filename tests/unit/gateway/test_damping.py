"""Devices that come and go all the time."""

from kaiser.gateway.damping import Damper

S = 1_000_000


def verdicts(damper: Damper, seconds, esp_id="ESP_1") -> list[str]:
    return [damper.change(esp_id, second * S) for second in seconds]


def test_a_device_that_comes_and_goes_is_told_of_once():
    assert verdicts(Damper(), range(0, 80, 10)) == ["show"] * 5 + ["flapping", "hide", "hide"]


def test_a_device_that_was_steady_is_told_of_again():
    damper = Damper()
    verdicts(damper, range(0, 80, 10))
    assert verdicts(damper, [300, 310]) == ["show", "show"]


def test_rare_losses_are_all_told():
    assert set(verdicts(Damper(), range(0, 6000, 200))) == {"show"}


def test_a_thousand_devices_that_lose_power_at_once_are_each_told_of():
    damper = Damper()
    assert {damper.change(f"ESP_{i}", 5 * S) for i in range(1000)} == {"show"}
