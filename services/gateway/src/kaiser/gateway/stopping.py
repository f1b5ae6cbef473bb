"""Emergency stops: written by the gateway itself, so that one needs nobody but the log.

A stop counts from the moment that it is there: the bridge tells the devices, safety and the actuator service refuse.
"""

from typing import Final

import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.events import codec
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.ids import is_esp_id
from kaiser.contracts.queries import Problem
from kaiser.contracts.streams import EMERGENCY_REQUESTED
from kaiser.eventlog import Event, EventLog, EventLogError
from kaiser.gateway.asking import ProblemError

log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/gateway"
STORED_WITHIN_S: Final = 4.0
"""A restart of NATS takes a second or two; after this whoever asked has to be told, and go to the switch."""
LAST_PIN: Final = 48


def fault(scope: Scope) -> tuple[str, str]:
    """Field and words of what is wrong with a scope, empty where nothing is. Pure.

    A stop of what cannot be there would be acknowledged and stop nothing.
    """
    if field := scope.fault():
        given = getattr(scope, field) is not None
        return field, f"a stop of kind {scope.kind} {'takes no' if given else 'wants'} {field}"
    if scope.esp_id is not None and not is_esp_id(scope.esp_id):
        return "esp_id", f"{scope.esp_id!r} is not the id of a device: ESP_ and 6 to 8 upper-case hexadecimal digits"
    if scope.gpio is not None and not 0 <= scope.gpio <= LAST_PIN:
        return "gpio", f"pins are 0 to {LAST_PIN}"
    return "", ""


def stop_event(requested: EmergencyRequested) -> Event:
    """The event of a stop. Pure."""
    return Event(
        subject=EMERGENCY_REQUESTED,
        type=EmergencyRequested.TYPE,
        data=codec.encode(requested),
        source=SOURCE,
        id=f"emergency.{requested.emergency_id}",
        time=requested.at,
        headers={"correlation-id": requested.correlation_id},
    )


async def store(event_log: EventLog, requested: EmergencyRequested) -> int:
    """Write a stop, and return its sequence once JetStream has acknowledged it.

    Raises:
        ProblemError: The log is away or takes nothing; the stop may be in force or not, and is to be asked for again.
    """
    words = requested.scope.words()
    try:
        ack = await event_log.publish(stop_event(requested), timeout_s=STORED_WITHIN_S)
    except EventLogError as error:
        log.error("an emergency stop could not be stored", scope=words, by=requested.by, reason=str(error))
        detail = "the event log did not take the stop; ask again, and switch off by hand meanwhile"
        raise ProblemError(Problem(Code.SERVICE_ERROR, detail)) from error
    log.warning("emergency stop", scope=words, by=requested.by, emergency=requested.emergency_id, seq=ack.seq)
    return ack.seq
