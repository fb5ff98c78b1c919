from __future__ import annotations

import numpy as np

from sse_twisted.tracks.format import Fixes, measured_rate

TIMES = np.arange(6) * 200
SOME = Fixes(TIMES, TIMES / 1e3, TIMES / 1e2, TIMES * 10, course=TIMES + 1)


def test_chosen_fixes_have_all_columns_that_there_are() -> None:
    for which in (SOME.time > 500, np.array([3, 4, 5]), slice(3, None)):
        chosen = SOME[which]
        assert len(chosen) == 3
        assert chosen.time.tolist() == [600, 800, 1000]
        assert chosen.speed.tolist() == [6000, 8000, 10_000]
        assert chosen.course is not None
        assert chosen.course.tolist() == [601, 801, 1001]
        assert chosen.satellites is None


def test_a_slice_copies_nothing() -> None:
    assert np.shares_memory(SOME[2:].time, TIMES)


def test_the_rate_is_by_the_median_step_and_bounded() -> None:
    assert measured_rate(TIMES) == 5
    assert measured_rate(np.delete(TIMES, 3)) == 5
    assert measured_rate(TIMES[::-1]) == measured_rate(TIMES[:1]) == measured_rate(TIMES[:0]) == 0
    assert measured_rate(np.arange(9)) == 25
    assert measured_rate(np.arange(9) * 5000) == 1
