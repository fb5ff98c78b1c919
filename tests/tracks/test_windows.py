from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.tracks.grid import Grid
from sse_twisted.tracks.windows import NONE, Metric, over_distance, over_hour, over_seconds

FREQUENCY = 5
speeds = st.lists(st.one_of(st.none(), st.integers(0, 20_000)), min_size=1, max_size=60)


def grid_of(speeds: Sequence[int | None], frequency: int = FREQUENCY) -> Grid:
    """A grid of speeds in mm/s; None where a fix is missing."""
    place = np.array([number for number, value in enumerate(speeds) if value is not None], np.int64)
    speed = np.array([value for value in speeds if value is not None], np.int64)
    still = np.zeros(len(place))
    return Grid(
        start=0,
        frequency=frequency,
        length=len(speeds),
        place=place,
        speed=speed,
        moving=np.where(speed > 500, speed, 0),
        course=still.astype(np.int64),
        latitude=still,
        longitude=still,
    )


def by_place(grid: Grid, metric: Metric, since: int = 0, first: int = 0, stop: int | None = None) -> list[int]:
    """What a metric gives for the windows that end at these places; NONE where there is no fix."""
    stop = grid.length if stop is None else stop
    begin, end = grid.fixes(first, stop)
    speeds = np.full(stop - first, NONE)
    speeds[grid.place[begin:end] - first] = metric(since, begin, end)
    return speeds.tolist()


@settings(deadline=None)
@given(speeds, st.sampled_from([1, 2, 3]))
def test_a_window_of_time_is_the_mean_of_consecutive_fixes(speeds: list[int | None], seconds: int) -> None:
    count = seconds * FREQUENCY
    expected = []
    for end in range(1, len(speeds) + 1):
        window = [value for value in speeds[max(0, end - count) : end] if value is not None]
        expected.append(sum(window) // count if len(window) == count else NONE)
    assert by_place(grid_of(speeds), over_seconds(grid_of(speeds), seconds)) == expected


@settings(deadline=None)
@given(speeds, st.sampled_from([1, 5, 20]))
def test_a_window_of_distance_is_the_shortest_that_is_long_enough(speeds: list[int | None], metres: int) -> None:
    expected = []
    for end in range(1, len(speeds) + 1):
        sums = [sum(value or 0 for value in speeds[start:end]) for start in range(end)]
        starts = [start for start in range(end) if sums[start] >= metres * 1000 * FREQUENCY]
        complete = starts and speeds[end - 1] is not None
        expected.append(sums[starts[-1]] // (end - starts[-1]) if complete else NONE)
    assert by_place(grid_of(speeds), over_distance(grid_of(speeds), metres)) == expected


@settings(deadline=None)
@given(speeds, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_window_never_reaches_back_before_memory_begins(
    speeds: list[int | None], since: int, first: int, stop: int
) -> None:
    since, first, stop = sorted(min(place, len(speeds)) for place in (since, first, stop))
    of_all, of_rest = grid_of(speeds), grid_of(speeds[since:])
    for window in (lambda grid: over_seconds(grid, 1), lambda grid: over_distance(grid, 5)):
        expected = by_place(of_rest, window(of_rest), 0, first - since, stop - since)
        assert by_place(of_all, window(of_all), since, first, stop) == expected


def test_an_hour_counts_what_may_stand_still_as_standing() -> None:
    grid = grid_of([3600, None, 500, 7200] * 900, frequency=1)
    metric = over_hour(grid)
    assert by_place(grid, metric, 0, 3598, 3600) == [NONE, (3600 + 7200) // 4]
    assert by_place(grid, metric, 1, 3599, 3600) == [NONE]


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
