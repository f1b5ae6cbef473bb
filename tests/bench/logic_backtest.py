"""``python tests/bench/logic_backtest.py``: what rules cost, on a month of one greenhouse and live.

A month is 20 sensors each minute, 864,000 readings, in the batches in which the bridge gathers them when it is quiet:
one a reading, from JSON. Times are those of the processor, so that others on the machine do not count.
"""

import random
import time
from collections.abc import Iterator

import msgspec

from kaiser.contracts.events.logic import RuleDefined, RuleEnabled
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.rules import (
    AllOf,
    Command,
    Compare,
    Condition,
    DuringHours,
    Hysteresis,
    Not,
    Place,
    Rule,
    Sun,
    Sustained,
    Window,
)
from kaiser.logic.backtest import Trial, backtest, what_if
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Message
from kaiser.logic.past.gathering import readings_of
from kaiser.logic.past.watching import Watch, watch_of

SECOND = 1_000_000
START = 1_775_001_600 * SECOND
MINUTES = 30 * 24 * 60
SENSORS = 20


def batch(esp_id: str, gpio: int, value: float, at: int, number: int) -> Readings:
    """One reading."""
    return Readings(
        kaiser_id="god", reading_id=[number], sensor_id=[gpio], esp_id=[esp_id], gpio=[gpio], sensor_type=["moisture"],
        address=[""], raw=[value], value=[value], unit=["%"], quality=["good"], measured_at=[at - 400_000],
        time_source=["device"], device_ts=[0], received_at=[at], zone_id=["north"], subzone_id=[""], pending=[False],
        flags=[""],
    )  # fmt: skip


def month(minutes: int = MINUTES) -> Iterator[bytes]:
    """Encoded batches, sensor after sensor, minute after minute."""
    chance = random.Random(4711)
    levels = [50.0] * SENSORS
    for minute in range(minutes):
        for sensor in range(SENSORS):
            levels[sensor] += chance.gauss(0, 1.5) + (50 - levels[sensor]) * 0.01
            at = START + (minute * 60 + sensor * 3) * SECOND
            number = minute * SENSORS + sensor + 1
            yield msgspec.json.encode(batch("ESP_0A1B2C", sensor, round(levels[sensor], 2), at, number))


def messages(encoded: list[bytes], watch: Watch) -> Iterator[Message]:
    """What a reader of the stream makes of them."""
    for seq, body in enumerate(encoded, start=1):
        readings = readings_of(body, watch)
        if readings is not None:
            yield Message(readings.received_at[0], "TELEMETRY", seq, readings)


def watering(below: float) -> Rule:
    """Irrigation with hysteresis, a rain lock-out, daylight and a mean over a day."""
    soil, rain = SensorRef("ESP_0A1B2C", 0, "moisture"), SensorRef("ESP_0A1B2C", 1, "moisture")
    return Rule(
        name="Water",
        condition=AllOf(
            conditions=(
                Hysteresis(sensor=soil, on_below=below, off_above=60.0),
                Not(condition=Sustained(condition=Compare(sensor=rain, operator=">", value=70.0), for_s=300)),
                Sun(phase="day"),
                Window(sensor=soil, aggregate="mean", over_s=86_400, operator="<", value=55.0),
            )
        ),
        actions=(Command(actuator=ActuatorRef("ESP_0A1B2C", 25), command="ON"),),
        otherwise=(Command(actuator=ActuatorRef("ESP_0A1B2C", 25), command="OFF"),),
        place=Place(52.5, 13.4),
        time_zone="Europe/Berlin",
    )


def thousand(condition_of: "type[Compare]" = Compare) -> Engine:
    """An engine with 1,000 enabled rules over 1,000 sensors."""
    engine = Engine()
    for i in range(1000):
        condition: Condition = condition_of(
            sensor=SensorRef(f"ESP_{i // 20:06X}", i % 20, "moisture"), operator=">", value=90.0
        )
        if i % 2:
            condition = AllOf(conditions=(condition, DuringHours(start="06:00", end="20:00")))
        command = Command(actuator=ActuatorRef(f"ESP_{i // 20:06X}", 25), command="ON", wait=False)
        rule = Rule(name=f"Rule {i}", condition=condition, actions=(command,))
        about = {"rule_id": f"rule-{i}", "at": START, "by": "bench", "version": 1}
        engine.take("LOGIC", 2 * i + 1, START - 10_000 + 2 * i, RuleDefined(rule=rule, **about))
        engine.take("LOGIC", 2 * i + 2, START - 9_999 + 2 * i, RuleEnabled(**about))
    return engine


def per_reading(engine: Engine, *, concerned: bool) -> float:
    """Microseconds a reading costs beyond decoding."""
    gpio = 0 if concerned else 40
    batches = [
        batch(f"ESP_{i % 50:06X}", gpio + i // 50 % 20, float(i % 80), engine.clock + (i + 1) * 100, i + 1)
        for i in range(100_000)
    ]
    took = time.process_time()
    for i, each in enumerate(batches):
        engine.take("TELEMETRY", i, each.received_at[0], each)
    return (time.process_time() - took) * 10


def main() -> None:
    """Print the figures."""
    encoded = list(month())
    end = START + MINUTES * 60 * SECOND
    watch = watch_of([watering(40.0)])
    took = time.process_time()
    report = backtest({"water": (1, watering(40.0))}, "water", messages(encoded, watch), start=START, end=end)
    took = time.process_time() - took
    print(f"backtest of a month, {len(encoded)} readings: {took:.1f} s (target 10 s), {report.run_count} runs")
    before = Trial({"water": (1, watering(40.0))}, "water", start=START, end=end)
    after = Trial({"water": (2, watering(41.0))}, "water", start=START, end=end)
    took = time.process_time()
    diff = what_if(before, after, messages(encoded, watch))
    took = time.process_time() - took
    print(f"two versions side by side: {took:.1f} s (target 10 s), {diff.changed} commands differ")
    engine = thousand()
    print(
        f"1,000 rules: {per_reading(engine, concerned=True):.2f} us a reading that one of them watches (target 10 us)"
    )
    print(f"1,000 rules: {per_reading(engine, concerned=False):.2f} us a reading that none watches (target 2 us)")


if __name__ == "__main__":
    main()
