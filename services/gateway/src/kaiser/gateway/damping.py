"""Devices that come and go all the time: told once, not each time. Pure.

A bad Wi-Fi makes a device lose its broker every few seconds. Clients get the first changes, then one ``flapping``, and
the heartbeats that go on; further changes only once the device has been steady for a while.
"""

from typing import Final, Literal

CHANGES: Final = 6
"""Three losses and three returns."""
WITHIN_US: Final = 300_000_000
STEADY_US: Final = 120_000_000
MOST_DEVICES: Final = 50_000

Verdict = Literal["show", "flapping", "hide"]


class Damper:
    """Remembers the last changes of each device."""

    def __init__(self) -> None:
        self._changes: dict[str, list[int]] = {}
        self._flapping: set[str] = set()

    def change(self, esp_id: str, at: int) -> Verdict:
        """What to do with a loss or a return.

        Args:
            esp_id: Device.
            at: When, unix microseconds.
        """
        if esp_id not in self._changes and len(self._changes) >= MOST_DEVICES:
            self._changes.clear()
            self._flapping.clear()
        changes = self._changes.setdefault(esp_id, [])
        steady = bool(changes) and at - changes[-1] > STEADY_US
        changes.append(at)
        if steady:
            self._flapping.discard(esp_id)
            del changes[:-1]
        del changes[:-CHANGES]
        if esp_id in self._flapping:
            return "hide"
        if len(changes) == CHANGES and at - changes[0] <= WITHIN_US:
            self._flapping.add(esp_id)
            return "flapping"
        return "show"
