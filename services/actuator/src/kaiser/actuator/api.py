"""Answers requests over NATS: ``command.actuator.*`` and ``query.actuator.*``."""

from typing import Final

from kaiser.actuator.as_of import AsOf
from kaiser.actuator.orders import Orders
from kaiser.actuator.queries import Queries
from kaiser.contracts import actuation, subjects
from kaiser.contracts.past import StateAtQuery
from kaiser.service.answering import Requests

SERVICE: Final = "actuator"


def commanded(orders: Orders) -> Requests:
    """Orders."""
    return {
        subjects.command(SERVICE, "send"): (actuation.SendCommand, orders.send),
        subjects.command(SERVICE, "cancel"): (actuation.CancelCommand, orders.cancel),
        subjects.command(SERVICE, "set_policy"): (actuation.SetShadowPolicy, orders.set_policy),
    }


def questions(queries: Queries) -> Requests:
    """Questions."""
    return {
        subjects.query(SERVICE, "actuators"): (actuation.ActuatorsQuery, queries.actuators),
        subjects.query(SERVICE, "actuator"): (actuation.ActuatorQuery, queries.actuator),
        subjects.query(SERVICE, "command"): (actuation.CommandQuery, queries.command),
        subjects.query(SERVICE, "commands"): (actuation.CommandsQuery, queries.commands),
        subjects.query(SERVICE, "states"): (actuation.StatesQuery, queries.states),
    }


def bygone(as_of: AsOf) -> Requests:
    """Questions about the past."""
    return {subjects.query(SERVICE, "state_at"): (StateAtQuery, as_of.state_at)}
