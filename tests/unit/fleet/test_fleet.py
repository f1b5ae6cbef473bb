"""How a fleet is put together."""

from kaiser.fleet.fleet import make_devices


def starts(seed: int) -> list[float]:
    devices = make_devices(50, personality="mixed", sensors=5, interval_s=2.0, seed=seed)
    return [device.starts_after_s for device in devices]


def test_devices_start_evenly_spread_over_the_interval():
    assert sorted(starts(0)) == [number / 25 for number in range(50)]


def test_the_order_of_starts_follows_from_the_seed():
    assert starts(1) == starts(1) != starts(2)
