"""Handlers that write tables: they wait for the database for as long as it takes, and nobody waits for them."""

from collections.abc import Callable
from typing import Final

import msgspec

from kaiser.actuator.projections import Projections
from kaiser.contracts.events.actuation import COMMAND_EVENTS
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.streams import ACTUATORS, COMMANDS
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import ConsumerSpec, Delivery
from kaiser.service.recording import record

COMMAND_EVENTS_SPEC: Final = ConsumerSpec(stream=ACTUATORS.name, durable="actuator-commands", subjects=(COMMANDS,))
STATES_SPEC: Final = ConsumerSpec(stream=ACTUATORS.name, durable="actuator-states", subjects=("actuator.*.*.*.status",))

REST_S: Final = 0.25
"""After each transaction: nobody waits for a table, and a command is five events, each of which would be one."""

_commands: Final = EventDecoder({event.TYPE: event for event in COMMAND_EVENTS})
_decode_status = msgspec.json.Decoder(DeviceSaid[ActuatorStatus]).decode


class Recording:
    """Events into tables.

    Args:
        projections: Writes.
        stopping: Whether the service stops, so that waiting for the database has no point.
    """

    def __init__(self, projections: Projections, stopping: Callable[[], bool]) -> None:
        self._projections = projections
        self._stopping = stopping

    async def commands(self, deliveries: list[Delivery]) -> None:
        """Write events of commands, and return when they are committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery is not what its type says, or the database refuses a value of it.
        """
        await record(
            deliveries,
            lambda delivery: _commands.decode(delivery.type, delivery.data),
            self._projections.commands,
            what="commands",
            give_up=self._stopping,
        )

    async def states(self, deliveries: list[Delivery]) -> None:
        """Write reported states; raises as :meth:`commands`."""
        await record(
            deliveries,
            lambda delivery: _decode_status(delivery.data),
            self._projections.states,
            what="states",
            give_up=self._stopping,
        )
