"""Each kind of condition: when it is true, when it is not known, and what it says that it saw."""

import itertools
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.events.device import DeviceDiscovered
from kaiser.contracts.events.logic import RunStarted, Seen
from kaiser.contracts.events.safeguards import AlertRaised, EmergencyReleased, EmergencyRequested, Scope, SensorRef
from kaiser.contracts.rules import (
    ActuatorIs,
    AllOf,
    AnyOf,
    AtLeast,
    Compare,
    CronMatches,
    DeviceIs,
    Difference,
    DuringHours,
    EmergencyActive,
    Happened,
    Hysteresis,
    Not,
    Place,
    Plugin,
    QualityAtLeast,
    RateOfChange,
    RuleRan,
    Silent,
    Sun,
    Sustained,
    Watched,
    Window,
)
from kaiser.logic.conditions import EVALUATORS, Look, Needs, build
from kaiser.logic.conditions.plugin import GROUP, PluginError, plugins
from kaiser.logic.engine import Engine
from kaiser.logic.validating import Site as Places
from kaiser.logic.validating import check
from kaiser.logic.world import World

from .builders import (
    AIR,
    ESP,
    HOUR,
    MINUTE,
    NOON,
    OFF,
    PUMP,
    SECOND,
    SOIL,
    Site,
    above,
    below,
    heartbeat,
    last_will,
    rule,
)


def watching(condition, **fields) -> Site:
    site = Site(engine=Engine(PLUGINS))
    site.define(rule(condition, **fields))
    return site


class Always:
    def __init__(self, truth):
        self._truth = truth

    def truth(self, _):
        return self._truth

    def seen(self, _):
        return Seen(kind="plugin", truth=self._truth)


PLUGINS = {"always": lambda condition, _, __: Always(condition.parameters["truth"])}


def always(truth):
    return Plugin(name="always", parameters={"truth": truth})


def test_there_is_an_evaluator_for_every_kind() -> None:
    from kaiser.contracts.rules import Condition

    assert set(EVALUATORS) == set(Condition.__args__)


@pytest.mark.parametrize(
    ("operator", "numbers", "true", "false"),
    [
        (">", {"value": 5.0}, (5.1,), (5.0, 4.0)),
        (">=", {"value": 5.0}, (5.0,), (4.9,)),
        ("<", {"value": 0.0}, (-0.1,), (0.0, 1.0)),
        ("<=", {"value": 0.0}, (0.0,), (0.1,)),
        ("==", {"value": 0.0}, (0.0,), (0.1,)),
        ("!=", {"value": 0.0}, (0.1,), (0.0,)),
        ("between", {"low": 1.0, "high": 2.0}, (1.0, 1.5, 2.0), (0.9, 2.1)),
        ("outside", {"low": 1.0, "high": 2.0}, (0.9, 2.1), (1.0, 2.0)),
    ],
)
def test_a_value_is_compared(operator, numbers, true, false) -> None:
    site = watching(Compare(sensor=SOIL, operator=operator, **numbers))
    for value, expected in [*((each, True) for each in true), *((each, False) for each in false)]:
        site.measures(value)
        assert site.truth() is expected, value


def test_without_a_reading_with_a_bad_one_or_an_old_one_nothing_is_known() -> None:
    site = watching(below(30.0, fresh_s=60))
    assert site.truth() is None
    site.measures(20.0, quality="suspect")
    site.measures(None, quality="error")
    assert site.truth() is None
    site.measures(20.0)
    assert site.truth() is True
    site.measures(90.0, quality="bad")  # a bad reading is none, and the one before it still counts
    assert site.truth() is True
    site.passes(58 * SECOND)
    assert site.truth() is True
    site.passes(SECOND)
    assert site.truth() is None


def test_readings_of_devices_that_nobody_approved_do_not_count() -> None:
    site = watching(below(30.0))
    site.measures(20.0, pending=True)
    assert site.truth() is None


def test_an_address_tells_sensors_of_one_type_apart() -> None:
    site = watching(below(30.0, SensorRef(ESP, 34, "moisture", "28ff")))
    site.measures(20.0, address="28ee")
    assert site.truth() is None
    site.measures(20.0, address="28ff")
    assert site.truth() is True


def test_an_old_reading_that_comes_late_never_becomes_the_latest() -> None:
    site = watching(below(30.0))
    site.measures(40.0)
    site.measures(20.0, measured_at=site.now - 30 * SECOND)
    assert site.truth() is False


def test_a_reading_that_is_old_when_it_comes_says_nothing_of_now() -> None:
    site = watching(below(30.0, fresh_s=300))
    site.measures(20.0, measured_at=site.now - 6 * 3600 * SECOND)
    assert site.truth() is None


def test_a_clock_that_is_fast_does_not_reach_into_the_future() -> None:
    site = watching(below(30.0, fresh_s=60))
    site.measures(20.0, measured_at=site.now + 240 * SECOND)
    site.passes(61 * SECOND)
    assert site.truth() is None
    site.measures(40.0)  # with the clock set right again, what it says is news
    assert site.truth() is False


def test_hysteresis_stays_what_it_is_within_its_band() -> None:
    site = watching(Hysteresis(sensor=SOIL, on_below=30.0, off_above=45.0))
    found = []
    for value in (40.0, 29.0, 40.0, 45.0, 46.0, 31.0, 29.9):
        site.measures(value)
        found.append(site.truth())
    assert found == [False, True, True, True, False, False, True]


@given(st.lists(st.floats(30.0, 45.0), max_size=20), st.sampled_from([20.0, 50.0]))
def test_hysteresis_never_chatters_within_its_band(values, first) -> None:
    site = watching(Hysteresis(sensor=SOIL, on_above=45.0, off_below=30.0))
    site.measures(first)
    before = site.truth()
    for value in values:
        site.measures(value)
        assert site.truth() is before


def test_what_is_sustained_counts_from_the_reading_that_made_it_so_and_starts_anew_after_a_break() -> None:
    site = watching(Sustained(condition=below(30.0), for_s=60))
    site.measures(20.0, measured_at=site.now + SECOND - 10 * SECOND)
    site.passes(49 * SECOND)
    assert site.truth() is False
    site.passes(SECOND)
    assert site.truth() is True
    site.measures(40.0)
    site.measures(20.0)
    site.passes(59 * SECOND)
    assert site.truth() is False
    site.passes(SECOND)
    assert site.truth() is True


def test_a_rate_is_that_from_the_first_to_the_last_reading_of_its_span() -> None:
    site = watching(RateOfChange(sensor=SOIL, operator=">", value=5.0, over_s=600, per_s=3600, quality="poor"))
    site.measures(20.0)
    site.passes(4 * MINUTE)
    site.measures(21.0)
    assert site.truth() is None  # the two are too close together for a span of ten minutes
    site.passes(2 * MINUTE)
    site.measures(21.0)
    assert site.truth() is True  # one in six minutes is ten an hour
    site.passes(4 * MINUTE)
    assert site.truth() is None  # the first has left the span, and the others are too close together


@pytest.mark.parametrize(
    ("aggregate", "value"), [("mean", 20.0), ("min", 10.0), ("max", 30.0), ("count", 3.0), ("range", 20.0)]
)
def test_a_window_takes_readings_together(aggregate, value) -> None:
    site = watching(Window(sensor=SOIL, aggregate=aggregate, over_s=600, operator="==", value=value))
    for each in (10.0, 30.0, 20.0):
        site.measures(each)
    assert site.truth() is True


def test_a_window_lets_readings_go_when_their_time_is_over() -> None:
    site = watching(Window(sensor=SOIL, aggregate="max", over_s=60, operator=">", value=25.0))
    site.measures(30.0)
    site.passes(30 * SECOND)
    site.measures(20.0)
    assert site.truth() is True
    site.passes(29 * SECOND)
    assert site.truth() is False
    site.passes(31 * SECOND)
    assert site.truth() is None


def test_with_too_few_readings_a_window_is_not_known_and_a_count_is() -> None:
    site = watching(Window(sensor=SOIL, aggregate="mean", over_s=60, at_least=2, operator=">", value=25.0))
    site.measures(30.0)
    assert site.truth() is None
    site = watching(Window(sensor=SOIL, aggregate="count", over_s=60, operator="<", value=1.0))
    assert site.truth() is True


def test_a_late_reading_goes_into_its_place_in_a_window_if_it_is_not_too_late() -> None:
    site = watching(
        Window(sensor=SOIL, aggregate="max", over_s=600, operator=">", value=25.0), lateness_s=60, when_broken="leave"
    )
    site.measures(20.0)
    site.measures(30.0, measured_at=site.now - 90 * SECOND)
    assert site.truth() is False
    site.measures(30.0, measured_at=site.now - 30 * SECOND, reading_id=7)
    assert site.truth() is True
    taken = site.engine.core.rules["r"].needs.world.series
    (series,) = taken.values()
    site.measures(30.0, measured_at=site.now - 31 * SECOND, reading_id=7)  # the same one, delivered again
    assert series.values == [30.0, 20.0]


def test_a_difference_needs_both_sides_fresh() -> None:
    condition = Difference(left=Watched(sensor=AIR), right=Watched(sensor=SOIL, fresh_s=60), operator=">", value=5.0)
    site = watching(condition)
    site.measures(30.0, AIR)
    assert site.truth() is None
    site.measures(20.0, SOIL)
    assert site.truth() is True
    site.passes(60 * SECOND)
    assert site.truth() is None


def test_the_size_of_a_difference_has_no_sign() -> None:
    sides = {"left": Watched(sensor=AIR), "right": Watched(sensor=SOIL)}
    site = watching(Difference(**sides, operator=">", value=5.0, absolute=True))
    site.measures(10.0, AIR)
    site.measures(20.0, SOIL)
    assert site.truth() is True


def test_silence_counts_from_the_last_reading_or_from_the_beginning() -> None:
    site = watching(Silent(sensor=SOIL, for_s=60))
    site.passes(59 * SECOND)
    assert site.truth() is False
    site.passes(SECOND)
    assert site.truth() is True
    site.measures(20.0)
    assert site.truth() is False
    site.measures(20.0, quality="error")
    site.passes(59 * SECOND)
    assert site.truth() is True


def test_the_grade_of_the_latest_reading() -> None:
    site = watching(QualityAtLeast(sensor=SOIL, at_least="good"))
    site.measures(20.0, quality="excellent")
    assert site.truth() is True
    site.measures(20.0, quality="suspect")
    assert site.truth() is False


def test_a_device_is_there_while_it_is_heard_and_until_it_is_lost() -> None:
    site = watching(DeviceIs(esp_id=ESP, state="offline", for_s=120))
    assert site.truth() is None
    site.happens(heartbeat(ESP, site.now), "HEARTBEATS")
    assert site.truth() is False
    site.now += SECOND
    site.happens(last_will(ESP, site.now), "DEVICES")
    site.passes(119 * SECOND)
    assert site.truth() is False
    site.passes(SECOND)
    assert site.truth() is True
    site.now += SECOND
    site.happens(heartbeat(ESP, site.now), "HEARTBEATS")
    assert site.truth() is False


def test_an_actuator_is_what_it_reported_for_as_long_as_it_has() -> None:
    site = watching(ActuatorIs(actuator=PUMP, state="on", for_s=60))
    assert site.truth() is None
    site.reports(0.5)
    site.passes(30 * SECOND)
    site.reports(1.0)  # another level is still on
    site.passes(29 * SECOND)
    assert site.truth() is True
    site.reports(0.0)
    assert site.truth() is False
    site.reports(None)
    assert site.truth() is None


def test_an_actuator_is_at_least_at_a_level() -> None:
    site = watching(ActuatorIs(actuator=PUMP, state="at_least", level=0.5))
    site.reports(0.4)
    assert site.truth() is False
    site.reports(0.6)
    assert site.truth() is True


def test_hours_begin_and_end_though_nothing_comes() -> None:
    site = watching(DuringHours(start="14:30", end="15:00", time_zone="Europe/Berlin"))  # 12:30 UTC
    assert site.truth() is False
    site.passes(30 * MINUTE)
    assert site.truth() is True
    site.passes(30 * MINUTE)
    assert site.truth() is False


def test_a_cron_condition_holds_for_its_minute() -> None:
    site = watching(CronMatches(expression="5 12 * * *"))
    site.passes(5 * MINUTE)
    assert site.truth() is True
    site.passes(MINUTE)
    assert site.truth() is False


def test_day_and_night_go_by_the_sun_at_a_place() -> None:
    site = watching(Sun(phase="night"), place=Place(52.5, 13.4))
    assert site.truth() is False
    site.passes(7 * 60 * MINUTE)  # 19:00 UTC, after sunset at 18:27
    assert site.truth() is True


def test_an_event_holds_for_a_while() -> None:
    site = watching(Happened(event="alert", esp_id=ESP, alert="hardware_error", within_s=60))
    alert = {"at": 0, "by": "kaiser", "alert_id": "a", "kaiser_id": "god", "gpio": 25, "severity": "error"}
    site.happens(AlertRaised(esp_id=ESP, kind="runtime_protection", **alert), "SAFETY")
    assert site.truth() is False
    site.now += SECOND
    site.happens(AlertRaised(esp_id=ESP, kind="hardware_error", **alert), "SAFETY")
    assert site.truth() is True
    site.passes(60 * SECOND)
    assert site.truth() is False


def test_a_discovered_device_is_an_event() -> None:
    site = watching(Happened(event="discovered"))
    site.happens(DeviceDiscovered(kaiser_id="god", esp_id=ESP, generation="dec", received_at=site.now), "DEVICES")
    assert site.truth() is True


def test_an_emergency_stop_holds_until_it_is_released() -> None:
    site = watching(AnyOf(conditions=(EmergencyActive(zone_id="north"), EmergencyActive(esp_id="ESP_000001"))))
    stop = {"at": 0, "by": "a", "emergency_id": "e", "scope": Scope(kind="zone", zone_id="north"), "reason": "leak"}
    assert site.truth() is False
    site.happens(EmergencyRequested(**stop), "SAFETY")
    assert site.truth() is True
    site.now += 1
    site.happens(EmergencyReleased(**stop), "SAFETY")
    assert site.truth() is False


def test_a_run_of_another_rule_is_an_event() -> None:
    site = watching(RuleRan(rule="other", what="succeeded", within_s=60))
    site.define(rule(above(50.0)), "other")
    site.measures(60.0)
    assert site.truth() is True
    site.passes(61 * SECOND)
    assert site.truth() is False


KLEENE = (True, False, None)


@pytest.mark.parametrize(("left", "right"), list(itertools.product(KLEENE, KLEENE)))
def test_compound_conditions_follow_kleene(left, right) -> None:
    parts = (always(left), always(right))
    both = False if False in (left, right) else None if None in (left, right) else True
    either = True if True in (left, right) else None if None in (left, right) else False
    assert watching(AllOf(conditions=parts)).truth() is both
    assert watching(AnyOf(conditions=parts)).truth() is either
    assert watching(Not(condition=parts[0])).truth() is (None if left is None else not left)


trees = st.recursive(
    st.sampled_from([always(True), always(False), always(None)]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(conditions=tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(conditions=tuple(parts))),
        inner.map(lambda part: Not(condition=part)),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: AtLeast(count=2, conditions=tuple(parts))),
    ),
    max_leaves=12,
)


def possible(tree, guess):
    """What a tree is when each leaf that is not known is taken to be ``guess`` in turn."""
    match tree:
        case Plugin(parameters=parameters):
            return next(guess) if parameters["truth"] is None else parameters["truth"]
        case AllOf(conditions=parts):
            return all(tuple(possible(part, guess) for part in parts))
        case AnyOf(conditions=parts):
            return any(tuple(possible(part, guess) for part in parts))
        case Not(condition=part):
            return not possible(part, guess)
        case AtLeast(count=count, conditions=parts):
            return sum([possible(part, guess) for part in parts]) >= count
    raise AssertionError


def unknown_leaves(tree):
    if isinstance(tree, Plugin):
        return int(tree.parameters["truth"] is None)
    return sum(unknown_leaves(part) for part in getattr(tree, "conditions", None) or (tree.condition,))


@given(trees)
def test_a_compound_tree_equals_its_truth_table(tree) -> None:
    truth = build(tree, Needs(World(), plugins=PLUGINS)).truth(Look(NOON, []))
    leaves = unknown_leaves(tree)
    if not leaves:
        assert truth is possible(tree, iter(()))
    elif truth is not None and leaves <= 6:  # what is known must be so whatever the unknown turns out to be
        for guesses in itertools.product((True, False), repeat=leaves):
            assert possible(tree, iter(guesses)) is truth


def test_what_a_tree_saw_has_values_times_and_sequences() -> None:
    site = watching(AllOf(conditions=(below(30.0), Not(condition=above(35.0, AIR)))))
    site.measures(25.0)
    site.measures(20.0, AIR)
    seen = site.engine.explain("r").seen
    assert seen is not None
    soil, air = seen.parts[0], seen.parts[1].parts[0]
    assert (soil.value, soil.against, soil.truth, soil.seq) == (25.0, "< 30", True, 3)
    assert (air.value, air.truth, air.at) == (20.0, False, site.now)
    assert seen.parts[1].truth is True


def test_plugins_come_from_entry_points_and_a_broken_one_is_named() -> None:
    assert "always" in plugins([EntryPoint("always", "kaiser.logic.conditions:build", GROUP)])
    for broken, words in (("kaiser.no_such_module:build", "'broken'"), ("kaiser.logic.times:NEVER", "no function")):
        with pytest.raises(PluginError, match=words):
            plugins([EntryPoint("broken", broken, GROUP)])


class Broken:
    def __init__(self, needs):
        needs.listeners.append(self)

    def truth(self, look):
        look.wake = 0
        raise ZeroDivisionError

    def seen(self, look):
        raise ZeroDivisionError

    def notice(self, occurrence, at, seq, memory):
        raise ZeroDivisionError


class Hasty:
    """Wants to be looked at again in the past."""

    def truth(self, look):
        look.wake = look.now - 1
        return 1

    def seen(self, look):
        return Seen(kind="plugin", truth=True)


FAULTY = {
    "always": PLUGINS["always"],
    "broken": lambda _, needs, __: Broken(needs),
    "hasty": lambda _, __, ___: Hasty(),
    "picky": lambda condition, _, __: condition.parameters["missing"],
}


def test_a_plugin_that_raises_is_not_known_and_other_rules_go_on() -> None:
    site = Site(engine=Engine(FAULTY))
    site.define(rule(Plugin(name="broken")), "broken")
    site.define(rule(below(30.0)), "sound")
    site.happens(heartbeat(ESP, site.now), "HEARTBEATS")
    site.measures(20.0)
    site.passes(HOUR)
    assert site.truth("broken") is None
    assert [each.rule_id for each in site.of(RunStarted)] == ["sound"]
    assert site.engine.explain("broken").seen.note == "it failed: ZeroDivisionError"


def test_a_plugin_that_wants_to_be_looked_at_in_the_past_does_not_stop_the_clock() -> None:
    site = Site(engine=Engine(FAULTY))
    site.define(rule(Plugin(name="hasty")))
    site.passes(MINUTE)
    assert site.truth() is True
    assert len(site.of(RunStarted)) == 1


def test_parameters_that_break_a_plugin_are_a_fault_with_its_place() -> None:
    (fault,) = check("r", rule(AllOf(conditions=(Plugin(name="picky"),)), (OFF,)), Places(), FAULTY)
    assert (fault.path, fault.code) == ("condition.conditions[0].parameters", "RULE_INVALID")
    assert "KeyError" in fault.detail


def test_a_plugin_that_is_gone_after_a_restart_takes_its_own_rule_with_it_and_no_other() -> None:
    site = Site(engine=Engine(PLUGINS))
    site.define(rule(always(truth=True)), "odd")
    site.define(rule(below(30.0)), "sound")
    site.engine = Engine.restore(site.engine.snapshot())
    site.measures(20.0)
    assert [each.rule_id for each in site.of(RunStarted)] == ["odd", "sound"]
    assert site.engine.explain("odd").verdict == "broken"
    site.disable("odd")
    assert site.engine.explain("odd").verdict == "disabled"


def test_what_a_plugin_of_another_release_remembers_is_begun_anew() -> None:
    class Remembering(Always):
        def __init__(self, needs, slots):
            super().__init__(True)
            self._last = [needs.slot(0) for _ in range(slots)][-1]

        def truth(self, look):
            look.memory[self._last] += 1
            return True

    def release(slots):
        return {"always": lambda _, needs, __: Remembering(needs, slots)}

    site = Site(engine=Engine(release(1)))
    site.define(rule(AllOf(conditions=(below(30.0), always(truth=True)))))
    site.engine = Engine.restore(site.engine.snapshot(), release(2))
    site.measures(20.0)
    assert len(site.of(RunStarted)) == 1
