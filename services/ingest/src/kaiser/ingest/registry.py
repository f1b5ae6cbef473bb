"""The registry of devices: who is registered, and how. Pure; in step 1 every device is pending once it is heard.

One aggregate a device, whatever kaiser id it talks under: its events are those of ``device.*.{esp}.registered``.
"""

from collections.abc import Sequence

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.device import DeviceRegistered, Generation


class DeviceState(msgspec.Struct, frozen=True):
    """What the registry holds of a device.

    Attributes:
        registered: Whether it is known at all.
        pending: Whether nobody approved it yet.
    """

    registered: bool = False
    pending: bool = True


class Meet(msgspec.Struct, frozen=True, kw_only=True):
    """A device was heard, in a message that may be its first."""

    kaiser_id: str
    esp_id: str
    generation: Generation
    at: int


UNKNOWN = DeviceState()


def decide(state: DeviceState, met: Meet) -> Sequence[DeviceRegistered]:
    """Register a device at the first meeting, and never again."""
    if state.registered:
        return ()
    return (
        DeviceRegistered(kaiser_id=met.kaiser_id, esp_id=met.esp_id, generation=met.generation, registered_at=met.at),
    )


def evolve(state: DeviceState, event: DeviceRegistered) -> DeviceState:  # noqa: ARG001  # step 2 has more events
    """A registered device is pending until an operator approves it."""
    return DeviceState(registered=True, pending=True)


def aggregate_subjects(esp_id: str) -> str:
    """The subjects of one device's aggregate."""
    return f"device.*.{subjects.token(esp_id)}.registered"


def subject(event: DeviceRegistered) -> str:
    """Subject of an event of the registry."""
    return subjects.device(event.kaiser_id, event.esp_id, "registered")
