from kaiser.eventlog import Event
from kaiser.eventlog.publish import WINDOW_BYTES, WINDOW_EVENTS, _waves, _windows


def event(subject: str = "fact.a", size: int = 1) -> Event:
    return Event(subject=subject, type="t", data=b"x" * size, source="s")


def test_windows_are_bounded_in_events_and_hold_each_event_once():
    windows = list(_windows([(event(), b"")] * (WINDOW_EVENTS * 2 + 1)))
    assert [len(window) for window in windows] == [WINDOW_EVENTS, WINDOW_EVENTS, 1]
    assert [i for window in windows for i in window] == list(range(WINDOW_EVENTS * 2 + 1))


def test_windows_are_bounded_in_bytes_and_a_single_large_event_has_one_of_its_own():
    large = (event(size=WINDOW_BYTES // 2 + 1), b"")
    assert [list(window) for window in _windows([large, large, large])] == [[0], [1], [2]]
    assert list(_windows([])) == []


def test_waves_hold_each_subject_once_and_keep_its_order():
    events = [event("a"), event("b"), event("a"), event("a"), event("c")]
    assert [list(wave) for wave in _waves(events)] == [[0, 1, 4], [2], [3]]
