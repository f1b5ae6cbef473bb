from kaiser.ingest.window import Window

SECOND = 1_000_000


def test_a_reading_is_new_once():
    window = Window()
    assert window.take(7, 10 * SECOND)
    assert not window.take(7, 15 * SECOND)


def test_a_reading_is_forgotten_after_the_span():
    window = Window(span_us=60 * SECOND)
    assert window.take(7, 0)
    assert window.take(7, 61 * SECOND)


def test_the_window_is_bounded_in_number_and_drops_the_oldest():
    window = Window(most=3)
    assert all(window.take(i, i) for i in range(5))
    assert len(window) == 3
    assert window.take(0, 6)
    assert not window.take(4, 7)


def test_the_window_is_bounded_in_age():
    window = Window(span_us=10 * SECOND)
    for i in range(100):
        window.take(i, i * SECOND)
    assert len(window) == 11


def test_a_reading_whose_batch_failed_may_come_again():
    window = Window()
    window.take(7, 0)
    window.forget([7])
    assert window.take(7, SECOND)
    assert not window.take(7, 2 * SECOND)
