"""What devices say of emergencies."""

from kaiser.safety.words import Word, Words

from .builders import LAMP, PUMP


def test_the_time_of_the_last_normal_word_outlives_an_emergency_and_a_restart():
    words = Words()
    words.take(PUMP, "normal", 1)
    words.take(PUMP, "active", 2)
    words.take(LAMP, "resuming", 3)
    anew = Words()
    anew.remember(words.kept())
    for one in (words, anew):
        assert one.of(PUMP) == Word("active", 1)
        assert one.of(LAMP) == Word("resuming", 0)
    words.take(PUMP, "normal", 4)
    assert words.of(PUMP) == Word("normal", 4)
