from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.plot.course import Mark, course_of, extremes
from tests.tracks.exported import track_of
from tests.tracks.voyages import START, sail


@given(st.lists(st.floats(0, 50), min_size=1, max_size=40), st.sets(st.integers(1, 39)))
def test_thinning_keeps_first_last_lowest_and_highest_of_each_group(values: list[float], cuts: set[int]) -> None:
    starts = [0, *sorted(cut for cut in cuts if cut < len(values))]
    kept = extremes(np.array(values), np.array(starts)).tolist()
    assert kept == sorted(set(kept))
    for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
        group = [place for place in kept if start <= place < stop]
        assert (group[0], group[-1]) == (start, stop - 1)
        assert len(group) <= 4
        assert {values[place] for place in group} >= {min(values[start:stop]), max(values[start:stop])}


def test_only_usable_fixes_are_on_it_and_others_leave_gaps() -> None:
    fixes = sail(10)
    fixes["fix"][20:23] = 0
    fixes["latitude"][20:23] = 0
    course = course_of(track_of(fixes))
    assert len(course) == 47
    assert np.flatnonzero(course.broken).tolist() == [0, 20]
    assert np.hypot(course.east, course.north).max() < 100


def test_distances_are_metres_on_either_side_of_the_date_line() -> None:
    fixes = sail(0.8)
    fixes["latitude"] = 60 * 10**7
    fixes["longitude"] = 1_799_999_000, 1_799_999_999, -1_800_000_000, -1_799_999_000
    fixes["latitude"][3] += 1000
    course = course_of(track_of(fixes))
    degree = 6_371_009 * np.pi / 180
    assert course.east == pytest.approx(np.array([0, 999, 1000, 2000]) * 1e-7 * degree / 2, abs=1e-3)
    assert course.north == pytest.approx([0, 0, 0, 1e-4 * degree], abs=1e-3)


def test_fixes_are_in_order_of_time() -> None:
    fixes = sail(10)
    course = course_of(track_of(np.concatenate([fixes[30:], fixes[:30]])))
    assert course.time.tolist() == fixes["utc"].tolist()


def test_the_fixes_of_a_mark_are_those_from_its_start_to_its_end() -> None:
    course = course_of(track_of(sail(10)))
    assert course.within(Mark("1 s", START + 1000, START + 2000, 20)).tolist() == [5, 6, 7, 8, 9, 10]
    assert len(course.within(Mark("1 s", START - 2000, START - 1000, 20))) == 0
