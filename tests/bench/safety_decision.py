"""``python tests/bench/safety_decision.py``: how long safety thinks about a command, with 1,000 actuators in mind."""

import statistics
import time

from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    AtMost,
    DutyCycle,
    Hours,
    InterlockSet,
    Limits,
    LimitsSet,
    OnlyWhile,
    PowerBudget,
    Rule,
    SensorBand,
    SensorRef,
)
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member
from kaiser.safety.contradicting import contradiction
from kaiser.safety.deciding import decide
from kaiser.safety.folding import fold_actuators, fold_member, fold_safety
from kaiser.safety.state import Reading, State
from kaiser.safety.watching import due, look

DEVICES, PER_DEVICE, INTERLOCKS, ROUNDS = 125, 8, 200, 20
SECOND = 1_000_000
NOW = 1_767_100_000 * SECOND
TARGET_US = 100.0

LIMITS = Limits(
    max_on_s=3600,
    min_off_s=30,
    starts_per_hour=60,
    duty_cycle=DutyCycle(0.5, 3600),
    allowed_hours=(Hours("00:00", "23:59"), Hours("22:00", "06:00")),
    time_zone="Europe/Berlin",
    power_w=50,
)


def actuators() -> list[ActuatorRef]:
    return [ActuatorRef(f"ESP_{device:06X}", pin) for device in range(DEVICES) for pin in range(PER_DEVICE)]


def interlock(i: int, refs: list[ActuatorRef]) -> Rule:
    """One of each kind in turn: a group of eight, a chain, a budget of a zone of 40, a band."""
    at = i * 5
    match i % 4:
        case 0:
            return AtMost(4, tuple(refs[at : at + 8]))
        case 1:
            return OnlyWhile(refs[at + 1], refs[at], 60)
        case 2:
            return PowerBudget(f"zone{i // 4 % 25}", 10_000)
        case _:
            return SensorBand(refs[at], SensorRef(refs[at].esp_id, 4, "ds18b20"), 5, 30)


def site() -> tuple[State, list[ActuatorRef]]:
    """Everything known, every tenth actuator on."""
    state, refs, seq = State(), actuators(), 0
    wanted = {pin: WantedActuator(gpio=pin, actuator_type="pwm", name="") for pin in range(PER_DEVICE)}
    for device in range(DEVICES):
        fold_member(
            state,
            Member(
                esp_id=f"ESP_{device:06X}",
                standing="approved",
                zone_confirmed=f"zone{device % 25}",
                actuators=wanted,
                heard_at=NOW - 7200 * SECOND,
            ),
        )
        state.readings[f"ESP_{device:06X}", 4, "ds18b20", ""] = Reading(20.0, NOW)
    for i, ref in enumerate(refs):
        fold_safety(
            state, 2 * i + 1, LimitsSet(at=0, by="", esp_id=ref.esp_id, gpio=ref.gpio, limits=LIMITS, reason="")
        )
        for ago_s, on in ((7000, False), (5000, True), (4000, False), (600, i % 10 == 0)):
            seq += 1
            fold_actuators(state, seq, status(ref, NOW - ago_s * SECOND, on=on))
    for i in range(INTERLOCKS):
        event = InterlockSet(at=0, by="", interlock_id=f"i{i:03}", rule=interlock(i, refs), reason="")
        fold_safety(state, 10**6 + i, event)
    return state, refs


def status(ref: ActuatorRef, at: int, *, on: bool) -> DeviceSaid[ActuatorStatus]:
    message = ActuatorStatus(esp_id=ref.esp_id, ts=0, gpio=ref.gpio, actuator_type="pwm", state=on, pwm=255 * on)
    return DeviceSaid(kaiser_id="", esp_id=ref.esp_id, generation="dec", received_at=at, message=message)


def request(ref: ActuatorRef, seq: int) -> CommandRequested:
    return CommandRequested(
        kaiser_id="",
        esp_id=ref.esp_id,
        gpio=ref.gpio,
        at=NOW,
        command_id=f"c{seq}",
        correlation_id="",
        action="PWM",
        asked="PWM",
        level=0.5,
        duration_s=60,
        source="user",
        by="bench",
        deadline_at=NOW + SECOND,
    )


def line(what: str, times_ns: list[int]) -> float:
    """Print the figures of one kind; gives the median in microseconds, for the p99 is the scheduler's."""
    cuts = statistics.quantiles(times_ns, n=100)
    p50, p99 = cuts[49] / 1000, cuts[98] / 1000
    print(f"{what:<58} p50 {p50:6.1f} µs, p99 {p99:6.1f} µs")
    return p50


def main() -> None:
    state, refs = site()
    decided, folded, looked, rules, seq = [], [], [], {}, 10**7
    for _ in range(ROUNDS):
        for ref in refs:
            seq += 1
            asked = request(ref, seq)
            t0 = time.perf_counter_ns()
            fold_actuators(state, seq, asked)
            t1 = time.perf_counter_ns()
            verdict = decide(state, asked, NOW, lease_until=NOW + 1)
            t2 = time.perf_counter_ns()
            look(state, ref, NOW)
            t3 = time.perf_counter_ns()
            folded.append(t1 - t0)
            decided.append(t2 - t1)
            looked.append(t3 - t2)
            rules[verdict.rule.split()[0]] = rules.get(verdict.rule.split()[0], 0) + 1
    print(f"{len(refs)} actuators, {INTERLOCKS} interlocks, {len(decided)} decisions: {rules}")
    median = line("a decision on a command (target: below 100 µs)", decided)
    line("taking in an event", folded)
    line("a look at one actuator", looked)
    t0 = time.perf_counter()
    due(state, NOW)
    print(f"{'a look at all of them':<58} {(time.perf_counter() - t0) * 1000:6.1f} ms")
    worst = 0.0
    for i in range(INTERLOCKS):
        t0 = time.perf_counter()
        contradiction(state, f"i{i:03}", state.interlocks[f"i{i:03}"])
        worst = max(worst, time.perf_counter() - t0)
    print(f"{'looking for a contradiction, the slowest of all interlocks':<58} {worst * 1000:6.1f} ms")
    assert median < TARGET_US, "a decision takes too long"


if __name__ == "__main__":
    main()
