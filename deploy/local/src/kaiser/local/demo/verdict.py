"""What was sent against what is stored, reading by reading."""

from collections import Counter
from collections.abc import Iterable

import msgspec


class ReadingContent(msgspec.Struct, frozen=True, array_like=True):
    """What makes two readings the same for the person who compares: everything the device said of it.

    Attributes:
        esp_id: The device.
        gpio: Its pin.
        sensor_type: Type of the sensor, as stored.
        address: Address of the probe on the pin; empty without one.
        device_ts: The device's own time, in its own unit.
        raw: The value that was sent.
    """

    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    device_ts: int
    raw: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison's outcome.

    Attributes:
        sent: Readings that the devices sent.
        stored: Readings that are stored.
        lost: Sent and not stored, each as often as it is missing.
        doubled: Stored more often than sent; but a reading that is stored once and was never confirmed to its device,
            which was stopped while the broker answered, is no second copy of anything.
    """

    sent: int
    stored: int
    lost: tuple[ReadingContent, ...]
    doubled: tuple[ReadingContent, ...]

    @property
    def clean(self) -> bool:
        """Whether every reading is stored exactly once."""
        return not self.lost and not self.doubled


def compare(sent: Iterable[ReadingContent], stored: Iterable[ReadingContent]) -> Verdict:
    """Compare by content; two readings of equal content must be there twice."""
    was_sent, is_stored = Counter(sent), Counter(stored)
    return Verdict(
        sent=was_sent.total(),
        stored=is_stored.total(),
        lost=tuple((was_sent - is_stored).elements()),
        doubled=tuple((is_stored - (was_sent | Counter(set(is_stored)))).elements()),
    )
