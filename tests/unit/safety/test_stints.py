"""Work that does not come to its end."""

from kaiser.safety.stints import Stint


def test_work_that_is_tried_again_and_again_lasts_since_its_first_try():
    stint = Stint()
    assert stint.lasts_s(100.0) == 0
    stint.begin(100.0)
    stint.begin(103.0)
    assert stint.lasts_s(104.0) == 4
    stint.done()
    assert stint.lasts_s(105.0) == 0
