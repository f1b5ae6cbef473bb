"""What the bridge knows of each device: enough to answer a heartbeat and to address a message, and no more.

A cache, not a truth: it is fed by messages and by events, kept on disk so that heartbeats are answered while NATS is
away, and can be lost without harm (a device is then discovered once more).
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from kaiser.contracts.events.device import Generation

Approval = Literal["pending", "approved", "rejected"]

_PLACE: Final = frozenset({"kaiser_id", "generation"})
"""What decides under which kaiser ids ``head`` devices are."""


class Profile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One device.

    Attributes:
        kaiser_id: Kaiser id of the topic that it used last; messages to it go there.
        generation: Firmware generation; ``dec`` until a message proves otherwise, never back.
        approval: What the registry decided last.
        boot: Boot that its sequence numbers belong to, from its last heartbeat.
        announced_epoch: Handover epoch of its last session announce; 0 where none came.
        lost_at: When its last will came, unix microseconds; 0 while it is there.
    """

    kaiser_id: str
    generation: Generation = "dec"
    approval: Approval = "pending"
    boot: str = ""
    announced_epoch: int = 0
    lost_at: int = 0


class Profiles:
    """All devices, by id.

    Attributes:
        changed: Whether something changed that is worth writing to disk.
    """

    def __init__(self, by_id: dict[str, Profile] | None = None) -> None:
        self._by_id = by_id or {}
        self._kaiser_ids: frozenset[str] | None = None
        self.changed = False

    def __len__(self) -> int:
        """How many devices are known."""
        return len(self._by_id)

    def get(self, esp_id: str) -> Profile | None:
        """What is known of a device; None for one that was never heard."""
        return self._by_id.get(esp_id)

    def add(self, esp_id: str, profile: Profile) -> Profile:
        """Take in a device that was never heard before."""
        self._by_id[esp_id] = profile
        self._kaiser_ids = None
        self.changed = True
        return profile

    def learn(self, profile: Profile, **facts: str | int) -> None:
        """Take in facts about a device; marks the cache changed only if one differs."""
        for name, fact in facts.items():
            if getattr(profile, name) != fact:
                setattr(profile, name, fact)
                self.changed = True
                if name in _PLACE:
                    self._kaiser_ids = None

    def kaiser_ids(self) -> frozenset[str]:
        """Kaiser ids in use by ``head`` devices, each of which wants a ``server/status`` of its own (section 5.8)."""
        if self._kaiser_ids is None:
            heads = (profile for profile in self._by_id.values() if profile.generation == "head")
            self._kaiser_ids = frozenset(profile.kaiser_id for profile in heads if profile.kaiser_id)
        return self._kaiser_ids

    def encode(self) -> bytes:
        """The cache as JSON, and no longer changed."""
        self.changed = False
        return msgspec.json.encode(self._by_id)


def load(path: Path) -> Profiles:
    """The cache as it was written last; empty where there is none or it cannot be read."""
    try:
        return Profiles(msgspec.json.decode(path.read_bytes(), type=dict[str, Profile]))
    except (OSError, msgspec.DecodeError):
        return Profiles()


def save(path: Path, encoded: bytes) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(encoded)
    beside.replace(path)
