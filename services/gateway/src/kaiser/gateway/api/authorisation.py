"""Who may do what: every route of the API in one table, and the guard that looks it up.

The gateway does not start with a route that is not in the table, or a row that is no route.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from kaiser.contracts.codes import Code
from kaiser.contracts.events.identity import Role, Scope
from kaiser.contracts.refusals import Refusal
from kaiser.gateway import places
from kaiser.gateway.api import conditions
from kaiser.gateway.tokens import Principal

PREFIX: Final = "/api/v1"
SCHEME: Final = "Bearer "
METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")

ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "engineer", "admin")
"""Each may do what those before it may."""


class Needs(msgspec.Struct, frozen=True):
    """What a route needs of whoever asks.

    Attributes:
        role: Lowest role of a person; None for nobody in particular.
        scope: Scope of a machine's key; None for what no machine may.
        reach: How far it reaches, for those who are confined to zones: ``device`` to the one in the path, which has to
            be in them, ``picked`` to what its handler or its answer picks by device and zone, ``own`` to themselves,
            and ``site`` to everything, which is not for them.
    """

    role: Role | None
    scope: Scope | None = None
    reach: Literal["device", "picked", "own", "site"] = "device"


ANYBODY: Final = Needs(None, None, "own")
SOMEBODY: Final = Needs("viewer", "read", "own")
PERSON: Final = Needs("viewer", None, "own")
READ: Final = Needs("viewer", "read")
PICK: Final = Needs("viewer", "read", "picked")
SURVEY: Final = Needs("viewer", "read", "site")
CONTROL: Final = Needs("operator", "control")
CONTROL_PICKED: Final = Needs("operator", "control", "picked")
STOP: Final = Needs("operator", "stop", "picked")
PLACE: Final = Needs("operator", "configure")
"""Names and zones of devices, which change no output."""
CONFIGURE: Final = Needs("engineer", "configure")
CONFIGURE_SITE: Final = Needs("engineer", "configure", "site")
RELEASE: Final = Needs("engineer", None, "picked")
"""Whoever lets actuators be switched on again has looked, which a machine cannot."""
RULES: Final = Needs("operator", "rules", "site")
USERS: Final = Needs("admin", None, "site")
AUDIT: Final = Needs("admin", "audit", "site")
LOG: Final = Needs("engineer", None, "site")
"""The log as it is, which is for people who know what they look at."""
LOOK: Final = Needs("engineer", None, "picked")
"""The same, as far as it says by itself which device it is about."""
LOOK_AT_DEVICE: Final = Needs("engineer", None)

_SENSOR: Final = "/sensors/{esp_id}/{gpio}/{sensor_type}"
_ACTUATOR: Final = "/actuators/{esp_id}/{gpio}"

TABLE: Final[dict[str, Needs]] = {
    # Who I am
    "POST /auth/login": ANYBODY,
    "POST /auth/refresh": ANYBODY,
    "GET /auth/openid": ANYBODY,
    "POST /auth/openid": ANYBODY,
    "POST /auth/logout": PERSON,
    "POST /auth/password": PERSON,
    "GET /auth/me": SOMEBODY,
    "POST /auth/ws-ticket": SOMEBODY,
    # Who there is
    "GET /users": USERS,
    "POST /users": USERS,
    "GET /users/{user_id}": USERS,
    "PATCH /users/{user_id}": USERS,
    "DELETE /users/{user_id}": USERS,
    "PUT /users/{user_id}/password": USERS,
    "DELETE /users/{user_id}/sessions": USERS,
    "GET /keys": USERS,
    "POST /keys": USERS,
    "GET /keys/{key_id}": USERS,
    "DELETE /keys/{key_id}": USERS,
    # What was done
    "GET /audit": AUDIT,
    "GET /audit/{number}": AUDIT,
    "GET /audit/export.jsonl": AUDIT,
    # The log
    "GET /events": LOOK,
    "GET /events/{stream}/{seq}": LOOK,
    "GET /events/{stream}/{seq}/causes": LOOK,
    "GET /aggregates/{kind}/{aggregate_id}": LOOK,
    "GET /aggregates/{kind}/{esp_id}/{gpio}": LOOK_AT_DEVICE,
    "GET /dead-letters": LOG,
    "GET /dead-letters/{letter_id}": LOG,
    "POST /dead-letters/{letter_id}/replay": LOG,
    "POST /dead-letters/{letter_id}/discard": LOG,
    # Devices
    "GET /devices": PICK,
    "GET /devices/{esp_id}": READ,
    "PATCH /devices/{esp_id}": PLACE,
    "POST /devices/{esp_id}/approve": CONFIGURE,
    "POST /devices/{esp_id}/reject": CONFIGURE,
    "POST /devices/{esp_id}/retire": CONFIGURE,
    "POST /devices/{esp_id}/key": CONFIGURE,
    "GET /devices/{esp_id}/board": READ,
    "GET /devices/{esp_id}/health": READ,
    "GET /devices/{esp_id}/config": READ,
    "PUT /devices/{esp_id}/config": CONFIGURE,
    "PUT /devices/{esp_id}/zone": PLACE,
    "DELETE /devices/{esp_id}/zone": PLACE,
    "PUT /devices/{esp_id}/subzones/{subzone_id}": PLACE,
    "DELETE /devices/{esp_id}/subzones/{subzone_id}": PLACE,
    "GET /zones": PICK,
    "GET /zones/{zone_id}": PICK,
    "GET /esp/devices": PICK,
    "GET /esp/devices/{esp_id}": READ,
    "PATCH /esp/devices/{esp_id}": PLACE,
    "GET /esp/devices/{esp_id}/health": READ,
    "POST /zone/devices/{esp_id}/assign": PLACE,
    "DELETE /zone/devices/{esp_id}/zone": PLACE,
    "GET /zone/devices/{esp_id}": READ,
    "GET /zone/{zone_id}/devices": PICK,
    "GET /zone/unassigned": PICK,
    "POST /subzone/devices/{esp_id}/subzones/assign": PLACE,
    "DELETE /subzone/devices/{esp_id}/subzones/{subzone_id}": PLACE,
    "GET /subzone/devices/{esp_id}/subzones": READ,
    "GET /subzone/devices/{esp_id}/subzones/{subzone_id}": READ,
    # Sensors
    "GET /sensors": PICK,
    f"GET {_SENSOR}": READ,
    f"GET {_SENSOR}/latest": READ,
    f"GET {_SENSOR}/history": READ,
    f"GET {_SENSOR}/export.csv": READ,
    f"GET {_SENSOR}/export.parquet": READ,
    f"PUT {_SENSOR}/parameters": CONFIGURE,
    f"GET {_SENSOR}/calibration": READ,
    f"POST {_SENSOR}/calibration": CONFIGURE,
    f"DELETE {_SENSOR}/calibration": CONFIGURE,
    f"POST {_SENSOR}/calibration/points": CONFIGURE,
    f"POST {_SENSOR}/calibration/finish": CONFIGURE,
    f"POST {_SENSOR}/calibration/recompute": CONFIGURE,
    # Actuators
    "GET /actuators": PICK,
    f"GET {_ACTUATOR}": READ,
    f"GET {_ACTUATOR}/history": READ,
    f"POST {_ACTUATOR}/command": CONTROL,
    f"PUT {_ACTUATOR}/policy": CONFIGURE,
    f"GET {_ACTUATOR}/limits": READ,
    f"PUT {_ACTUATOR}/limits": CONFIGURE,
    f"DELETE {_ACTUATOR}/limits": CONFIGURE,
    "GET /commands": PICK,
    "GET /commands/{command_id}": PICK,
    "DELETE /commands/{command_id}": CONTROL_PICKED,
    # Safety
    "GET /emergency-stops": PICK,
    "GET /emergency-stops/{emergency_id}": PICK,
    "POST /emergency-stops": STOP,
    "POST /emergency-stops/{emergency_id}/release": RELEASE,
    "POST /actuators/emergency_stop": STOP,
    "POST /actuators/emergency-stop": STOP,
    "POST /actuators/clear_emergency": RELEASE,
    "POST /actuators/clear-emergency": RELEASE,
    "GET /interlocks": SURVEY,
    "GET /interlocks/{interlock_id}": SURVEY,
    "PUT /interlocks/{interlock_id}": CONFIGURE_SITE,
    "DELETE /interlocks/{interlock_id}": CONFIGURE_SITE,
    "GET /safety/violations": PICK,
    "GET /safety/violations/{seq}": PICK,
    "GET /safety/decisions/{seq}": PICK,
    "GET /alerts": PICK,
    "GET /alerts/{alert_id}": PICK,
    "POST /alerts/{alert_id}/clear": CONTROL_PICKED,
    # Rules
    "GET /rules": PICK,
    "GET /rules.yaml": SURVEY,
    "POST /rules.yaml": RULES,
    "GET /rules/{rule_id}": PICK,
    "PUT /rules/{rule_id}": RULES,
    "DELETE /rules/{rule_id}": RULES,
    "POST /rules/{rule_id}/enable": RULES,
    "POST /rules/{rule_id}/disable": RULES,
    "POST /rules/{rule_id}/test": RULES,
    "POST /rules/{rule_id}/backtest": RULES,
    "POST /rules/{rule_id}/whatif": RULES,
    "GET /rules/{rule_id}/explanation": PICK,
    "GET /rules/{rule_id}/runs": PICK,
    "GET /rules/{rule_id}/runs/{run_id}": PICK,
    "GET /rules/{rule_id}/runs/{run_id}/explanation": PICK,
    "GET /rule-runs": SURVEY,
    "GET /rule-templates": SOMEBODY,
    "GET /rule-templates/{name}": SOMEBODY,
    "POST /rule-templates/{name}": SOMEBODY,
    "GET /logic/rules": PICK,
    "POST /logic/rules": RULES,
    "GET /logic/rules/{rule_id}": PICK,
    "PUT /logic/rules/{rule_id}": RULES,
    "DELETE /logic/rules/{rule_id}": RULES,
    "POST /logic/rules/{rule_id}/toggle": RULES,
    "POST /logic/rules/{rule_id}/test": RULES,
    "GET /logic/execution_history": SURVEY,
}
"""Route to what it needs. Whoever may read may read all of it; zones narrow that for those who are confined to some."""


def may(principal: Principal, role: Role) -> bool:
    """Whether somebody has a role, or one above it; a machine has none."""
    return principal.role in ROLES and ROLES.index(principal.role) >= ROLES.index(role)


def allows(needs: Needs, principal: Principal | None) -> bool:
    """Whether somebody has what a route needs; None is who has not said who they are."""
    if needs.role is None:
        return True
    if principal is None:
        return False
    return may(principal, needs.role) or (needs.scope is not None and needs.scope in principal.scopes)


def route_of(method: str, path: str) -> str:
    """A route as the table has it.

    Args:
        method: HTTP method; what HEAD may is what GET may.
        path: Path with its parameters in braces.
    """
    return f"{'GET' if method == 'HEAD' else method} {path.removeprefix(PREFIX)}"


def methods_of(path: str) -> str:
    """What may be done with a path, as the header ``Allow`` says it; empty for what is no route of the API.

    Args:
        path: With its parameters in braces.
    """
    found = [method for method in METHODS if route_of(method, path) in TABLE]
    return ", ".join([*found, "OPTIONS"]) if found else ""


async def authorised(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let only those in who may do what they ask for; who they are is known (:mod:`kaiser.gateway.api.admitting`).

    Raises:
        PermissionDeniedException: Not with this role, or this key.
        Refusal: OUTSIDE_ZONES, or ESP_DEVICE_NOT_FOUND for a device that is outside of whoever's zones.
    """
    method = str(connection.scope.get("method", "GET"))
    if method == "OPTIONS":  # litestar answers with the methods that there are
        return
    route = route_of(method, connection.scope["path_template"])
    needs = TABLE[route]
    if needs.role is None:
        return
    principal: Principal = connection.scope["user"]
    if not allows(needs, principal):
        if principal.role:
            raise PermissionDeniedException(f"needs the role {needs.role}; yours is {principal.role}")
        words = f"needs the scope {needs.scope}" if needs.scope else "is for people, and this is a key of a machine"
        raise PermissionDeniedException(words)
    conditions.hold(route, connection.headers.get("if-match"))
    await _confine(connection, needs, principal)


async def _confine(connection: ASGIConnection[Any, Any, Any, Any], needs: Needs, principal: Principal) -> None:
    """Hold those who are confined to their zones.

    Raises:
        Refusal: OUTSIDE_ZONES, or ESP_DEVICE_NOT_FOUND for a device that is outside.
    """
    confined = places.confine(connection.app.state, principal.zones)
    if confined is None or needs.reach == "own":
        return
    if needs.reach == "site":
        raise Refusal(Code.OUTSIDE_ZONES, "this is about the whole site, and you are confined to zones")
    await confined.places.known()
    if needs.reach == "device":
        places.must_reach(str(connection.path_params.get("esp_id", "")))


def check_table(routes: Iterable[BaseRoute]) -> None:
    """Hold the table to the routes that there are.

    Raises:
        ImproperlyConfiguredException: A route is not in the table, or a row is no route.
    """
    there = {
        route_of(method, route.path_format)
        for route in routes
        if isinstance(route, HTTPRoute) and route.path_format.startswith(PREFIX)
        for method in route.methods
        if method != "OPTIONS"
    }
    if wrong := there ^ TABLE.keys():
        raise ImproperlyConfiguredException(f"not in the table of rights, or no route: {', '.join(sorted(wrong))}")
