"""The HTTP application: routes, what they are given, and how errors look."""

from typing import Any, NamedTuple

from litestar import Litestar, Router, WebSocket, websocket
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler

from kaiser.eventlog import EventLog
from kaiser.gateway import places
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.admission import Admission
from kaiser.gateway.api import (
    actuators,
    admitting,
    aggregates,
    audit,
    auth,
    authorisation,
    bodies,
    calibration,
    causes,
    commands,
    conditions,
    dead_letters,
    devices,
    docs,
    emergencies,
    equipment,
    events,
    export,
    keys,
    openid,
    parameters,
    parquet,
    places_as_monolith,
    problems,
    registry,
    repeating,
    rule_runs,
    rule_texts,
    rules,
    rules_as_monolith,
    safeguards,
    sensors,
    sharing,
    tickets,
    users,
)
from kaiser.gateway.console import console
from kaiser.gateway.edge import origins
from kaiser.gateway.edge.limiting import Limits
from kaiser.gateway.idempotency import Repeats
from kaiser.gateway.identity.logins import Logins
from kaiser.gateway.identity.openid import OpenId
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.letters import Letters
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.sockets import Connection, Serving
from kaiser.gateway.sockets_as_monolith import PATH as MONOLITH_PATH
from kaiser.gateway.sockets_as_monolith import MonolithConnection


class Who(NamedTuple):
    """All that has to do with who may do what.

    Attributes:
        accounts: Users, sessions and keys as the log has them.
        identity: Decides about them.
        logins: Gives tokens, and takes them back.
        openid: Lets a provider say who somebody is.
        admission: Knows whom tokens and keys speak for.
    """

    accounts: Accounts
    identity: Identity
    logins: Logins
    admission: Admission
    openid: OpenId


def application(
    *,
    event_log: EventLog,
    who: Who,
    metrics: GatewayMetrics,
    serving: Serving,
    names: RuleNames,
    repeats: Repeats,
    letters: Letters,
) -> Litestar:
    """The application over what the gateway has."""
    options = serving.options

    limits = Limits(user_per_s=options.user_per_s, address_per_s=options.address_per_s, metrics=metrics)

    def held_back(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        limits.address(connection.scope)

    @websocket("/ws", guards=[held_back])
    async def live(socket: WebSocket[Any, Any, Any]) -> None:
        await Connection(socket, serving).serve()

    clients: dict[tuple[str, str], MonolithConnection] = {}

    @websocket(MONOLITH_PATH, guards=[held_back])
    async def live_as_monolith(socket: WebSocket[Any, Any, Any]) -> None:
        await MonolithConnection(socket, serving, clients).serve()

    api = Router(
        authorisation.PREFIX,
        route_handlers=[
            auth.login,
            auth.refresh,
            auth.logout,
            openid.begin,
            openid.finish,
            auth.change_password,
            auth.me,
            users.users,
            users.user,
            users.create,
            users.change,
            users.set_password,
            users.end_sessions,
            users.remove,
            keys.keys,
            keys.key,
            keys.issue,
            keys.revoke,
            audit.audit,
            audit.audited,
            audit.export,
            events.events,
            events.event,
            causes.causes,
            aggregates.aggregate,
            aggregates.aggregate_on_pin,
            dead_letters.dead_letters,
            dead_letters.dead_letter,
            dead_letters.replay,
            dead_letters.discard,
            tickets.ws_ticket,
            devices.devices,
            devices.device,
            devices.board,
            devices.zones,
            devices.zone,
            devices.health,
            registry.approve,
            registry.reject,
            registry.retire,
            registry.rotate_key,
            registry.change,
            registry.assign_zone,
            registry.leave_zone,
            registry.order_subzone,
            registry.dissolve_subzone,
            places_as_monolith.assign,
            places_as_monolith.zone_of,
            places_as_monolith.devices_of,
            places_as_monolith.unassigned,
            places_as_monolith.assign_subzone,
            places_as_monolith.subzones,
            places_as_monolith.subzone,
            equipment.equipment,
            equipment.configure,
            sensors.sensors,
            sensors.sensor,
            sensors.latest,
            sensors.history,
            export.export,
            parquet.export_parquet,
            calibration.calibration,
            calibration.set_parameters,
            calibration.start,
            calibration.take_point,
            calibration.finish,
            calibration.abandon,
            calibration.recompute,
            commands.command,
            commands.commands,
            commands.one_command,
            commands.cancel,
            actuators.actuators,
            actuators.actuator,
            actuators.history,
            actuators.set_policy,
            emergencies.stop,
            emergencies.stop_as_monolith,
            emergencies.stops,
            emergencies.stop_in_force,
            emergencies.release,
            emergencies.release_as_monolith,
            safeguards.limits,
            safeguards.set_limits,
            safeguards.reset_limits,
            safeguards.interlocks,
            safeguards.interlock,
            safeguards.set_interlock,
            safeguards.remove_interlock,
            safeguards.violations,
            safeguards.violation,
            safeguards.decision,
            safeguards.alerts,
            safeguards.alert,
            safeguards.clear_alert,
            rules.rules,
            rules.rule,
            rules.define,
            rules.enable,
            rules.disable,
            rules.remove,
            rules.hold_up,
            rule_runs.runs,
            rule_runs.runs_of,
            rule_runs.run,
            rule_runs.explain,
            rule_runs.explain_run,
            rule_runs.backtest,
            rule_runs.what_if,
            rule_texts.export,
            rule_texts.import_,
            rule_texts.templates,
            rule_texts.template,
            rule_texts.fill,
            rules_as_monolith.create,
            rules_as_monolith.change,
            rules_as_monolith.toggle,
            rules_as_monolith.history,
        ],
        guards=[authorisation.authorised, parameters.described],
        middleware=[admitting.Admitting, conditions.Tagging, sharing.Sharing, repeating.Repeating],
        after_request=places.shown,
    )
    given = {
        "event_log": event_log,
        "accounts": who.accounts,
        "identity": who.identity,
        "logins": who.logins,
        "openid": who.openid,
        "metrics": metrics,
        "tickets": serving.tickets,
        "names": names,
        "letters": letters,
    }
    app = Litestar(
        route_handlers=[api, live, live_as_monolith, docs.assets(), *console(options.console)],
        dependencies={name: _given(thing) for name, thing in given.items()},
        exception_handlers=problems.HANDLERS | auth.HANDLERS,
        openapi_config=docs.CONFIG,
        state=State(
            {
                "admission": who.admission,
                "places": serving.places,
                "limits": limits,
                "repeats": repeats,
                "flights": sharing.Flights(),
                "largest_body": options.body_bytes,
            }
        ),
        request_class=bodies.Asked,
        request_max_body_size=options.body_bytes,
        cors_config=origins.allowed(options.origins),
        logging_config=None,
    )
    authorisation.check_table(app.routes)
    docs.complete(app)
    return app


def _given(thing: Any) -> Provide:  # whatever a handler asks for by name
    def provide() -> Any:
        return thing

    return Provide(provide, sync_to_thread=False)
