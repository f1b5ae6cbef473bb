"""All that the engine knows, written down and read back."""

import copy

import msgspec

from kaiser.contracts.events.safeguards import Scope
from kaiser.logic.conditions import ConditionError
from kaiser.logic.core import Core, Timer
from kaiser.logic.live import LiveRule
from kaiser.logic.series import Series, SeriesKey
from kaiser.logic.state import Claim, Damping, Definition, RuleState, Run, Switched
from kaiser.logic.world import Presence, Shadow

FORMAT = 1


class SeriesState(msgspec.Struct, array_like=True):
    """A series."""

    key: SeriesKey
    at: int
    reading_id: int
    value: float | None
    rank: int
    seq: int
    horizon: int
    times: list[int]
    values: list[float]
    ids: list[int]


class Kept(msgspec.Struct, array_like=True):
    """What is kept about an actuator."""

    esp_id: str
    gpio: int
    shadow: Shadow | None
    claim: Claim | None
    history: list[Switched]
    damped: dict[str, Damping]


class Snapshot(msgspec.Struct, kw_only=True):
    """All of it.

    Attributes:
        format: Of the snapshot; another one is not read.
    """

    format: int
    clock: int
    n: int
    held: bool
    timers: list[Timer]
    series: list[SeriesState]
    devices: dict[str, Presence]
    actuators: list[Kept]
    latches: dict[str, Scope]
    definitions: dict[str, Definition]
    rules: list[RuleState]
    runs: list[Run]
    commands: dict[str, tuple[str, int]]
    ready: list[tuple[str, int]]
    alarms: list[tuple[str, str]]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Snapshot)


def write(core: Core) -> bytes:
    """A snapshot of it."""
    claims, world = core.claims, core.world
    keys = sorted({*world.actuators, *claims.held, *claims.history, *claims.damped})
    return _encoder.encode(
        Snapshot(
            format=FORMAT,
            clock=core.clock,
            n=core.n,
            held=core.held,
            timers=sorted(set(core.timers)),
            series=[_series(world.series[key]) for key in sorted(world.series)],
            devices=world.devices,
            actuators=[
                Kept(
                    *key,
                    world.actuators.get(key),
                    claims.held.get(key),
                    claims.history.get(key, []),
                    claims.damped.get(key, {}),
                )
                for key in keys
            ],
            latches=world.latches,
            definitions=core.definitions,
            rules=[rule.state for rule in core.order],
            runs=[run for rule in core.order for run in rule.runs],
            commands=core.commands,
            ready=core.ready,
            alarms=sorted(core.alarms),
        )
    )


def read(snapshot: bytes, core: Core) -> None:
    """Let an empty core know what a snapshot says.

    Raises:
        msgspec.ValidationError: It is none of this release.
    """
    kept = _decoder.decode(snapshot)
    if kept.format != FORMAT:
        raise msgspec.ValidationError(f"format {kept.format} instead of {FORMAT}")
    core.clock, core.moment, core.n, core.held = kept.clock, kept.clock, kept.n, kept.held
    core.timers, core.definitions, core.commands, core.ready = kept.timers, kept.definitions, kept.commands, kept.ready
    core.alarms = set(kept.alarms)
    world = core.world
    world.devices, world.latches = kept.devices, kept.latches
    world.series = {state.key: _restored(state) for state in kept.series}
    for each in kept.actuators:
        _put(each, core)
    for state in kept.rules:
        _revive(state, [run for run in kept.runs if run.rule_id == state.rule_id], core)
    core.leaving = [rule for rule in core.rules.values() if rule.state.leaving]


def _revive(state: RuleState, runs: list[Run], core: Core) -> None:
    """A rule as it was; what it remembers is begun anew where a plug-in of another release remembers otherwise."""
    version = core.definitions[state.rule_id].versions[state.version]
    try:
        rule = LiveRule(state.rule_id, state.version, version, core.world, core.plugins)
    except ConditionError as error:
        # A plug-in is gone. The others must go on.
        core.broken[state.rule_id] = f"{error.where}: {error}"
        core.definitions[state.rule_id].number = state.number
        return
    remembering: list[RuleState | Run] = [state, *runs]
    for each in remembering:
        if len(each.memory) != len(rule.initial):
            each.memory = copy.deepcopy(rule.initial)
    rule.state, rule.runs = state, runs
    core.rules[state.rule_id] = rule


def _put(kept: Kept, core: Core) -> None:
    key = (kept.esp_id, kept.gpio)
    if kept.shadow is not None:
        core.world.actuators[key] = kept.shadow
    if kept.claim is not None:
        core.claims.held[key] = kept.claim
    if kept.history:
        core.claims.history[key] = kept.history
    if kept.damped:
        core.claims.damped[key] = kept.damped


def _series(series: Series) -> SeriesState:
    return SeriesState(
        series.key,
        series.at,
        series.reading_id,
        series.value,
        series.rank,
        series.seq,
        series.horizon,
        series.times,
        series.values,
        series.ids,
    )


def _restored(state: SeriesState) -> Series:
    series = Series(state.key)
    series.at, series.reading_id, series.value = state.at, state.reading_id, state.value
    series.rank, series.seq, series.horizon = state.rank, state.seq, state.horizon
    series.times, series.values, series.ids = state.times, state.values, state.ids
    return series
