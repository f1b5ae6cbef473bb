"""What JetStream does not do is said once it has lasted."""

from kaiser.eventlog.troubles import PATIENCE_S, Troubles


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_attempt_that_fails_for_long_is_told_and_one_that_fails_for_a_moment_is_not() -> None:
    clock = Clock()
    troubles = Troubles(clock)
    assert troubles.words() == ""
    troubles.failed("a", "no leader")
    clock.now = PATIENCE_S - 1
    assert troubles.words() == ""
    troubles.failed("a", "no quorum")
    clock.now = PATIENCE_S
    assert troubles.words() == "NATS is there, and JetStream has not done what it is asked for 10 s: no quorum"


def test_the_longest_trouble_is_told_until_it_is_over() -> None:
    clock = Clock()
    troubles = Troubles(clock)
    troubles.failed("a", "no leader")
    clock.now = 5
    troubles.failed("b", "no room")
    clock.now = 20
    assert "no leader" in troubles.words()
    troubles.over("a")
    assert "15 s: no room" in troubles.words()
    troubles.over("b")
    troubles.over("b")
    assert troubles.words() == ""
