from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.tracks.grid import Grid
from sse_twisted.tracks.windows import NONE, over_distance, over_hour, over_seconds

FREQUENCY = 5
speeds = st.lists(st.one_of(st.none(), st.integers(0, 20_000)), min_size=1, max_size=60)


def grid_of(speeds: Sequence[int | None], frequency: int = FREQUENCY) -> Grid:
    """A grid of speeds in mm/s; None where a fix is missing."""
    speed = np.array([value or 0 for value in speeds], np.int64)
    still = np.zeros(len(speeds))
    return Grid(
        start=0,
        frequency=frequency,
        present=np.array([value is not None for value in speeds], np.bool_),
        speed=speed,
        moving=np.where(speed > 500, speed, 0),
        heading=still.astype(np.int64),
        latitude=still,
        longitude=still,
    )


@settings(deadline=None)
@given(speeds, st.sampled_from([1, 2, 3]))
def test_a_window_of_time_is_the_mean_of_consecutive_fixes(speeds: list[int | None], seconds: int) -> None:
    count = seconds * FREQUENCY
    expected = []
    for end in range(1, len(speeds) + 1):
        window = [value for value in speeds[max(0, end - count) : end] if value is not None]
        expected.append(sum(window) // count if len(window) == count else NONE)
    assert over_seconds(grid_of(speeds), seconds)(0, 0, len(speeds)).tolist() == expected


@settings(deadline=None)
@given(speeds, st.sampled_from([1, 5, 20]))
def test_a_window_of_distance_is_the_shortest_that_is_long_enough(speeds: list[int | None], metres: int) -> None:
    expected = []
    for end in range(1, len(speeds) + 1):
        sums = [sum(value or 0 for value in speeds[start:end]) for start in range(end)]
        starts = [start for start in range(end) if sums[start] >= metres * 1000 * FREQUENCY]
        complete = starts and speeds[end - 1] is not None
        expected.append(sums[starts[-1]] // (end - starts[-1]) if complete else NONE)
    assert over_distance(grid_of(speeds), metres)(0, 0, len(speeds)).tolist() == expected


@settings(deadline=None)
@given(speeds, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_window_never_reaches_back_before_memory_begins(
    speeds: list[int | None], since: int, first: int, stop: int
) -> None:
    since, first, stop = sorted(min(place, len(speeds)) for place in (since, first, stop))
    of_all, of_rest = grid_of(speeds), grid_of(speeds[since:])
    for window in (lambda grid: over_seconds(grid, 1), lambda grid: over_distance(grid, 5)):
        expected = window(of_rest)(0, first - since, stop - since)
        assert window(of_all)(since, first, stop).tolist() == expected.tolist()


def test_an_hour_counts_what_may_stand_still_as_standing() -> None:
    grid = grid_of([3600, None, 500, 7200] * 900, frequency=1)
    metric = over_hour(grid)
    assert metric(0, 3598, 3600).tolist() == [NONE, (3600 + 7200) // 4]
    assert metric(1, 3599, 3600).tolist() == [NONE]


def test_means_are_rounded_down() -> None:
    assert over_seconds(grid_of([1, 1, 1, 1, 0]), 1)(0, 4, 5).tolist() == [0]


def test_what_is_travelled_beyond_the_distance_counts() -> None:
    # 2 m in each fifth of a second: 6 m in three of them is the first that makes 5 m.
    assert over_distance(grid_of([10_000] * 4), 5)(0, 0, 4).tolist() == [NONE, NONE, 10_000, 10_000]


@pytest.mark.parametrize("seconds", [1, 10])
def test_a_track_that_is_too_short_has_no_window(seconds: int) -> None:
    assert over_seconds(grid_of([9000] * 4), seconds)(0, 0, 4).tolist() == [NONE] * 4
    assert over_seconds(grid_of([]), seconds)(0, 0, 0).tolist() == []
    assert over_distance(grid_of([]), 500)(0, 0, 0).tolist() == []
