"""The table of rights: what must hold of it whatever rows come."""

import pytest
from litestar.exceptions import ImproperlyConfiguredException

from kaiser.gateway.api.authorisation import ROLES, TABLE, Needs, allows, check_table, may, route_of
from kaiser.gateway.tokens import Principal

WRITES = {route: needs for route, needs in TABLE.items() if not route.startswith("GET ")}
ASKS = {
    "POST /rule-templates/{name}",  # makes a rule's text, and stores nothing
    "POST /auth/login",
    "POST /auth/ws-ticket",
    "POST /auth/refresh",
    "POST /auth/openid",
    "POST /auth/logout",
    "POST /auth/password",
}


def _person(role: str) -> Principal:
    return Principal("u", "u", role, 0)


def _machine(*scopes: str) -> Principal:
    return Principal("key:k", "key:k", "", 0, scopes=frozenset(scopes))


def test_viewers_and_keys_that_read_change_nothing() -> None:
    for route, needs in WRITES.items():
        if route not in ASKS:
            assert not allows(needs, _person("viewer")), route
            assert not allows(needs, _machine("read", "audit")), route


def test_no_machine_looks_after_users_or_releases_a_stop() -> None:
    every_scope = _machine("read", "control", "stop", "configure", "rules", "audit")
    for route, needs in TABLE.items():
        if route.split(" ")[1].startswith(("/users", "/keys")) or "release" in route or "clear-emergency" in route:
            assert not allows(needs, every_scope), route


def test_each_role_may_do_what_those_before_it_may() -> None:
    for needs in TABLE.values():
        allowed = [allows(needs, _person(role)) for role in ROLES]
        assert allowed == sorted(allowed)


def test_admins_may_everything_and_nobody_may_nothing_but_log_in() -> None:
    assert all(allows(needs, _person("admin")) for needs in TABLE.values())
    open_to_all = {route for route, needs in TABLE.items() if allows(needs, None)}
    assert open_to_all == {"POST /auth/login", "POST /auth/refresh", "GET /auth/openid", "POST /auth/openid"}


def test_a_machine_has_no_role() -> None:
    assert not may(_machine("read", "configure"), "viewer")
    assert allows(Needs("engineer", "configure"), _machine("configure"))


def test_what_head_may_is_what_get_may() -> None:
    assert route_of("HEAD", "/api/v1/devices/{esp_id}") == "GET /devices/{esp_id}"


def test_a_row_that_is_no_route_is_found_at_start() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="GET /devices"):
        check_table([])
