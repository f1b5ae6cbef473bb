"""What the registry decided of devices: whether a heartbeat is answered with ``approved``, and whose key is valid."""

import asyncio
from typing import Final

import msgspec
import structlog

from kaiser.bridge.profiles import Approval, Profile, Profiles
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRegistered, Generation
from kaiser.contracts.events.registry import DeviceApproved, DeviceKeyIssued, DeviceRejected, DeviceRetired
from kaiser.contracts.streams import DEVICE_REGISTRY, DEVICES
from kaiser.eventlog import Delivery, EventLog, OrderedReader

log = structlog.get_logger(__name__)

SUBJECTS: Final = ("device.*.*.discovered", DEVICE_REGISTRY)

APPROVAL: Final[dict[str, Approval]] = {
    DeviceApproved.TYPE: "approved",
    DeviceRejected.TYPE: "rejected",
    # Its key is void, so it does not come back; should it, "rejected" would send its firmware into a reboot loop
    DeviceRetired.TYPE: "pending",
}
INTRODUCES: Final = frozenset({DeviceDiscovered.TYPE, DeviceRegistered.TYPE})
VOIDS: Final = frozenset({DeviceRejected.TYPE, DeviceRetired.TYPE})


class _Device(msgspec.Struct):
    """What every event about a device says; generation only those that introduce it."""

    kaiser_id: str
    esp_id: str
    generation: Generation = "dec"
    key_id: str = ""


_decode = msgspec.json.Decoder(_Device).decode


class Keys:
    """Which device has which key.

    Attributes:
        changed: Set when it was changed, and when everything that the log held at the start is known.
        known: Whether that is so.
    """

    def __init__(self) -> None:
        self.by_device: dict[str, str] = {}
        self.changed = asyncio.Event()
        self.known = False

    def issue(self, esp_id: str, key_id: str) -> None:
        """A device has another key."""
        self.by_device[esp_id] = key_id
        self.changed.set()

    def void(self, esp_id: str) -> None:
        """A device has none any more."""
        if self.by_device.pop(esp_id, None) is not None:
            self.changed.set()

    def complete(self) -> None:
        """All is known."""
        if not self.known:
            self.known = True
            self.changed.set()


async def follow_registry(event_log: EventLog, profiles: Profiles, keys: Keys) -> None:
    """Learn of devices from the registry's events, so that a lost cache is filled again from the log."""
    async with OrderedReader(event_log, DEVICES.name, subjects=SUBJECTS, start="last_per_subject") as reader:
        while True:
            if not reader.pending:
                keys.complete()
            for delivery in await reader.take():
                try:
                    learn(profiles, keys, delivery)
                except msgspec.MsgspecError as error:
                    log.warning("device event not understood", subject=delivery.subject, reason=str(error))


def learn(profiles: Profiles, keys: Keys, delivery: Delivery) -> None:
    """Take in an event of the registry. They come in the order of the stream, so the last one counts.

    Raises:
        msgspec.MsgspecError: It says nothing of a device.
    """
    device = _decode(delivery.data)
    profile = profiles.get(device.esp_id)
    if profile is None and delivery.type in INTRODUCES:
        profile = profiles.add(device.esp_id, Profile(kaiser_id=device.kaiser_id, generation=device.generation))
    if profile is not None and delivery.type in APPROVAL:
        profiles.learn(profile, approval=APPROVAL[delivery.type])
    if delivery.type == DeviceKeyIssued.TYPE:
        keys.issue(device.esp_id, device.key_id)
    elif delivery.type in VOIDS:
        keys.void(device.esp_id)
