"""From a command to the message that its device gets (wire contract, sections 5.1, 5.9 and 6.5). Pure."""

from typing import Final

import msgspec

from kaiser.contracts import subjects, topics
from kaiser.contracts.downlink import downlink_qos, encode_downlink
from kaiser.contracts.events.actuation import CommandDispatched, CommandRequested
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ActuatorCommand
from kaiser.eventlog import Event

SOURCE: Final = "kaiser/actuator"
KIND: Final = DownlinkKind.ACTUATOR_COMMAND
ISSUED_BY: Final = "kaiser"
BINARY: Final = ("pump", "relay")
PRIMED: Final = "on"
"""Ends the id of the ON before the first OFF of an inverted relay."""
ON_LIVES_US: Final = 4_000_000
"""So long may what switches something on wait for the broker; the next try is another message. A bridge that dies with
it in its hands lets the stream deliver it again after 5 s (``ack_wait_s``), behind an OFF that went out meanwhile; and
safety takes an ON that nothing was heard of for lost after ``IN_FLIGHT_US``."""


def messages(
    request: CommandRequested, sent: CommandDispatched, generation: Generation, *, prime: bool = False
) -> list[Event]:
    """What goes to the device for one try, in order.

    Args:
        request: The command.
        sent: The try.
        generation: Who reads it.
        prime: Send ON before OFF, see :func:`needs_priming`.

    Raises:
        DownlinkForbiddenError: A device would misread it.
    """
    events = []
    command = _command(request, generation)
    name = f"{sent.command_id}.{sent.attempt}"
    if prime and command.command == "OFF":
        first = msgspec.structs.replace(command, command="ON", value=1.0)
        if generation == "head":
            first_id = f"{request.command_id}.{PRIMED}"
            first = msgspec.structs.replace(first, correlation_id=first_id, intent_id=first_id)
        events.append(_event(first, sent, generation, f"{name}.{PRIMED}", correlation_id=""))
    events.append(_event(command, sent, generation, name, correlation_id=sent.command_id))
    return events


def check(request: CommandRequested, generation: Generation) -> None:
    """Whether a command can be told to its device.

    Raises:
        DownlinkForbiddenError: It would misread it.
    """
    topic = topics.downlink(KIND, request.kaiser_id, request.esp_id, request.gpio)
    encode_downlink(topic, _command(request, generation), generation=generation)


def misstarts(wanted: WantedActuator | None) -> bool:
    """Whether an actuator does not do what it says after its device was configured or started.

    Section 6.5: pump and relay write their default state without regard to the inversion. ``head`` is energised then
    and says that it is off; ``dec`` is off and says that it is on, for it is configured so (``kaiser.ingest.configs``).
    Either is what it says again after an OFF, so one is sent.
    """
    return wanted is not None and wanted.inverted and not wanted.default_state and wanted.actuator_type in BINARY


def needs_priming(wanted: WantedActuator | None, generation: Generation, *, done_at: int, reset_at: int) -> bool:
    """Whether OFF would be ignored: an inverted relay is energised since it was configured, and thinks that it is off.

    After one ON ``head`` is what it says; that ON changes nothing, for the relay is energised already. Where it is not
    known that the device was configured or started since, only OFF is sent: an ON that nobody asked for has to be sure.
    ``dec`` thinks that it is on, and OFF is enough.

    Args:
        wanted: The actuator as it was configured; None for one that nobody configured.
        generation: Its device's firmware.
        done_at: When a command last succeeded, unix microseconds; 0 for never.
        reset_at: When the device was last configured or started; 0 where that is not known.
    """
    return generation == "head" and misstarts(wanted) and done_at < reset_at


def _command(request: CommandRequested, generation: Generation) -> ActuatorCommand:
    """Without ttl and creation time: ``head`` compares them with its uptime (section 5.9)."""
    command = ActuatorCommand(command=request.action, value=request.level)
    if generation == "dec":
        return command
    return msgspec.structs.replace(
        command,
        duration=request.duration_s if request.action == "ON" else 0,  # its own timer, besides ours
        correlation_id=request.command_id,
        intent_id=request.command_id,
        issued_by=ISSUED_BY,
    )


def _event(
    command: ActuatorCommand, sent: CommandDispatched, generation: Generation, name: str, *, correlation_id: str
) -> Event:
    topic = topics.downlink(KIND, sent.kaiser_id, sent.esp_id, sent.gpio)
    body = DownlinkRequested(
        kaiser_id=sent.kaiser_id,
        esp_id=sent.esp_id,
        topic=topic,
        payload=encode_downlink(topic, command, generation=generation).decode(),
        qos=downlink_qos(KIND),
        generation=generation,
        expires_at=_expires_at(command, sent),
        correlation_id=correlation_id,
    )
    return Event(
        id=name,
        subject=subjects.downlink(sent.kaiser_id, sent.esp_id, KIND),
        type=DownlinkRequested.TYPE,
        data=encode(body),
        source=SOURCE,
        time=sent.at,
    )


def _expires_at(command: ActuatorCommand, sent: CommandDispatched) -> int:
    """OFF may come as late as its answer; the rest neither late nor beyond safety's approval."""
    if command.command == "OFF":
        return sent.answer_by
    approved_until = sent.approved_until or sent.answer_by  # the ON before an OFF needs no approval
    return min(sent.answer_by, approved_until, sent.at + ON_LIVES_US)
