"""When the next transaction begins. Pure.

A transaction costs PostgreSQL about as much for one reading of a sensor as for ten, since both rollups and the latest
value are written once either way: 40 µs a reading with 80 readings in a transaction, 17 µs with 1,000 (1,000 sensors,
``tests/bench/recorder.py``). On an idle machine transactions follow each other closely and stay small, so at 20,000
readings/s they took 0.75 of a core that Mosquitto, NATS and the bridge want. So the busier it is, the longer a
transaction waits for company, by the square of the rate, because CPU is short only near the top: 2.5 ms at 5,000
readings/s, 10 ms at 10,000, 40 ms at 20,000, where that is 20 µs a reading instead of 37. A quiet fleet never waits, as
the pause has passed before the next reading comes; and a backlog never does, as its transactions are full.
"""

from typing import Final

PAUSE_S_PER_RATE_SQUARED: Final = 1e-10
LONGEST_S: Final = 0.05
ENOUGH: Final = 1000
"""Readings in a transaction that make waiting pointless."""
MEMORY_S: Final = 0.5
"""What was longer ago than this hardly counts for the rate."""


class Pace:
    """Readings a second, and what follows from it."""

    __slots__ = ("_ended_at", "rate")

    def __init__(self) -> None:
        self.rate = 0.0
        self._ended_at = 0.0

    def pause_s(self, readings: int, took_s: float, ended_at: float, *, more: bool) -> float:
        """How long to leave the database alone after a transaction.

        Args:
            readings: Readings in it.
            took_s: Seconds that it took.
            ended_at: When it was committed, seconds of a monotonic clock.
            more: Whether the log holds readings that were not fetched yet.
        """
        elapsed = max(ended_at - self._ended_at, 1e-6)
        self._ended_at = ended_at
        self.rate += (readings / elapsed - self.rate) * min(1.0, elapsed / MEMORY_S)
        if more or readings >= ENOUGH:
            return 0.0
        return max(0.0, min(LONGEST_S, self.rate**2 * PAUSE_S_PER_RATE_SQUARED) - took_s)
