"""What may be asked of the registry: the commands of its aggregate, and what they say."""

import msgspec

from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.equipment import ConfigFault, ConfigOutcome, Equipment
from kaiser.contracts.events.registry import Board, ZoneOutcome


class Meet(msgspec.Struct, frozen=True, kw_only=True):
    """A device was heard, in a message that may be its first."""

    kaiser_id: str
    esp_id: str
    generation: Generation
    at: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every command of a person says.

    Attributes:
        known_seq: Sequence of the last event of the registry that the person has seen; None for whatever is there.
    """

    esp_id: str
    at: int
    by: str
    correlation_id: str = ""
    known_seq: int | None = None


class Approve(Order, frozen=True, kw_only=True):
    """Let a device take part, with a key of its own; a name may come with it."""

    key_id: str
    digest: str
    name: str | None = None


class Reject(Order, frozen=True, kw_only=True):
    """Keep a device out."""

    reason: str


class Rename(Order, frozen=True, kw_only=True):
    """Call a device by another name."""

    name: str


class SetBoard(Order, frozen=True, kw_only=True):
    """Say which board a device is."""

    board: Board


class Describe(Order, frozen=True, kw_only=True):
    """Say what a device is beyond its board; None leaves it as it is."""

    firmware_version: str | None = None
    mac_address: str | None = None


class Retire(Order, frozen=True, kw_only=True):
    """Take a device out of use."""

    reason: str


class RotateKey(Order, frozen=True, kw_only=True):
    """Give a device another key."""

    key_id: str
    digest: str


class AssignZone(Order, frozen=True, kw_only=True):
    """Put a device into a zone."""

    zone_id: str
    zone_name: str = ""
    master_zone_id: str = ""
    into_kaiser_id: str | None = None
    zone_master: bool = False


class SettleZone(Order, frozen=True, kw_only=True):
    """Note what came of the order with the same correlation id."""

    outcome: ZoneOutcome
    detail: str = ""


class OrderSubzone(Order, frozen=True, kw_only=True):
    """Make pins a subzone; none dissolves it. ``again`` where the device has forgotten what it confirmed."""

    subzone_id: str
    subzone_name: str = ""
    gpios: list[int]
    again: bool = False


class SettleSubzone(Order, frozen=True, kw_only=True):
    """Note what came of the order with the same correlation id."""

    subzone_id: str
    outcome: ZoneOutcome
    detail: str = ""


class Configure(Order, frozen=True, kw_only=True):
    """Have this equipment on a device and no other."""

    wanted: Equipment


class LapseConfig(Order, frozen=True, kw_only=True):
    """Note that a device cannot have its equipment any more, so that it is told again."""

    detail: str


class SettleConfig(Order, frozen=True, kw_only=True):
    """Note what came of the telling with the same correlation id."""

    outcome: ConfigOutcome
    faults: list[ConfigFault] = []
    until_restart: list[int] = []


class NoteHearing(Order, frozen=True, kw_only=True):
    """Note that a device hears, or that it does not."""

    hears: bool
    detail: str


Command = (
    Meet
    | Approve
    | Reject
    | Rename
    | SetBoard
    | Describe
    | Retire
    | RotateKey
    | AssignZone
    | SettleZone
    | OrderSubzone
    | SettleSubzone
    | Configure
    | LapseConfig
    | SettleConfig
    | NoteHearing
)
