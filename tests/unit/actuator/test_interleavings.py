"""Commands in every order of things that hypothesis finds: each ends exactly once, and a replay changes nothing."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .world import World

LEVELS = st.sampled_from((0.0, 0.2, 0.35, 0.5, 0.7, 1.0))
WORDS = st.sampled_from(("ON", "OFF", "PWM", "on", "STOP"))
KEYS = st.sampled_from(("", "", "", "k1", "k2"))
NUMBERS = st.integers(min_value=0, max_value=40)


class Interleavings(RuleBasedStateMachine):
    @initialize(kind=st.sampled_from(("pump", "relay", "valve", "pwm")), generation=st.sampled_from(("dec", "head")))
    def begin(self, kind, generation) -> None:
        self.world = World(kind, generation)

    def some(self, number: int) -> str:
        """A command, most likely a late one; or one that never was."""
        known = list(self.world.requested)
        return known[-1 - number % len(known)] if known and number < 35 else "nobody"

    @rule(asked=st.sampled_from(("ON", "OFF", "TOGGLE")), duration_s=st.sampled_from((0, 0, 5, 60)), key=KEYS,
          hold_s=st.sampled_from((0, 0, 30)), timeout_s=st.sampled_from((1, 30)))  # fmt: skip
    def ask(self, asked, duration_s, key, hold_s, timeout_s) -> None:
        self.world.ask(asked, duration_s=duration_s, key=key, hold_s=hold_s, timeout_s=timeout_s)

    @rule(level=LEVELS, duration_s=st.sampled_from((0, 20)), key=KEYS)
    def ask_pwm(self, level, duration_s, key) -> None:
        self.world.ask("PWM", level=level, duration_s=duration_s, key=key)

    @rule(number=NUMBERS, valid_s=st.sampled_from((-1.0, 0.5, 10.0, 60.0)))
    def approve(self, number, valid_s) -> None:
        self.world.approve(self.some(number), valid_s=valid_s)

    @rule()
    def approve_the_last(self) -> None:
        self.world.approve(self.some(0), valid_s=60)

    @precondition(lambda self: self.world.approvals)
    @rule(number=NUMBERS)
    def deliver_an_approval_again(self, number) -> None:
        known = list(self.world.approvals)
        self.world.approve_again(known[-1 - number % len(known)])

    @rule(number=NUMBERS, code=st.sampled_from(("INTERLOCKED", "ESP_OFFLINE")))
    def reject(self, number, code) -> None:
        self.world.reject(self.some(number), code)

    @rule(word=WORDS, success=st.booleans(), value=st.none() | LEVELS, older=st.booleans())
    def respond_as_dec(self, word, success, value, older) -> None:
        self.world.respond(word, success=success, value=value, older=older)

    @rule(number=NUMBERS, word=WORDS, success=st.booleans())
    def respond_as_head(self, number, word, success) -> None:
        self.world.respond(word, success=success, correlation_id=self.some(number))

    @rule(number=NUMBERS, good=st.booleans())
    def tell_an_outcome(self, number, good) -> None:
        self.world.outcome(self.some(number), good=good)

    @rule(level=st.none() | LEVELS)
    def tell_a_status(self, level) -> None:
        self.world.status(level)

    @precondition(lambda self: self.world.state.sent is not None)
    @rule(success=st.booleans())
    def do_what_was_sent(self, success) -> None:
        request = self.world.state.sent.request
        self.world.respond(request.action, success=success, value=request.level)
        if success:
            self.world.status(request.level)

    @rule(number=NUMBERS)
    def refuse_a_downlink(self, number) -> None:
        self.world.refuse_downlink(self.some(number))

    @rule()
    def stop(self) -> None:
        self.world.stop()

    @rule(stop=st.booleans())
    def latch(self, stop) -> None:
        self.world.latch(stop=stop)

    @rule()
    def release(self) -> None:
        self.world.release()

    @rule()
    def go(self) -> None:
        self.world.go()

    @rule()
    def come(self) -> None:
        self.world.come()

    @rule(deaf=st.booleans())
    def deafen(self, deaf) -> None:
        self.world.deafen(deaf=deaf)

    @rule(number=NUMBERS)
    def cancel(self, number) -> None:
        self.world.cancel(self.some(number))

    @rule(policy=st.sampled_from(("reassert", "accept", "alarm")))
    def policy(self, policy) -> None:
        self.world.policy(policy)

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.5, 12.0, 40.0)))
    def wait(self, seconds) -> None:
        self.world.wait(seconds)

    @rule(seconds=st.sampled_from((-600.0, -5.0, 5.0, 600.0)))
    def set_the_clock(self, seconds) -> None:
        self.world.set_clock(seconds)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(stored=st.integers(min_value=1, max_value=3))
    def crash_amid_a_decision(self, stored) -> None:
        self.world.stored_before_death = stored

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.check_state()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.stored_before_death = 0
            self.world.crash()
            self.world.finish()
            self.world.crash()


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)


def _live(world: World, dice: random.Random) -> None:
    """One thing that may happen, most likely something that belongs to the last command."""
    known = list(world.requested)[-3:] or ["nobody"]
    some = dice.choice(known)
    happenings = (
        (30, lambda: world.ask(dice.choice(("ON", "OFF", "TOGGLE")), duration_s=dice.choice((0, 0, 10)),
                               hold_s=dice.choice((0, 20)), key=dice.choice(("", f"k{dice.randrange(10_000)}")))),
        (25, lambda: world.approve(known[-1], valid_s=dice.choice((0.5, 10, 60)))),
        (3, lambda: world.reject(some)),
        (20, lambda: world.respond(dice.choice(("ON", "OFF")), success=dice.random() < 0.8)),
        (20, lambda: world.status(dice.choice((0.0, 1.0)))),
        (5, lambda: world.outcome(some, good=dice.random() < 0.7)),
        (1, lambda: world.refuse_downlink(some)),
        (2, world.stop),
        (1, lambda: world.latch(stop=dice.random() < 0.5)),
        (2, world.release),
        (2, world.go),
        (3, world.come),
        (1, lambda: world.cancel(some)),
        (25, lambda: world.wait(dice.choice((0.1, 1, 5, 40)))),
        (1, lambda: world.set_clock(dice.uniform(-600, 600))),
        (2, lambda: setattr(world, "stored_before_death", dice.randrange(1, 4))),
    )  # fmt: skip
    dice.choices([what for _, what in happenings], [weight for weight, _ in happenings])[0]()


def _soak(seed: int, commands: int) -> World:
    dice = random.Random(seed)
    world = World(dice.choice(("pump", "relay")), dice.choice(("dec", "head")))
    while len(world.requested) < commands:
        _live(world, dice)
        world.check_state()
    world.stored_before_death = 0
    world.crash()
    world.finish()
    return world


def test_a_thousand_commands_of_one_actuator_end_exactly_once_each():
    world = _soak(seed=4, commands=1000)
    assert set(world.requested) == set(world.ends)
    outcomes = {end.outcome for end in world.ends.values()}
    assert outcomes == {"succeeded", "failed", "rejected", "expired", "superseded", "cancelled"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_hundred_thousand_commands_end_exactly_once_each():
    for seed in range(100):
        _soak(seed=seed, commands=1000)
