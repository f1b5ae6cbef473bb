"""Who may do what: every route of the API in one table, and the guard that looks it up.

The gateway does not start with a route that is not in the table, or a row that is no route.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from kaiser.contracts.events.identity import Role, Scope
from kaiser.gateway.admission import Admission
from kaiser.gateway.tokens import InvalidTokenError, Principal

PREFIX: Final = "/api/v1"
SCHEME: Final = "Bearer "

ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "engineer", "admin")
"""Each may do what those before it may."""


class Needs(msgspec.Struct, frozen=True):
    """What a route needs of whoever asks.

    Attributes:
        role: Lowest role of a person; None for nobody in particular.
        scope: Scope of a machine's key; None for what no machine may.
    """

    role: Role | None
    scope: Scope | None = None


ANYBODY: Final = Needs(None)
SOMEBODY: Final = Needs("viewer", "read")
PERSON: Final = Needs("viewer")
READ: Final = Needs("viewer", "read")
CONTROL: Final = Needs("operator", "control")
STOP: Final = Needs("operator", "stop")
PLACE: Final = Needs("operator", "configure")
"""Names and zones of devices, which change no output."""
CONFIGURE: Final = Needs("engineer", "configure")
RELEASE: Final = Needs("engineer")
"""Whoever lets actuators be switched on again has looked, which a machine cannot."""
RULES: Final = Needs("operator", "rules")
USERS: Final = Needs("admin")
AUDIT: Final = Needs("admin", "audit")

_SENSOR: Final = "/sensors/{esp_id}/{gpio}/{sensor_type}"
_ACTUATOR: Final = "/actuators/{esp_id}/{gpio}"

TABLE: Final[dict[str, Needs]] = {
    # Who I am
    "POST /auth/login": ANYBODY,
    "POST /auth/refresh": ANYBODY,
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
    "DELETE /keys/{key_id}": USERS,
    # What was done
    "GET /audit": AUDIT,
    "GET /audit/export.jsonl": AUDIT,
    # Devices
    "GET /devices": READ,
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
    "GET /zones": READ,
    # Sensors
    "GET /sensors": READ,
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
    "GET /actuators": READ,
    f"GET {_ACTUATOR}": READ,
    f"GET {_ACTUATOR}/history": READ,
    f"POST {_ACTUATOR}/command": CONTROL,
    f"PUT {_ACTUATOR}/policy": CONFIGURE,
    f"GET {_ACTUATOR}/limits": READ,
    f"PUT {_ACTUATOR}/limits": CONFIGURE,
    f"DELETE {_ACTUATOR}/limits": CONFIGURE,
    "GET /commands": READ,
    "GET /commands/{command_id}": READ,
    "DELETE /commands/{command_id}": CONTROL,
    # Safety
    "GET /emergency-stops": READ,
    "POST /emergency-stops": STOP,
    "POST /emergency-stops/{emergency_id}/release": RELEASE,
    "POST /actuators/emergency_stop": STOP,
    "POST /actuators/emergency-stop": STOP,
    "POST /actuators/clear_emergency": RELEASE,
    "POST /actuators/clear-emergency": RELEASE,
    "GET /interlocks": READ,
    "PUT /interlocks/{interlock_id}": CONFIGURE,
    "DELETE /interlocks/{interlock_id}": CONFIGURE,
    "GET /safety/violations": READ,
    "GET /safety/decisions/{seq}": READ,
    "GET /alerts": READ,
    "POST /alerts/{alert_id}/clear": CONTROL,
    # Rules
    "GET /rules": READ,
    "GET /rules.yaml": READ,
    "POST /rules.yaml": RULES,
    "GET /rules/{rule_id}": READ,
    "PUT /rules/{rule_id}": RULES,
    "DELETE /rules/{rule_id}": RULES,
    "POST /rules/{rule_id}/enable": RULES,
    "POST /rules/{rule_id}/disable": RULES,
    "POST /rules/{rule_id}/test": RULES,
    "POST /rules/{rule_id}/backtest": RULES,
    "POST /rules/{rule_id}/whatif": RULES,
    "GET /rules/{rule_id}/explanation": READ,
    "GET /rules/{rule_id}/runs": READ,
    "GET /rules/{rule_id}/runs/{run_id}/explanation": READ,
    "GET /rule-runs": READ,
    "GET /rule-templates": READ,
    "POST /rule-templates/{name}": READ,
    "GET /logic/rules": READ,
    "POST /logic/rules": RULES,
    "GET /logic/rules/{rule_id}": READ,
    "PUT /logic/rules/{rule_id}": RULES,
    "DELETE /logic/rules/{rule_id}": RULES,
    "POST /logic/rules/{rule_id}/toggle": RULES,
    "POST /logic/rules/{rule_id}/test": RULES,
    "GET /logic/execution_history": READ,
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


async def authorised(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let only those in who may do what they ask for; leaves the principal in the connection's scope.

    Raises:
        NotAuthorizedException: No token, or not a valid one.
        PermissionDeniedException: Not with this role, or this key.
    """
    needs = TABLE[route_of(str(connection.scope.get("method", "GET")), connection.scope["path_template"])]
    if needs.role is None:
        return
    principal = connection.scope["user"] = await _admitted(connection)
    if not allows(needs, principal):
        if principal.role:
            raise PermissionDeniedException(f"needs the role {needs.role}; yours is {principal.role}")
        words = f"needs the scope {needs.scope}" if needs.scope else "is for people, and this is a key of a machine"
        raise PermissionDeniedException(words)


async def _admitted(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    header = connection.headers.get("authorization", "")
    challenge = {"WWW-Authenticate": "Bearer"}
    if not header.startswith(SCHEME):
        raise NotAuthorizedException("send 'Authorization: Bearer TOKEN'; log in for a token", headers=challenge)
    admission: Admission = connection.app.state.admission
    try:
        return await admission.admit(header.removeprefix(SCHEME))
    except InvalidTokenError as error:
        raise NotAuthorizedException(str(error), headers=challenge) from error


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
