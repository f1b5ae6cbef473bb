from kaiser.ingest.window import Window

SECOND = 1_000_000


def test_a_reading_that_comes_in_another_batch_is_a_repetition():
    window = Window()
    assert window.take(7, 10 * SECOND, "a")
    assert not window.take(7, 15 * SECOND, "b")


def test_a_batch_that_comes_again_keeps_its_readings():
    window = Window()
    assert window.take(7, 10 * SECOND, "a")
    assert window.take(7, 10 * SECOND, "a")
    assert not window.take(7, 11 * SECOND, "b")


def test_a_reading_is_forgotten_after_the_span():
    window = Window(span_us=60 * SECOND)
    assert window.take(7, 0, "a")
    assert window.take(7, 61 * SECOND, "b")
    assert not window.take(7, 62 * SECOND, "a")


def test_the_window_is_bounded_in_number_and_drops_the_oldest():
    window = Window(most=3)
    assert all(window.take(i, i, "a") for i in range(5))
    assert len(window) == 3
    assert window.take(0, 6, "b")
    assert not window.take(4, 7, "b")


def test_the_window_is_bounded_in_age():
    window = Window(span_us=10 * SECOND)
    for i in range(100):
        window.take(i, i * SECOND, "a")
    assert len(window) == 11
