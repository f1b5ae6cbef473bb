"""What a conversion costs: 1,000 readings of mixed families, and each family alone. The bound of issue 3 is 2 ms.

Run: ``python tests/bench/physics.py``. The best of several turns, since other processes only ever add to it.
"""

import random
import time

from kaiser.physics import BUILT_IN

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


def main() -> None:
    chance = random.Random(1)
    each = []
    for family in BUILT_IN:
        convert, count = family.make(), {"ds18b20": 340.0, "sht31_temp": 26_214.0}.get(family.name, 2000.0)
        raw = PHYSICAL.get(family.name, count)
        each.append([(convert, raw, 21.0)] * READINGS)
        print(f"{family.name:<18} {fastest(each[-1]):6.3f} us a reading")
    mixed = [readings[0] for readings in chance.choices(each, k=READINGS)]
    cost = fastest(mixed)
    print(f"{'mixed':<18} {cost:6.3f} us a reading, {cost * READINGS / 1000:.2f} ms for {READINGS:,}")


if __name__ == "__main__":
    main()
