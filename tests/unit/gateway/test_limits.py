"""How much whoever asks may ask, and which pages may use the API."""

import pytest

from kaiser.gateway.edge import origins
from kaiser.gateway.edge.allowance import Allowances, origin


def test_a_burst_is_granted_and_then_as_much_as_comes_in() -> None:
    allowances = Allowances(2, burst_s=5)
    assert [allowances.take("ada", now=0).allowed for _ in range(11)] == [True] * 10 + [False]
    assert [allowances.take("ada", now=1).allowed for _ in range(3)] == [True, True, False]


def test_whoever_is_refused_is_told_when_to_come_back_and_is_granted_then() -> None:
    allowances = Allowances(0.1, burst_s=10)
    assert allowances.take("ada", now=0).allowed
    refused = allowances.take("ada", now=3)
    assert (refused.allowed, refused.limit, refused.remaining, refused.wait_s, refused.reset_s) == (False, 1, 0, 7, 7)
    assert allowances.take("ada", now=3 + refused.wait_s).allowed


def test_asking_in_vain_costs_nothing() -> None:
    allowances = Allowances(1, burst_s=1)
    assert allowances.take("ada", now=0).allowed
    assert not any(allowances.take("ada", now=0.5).allowed for _ in range(100))
    assert allowances.take("ada", now=1).allowed


def test_one_has_nothing_to_do_with_another() -> None:
    allowances = Allowances(1, burst_s=1)
    assert allowances.take("ada", now=0).allowed
    assert not allowances.take("ada", now=0).allowed
    assert allowances.take("bob", now=0).allowed


def test_the_table_is_bounded_and_forgets_who_has_not_asked_for_longest() -> None:
    allowances = Allowances(1, burst_s=1, most=3)
    for key in ("ada", "bob", "cat", "ada", "dan"):
        allowances.take(key, now=0)
    assert len(allowances) == 3
    assert not allowances.take("ada", now=0).allowed
    assert allowances.take("bob", now=0).allowed


def test_a_clock_that_stands_still_grants_no_more() -> None:
    allowances = Allowances(1, burst_s=1)
    assert allowances.take("ada", now=5).allowed
    assert not allowances.take("ada", now=4).allowed


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_host_counts_as_one_though_it_has_a_network_to_send_from(address: str, counts_as: str) -> None:
    assert origin(address) == counts_as


@pytest.mark.parametrize(
    "wrong", ["*", "null", "plants.example", "https://*.example", "https://plants.example/", "https://a.example *"]
)
def test_an_origin_that_is_none_is_told(wrong: str) -> None:
    assert wrong in origins.fault(f"https://plants.example,{wrong}")


def test_origins_are_those_that_are_named() -> None:
    named = "https://plants.example, http://localhost:5173,http://[::1]:5173"
    assert not origins.fault(named)
    config = origins.allowed(named)
    assert config is not None
    assert config.allow_origins == ["https://plants.example", "http://localhost:5173", "http://[::1]:5173"]
    assert not config.allow_credentials
    assert origins.allowed(" , ") is None
