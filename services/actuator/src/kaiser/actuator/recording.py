"""Handlers that write tables: they wait for the database for as long as it takes, and nobody waits for them."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from kaiser.actuator.projections import Projections
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import COMMAND_EVENTS
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.streams import ACTUATORS, COMMANDS
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import ConsumerSpec, Delivery, Retry, Unprocessable
from kaiser.timescale import BadData, DatabaseAway, outlast

COMMAND_EVENTS_SPEC: Final = ConsumerSpec(stream=ACTUATORS.name, durable="actuator-commands", subjects=(COMMANDS,))
STATES_SPEC: Final = ConsumerSpec(stream=ACTUATORS.name, durable="actuator-states", subjects=("actuator.*.*.*.status",))

REST_S: Final = 0.1
"""After each transaction: nobody waits for a table, and a command is five events, each of which would be one."""

_commands: Final = EventDecoder({event.TYPE: event for event in COMMAND_EVENTS})
_decode_status = msgspec.json.Decoder(DeviceSaid[ActuatorStatus]).decode

Decode = Callable[[Delivery], Any]  # a struct that the writer knows
Write = Callable[[list[tuple[int, Any]]], Awaitable[None]]


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
        await self._write(
            deliveries, lambda d: _commands.decode(d.type, d.data), self._projections.commands, "commands"
        )

    async def states(self, deliveries: list[Delivery]) -> None:
        """Write reported states; raises as :meth:`commands`."""
        await self._write(deliveries, lambda d: _decode_status(d.data), self._projections.states, "states")

    async def _write(self, deliveries: list[Delivery], decode: Decode, write: Write, what: str) -> None:
        try:
            told = [(delivery.seq, decode(delivery)) for delivery in deliveries]
        except (msgspec.DecodeError, ValueError) as error:
            raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
        try:
            await outlast(lambda: write(told), what=what, give_up=self._stopping)
        except DatabaseAway as away:
            raise Retry(str(away)) from away
        except BadData as error:
            raise Unprocessable(Code.VALUE_OUT_OF_RANGE, str(error)) from error
