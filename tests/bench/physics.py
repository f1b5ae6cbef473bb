"""What a conversion costs: each family alone, 1,000 readings of mixed ones, and a raw batch of 1,000 as ingest does it.

Run: ``python tests/bench/physics.py``. Of several turns the best (other processes only ever add to it) and the median.
"""

import random
import statistics
import time

from kaiser.contracts.events.telemetry import RawReadings
from kaiser.ingest import converting
from kaiser.ingest.converting import Standing
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.sensors import Sensors
from kaiser.ingest.window import Window
from kaiser.physics import BUILT_IN, families

READINGS = 1000
TURNS = 50
PHYSICAL = {"dht22_temp": 21.5, "dht22_humidity": 48.0, "co2": 640.0, "light": 800.0, "flow": 60.0}


def fastest(readings) -> float:
    """µs a reading."""
    best = float("inf")
    for _ in range(TURNS):
        start = time.perf_counter()
        for convert, raw, temperature in readings:
            convert(raw, temperature)
        best = min(best, time.perf_counter() - start)
    return best / len(readings) * 1e6


def batch() -> None:
    """A raw batch of 1,000 readings, decoded already: converted, graded and dated."""
    now_us, types = time.time_ns() // 1000, ["ds18b20", "ph", "ec", "moisture", "sht31_temp"]
    devices = [f"ESP_{number // 5:06X}" for number in range(READINGS)]
    raw = RawReadings(
        kaiser_id="god", session="bench", reading_id=list(range(READINGS)), delivery=[1] * READINGS, esp_id=devices,
        gpio=[number % 5 for number in range(READINGS)], sensor_type=[types[number % 5] for number in range(READINGS)],
        address=[""] * READINGS, raw=[400.0 + number for number in range(READINGS)], preview=[25.0] * READINGS,
        quality=["good"] * READINGS, device_ts=[now_us // 1_000_000] * READINGS, seq=[1] * READINGS,
        boot=["b17"] * READINGS, zone_id=["north_tent"] * READINGS, subzone_id=[""] * READINGS,
        received_at=[now_us] * READINGS, flags=[""] * READINGS,
    )  # fmt: skip
    sensors, window = Sensors(families(), SensorDirectory()), Window()
    standings = {esp_id: Standing(pending=False, clock_wrong=False) for esp_id in devices}
    taken = []
    for turn in range(TURNS):
        start = time.perf_counter()
        done = converting.convert(raw, str(turn), sensors, standings, window, {})
        taken.append((time.perf_counter() - start) * 1000)
        assert len(done.batch) == READINGS
    words = f"{min(taken):.2f} ms, median {statistics.median(taken):.2f} ms (target 2 ms)"
    print(f"{'a raw batch':<18} of {READINGS:,} readings, as ingest converts it: {words}")


def main() -> None:
    chance = random.Random(1)
    each = []
    for family in BUILT_IN:
        convert, count = family.make(), {"ds18b20": 340.0, "sht31_temp": 26_214.0}.get(family.name, 2000.0)
        raw = PHYSICAL.get(family.name, count)
        each.append([(convert, raw, 21.0)] * READINGS)
        print(f"{family.name:<18} {fastest(each[-1]):6.3f} us a reading")
    batch()
    mixed = [readings[0] for readings in chance.choices(each, k=READINGS)]
    cost = fastest(mixed)
    print(f"{'mixed':<18} {cost:6.3f} us a reading, {cost * READINGS / 1000:.2f} ms for {READINGS:,}")


if __name__ == "__main__":
    main()
