"""Mean speeds over windows of time and distance, one for each place at which a window can end.

Each of these functions gives a Metric: what the device would show if its memory began at place `since`. Speeds are
whole mm/s, rounded down as the device does; NONE where no window is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Speeds

NONE: Final = -1

# (since, first, stop): the windows that begin at `since` or later and end at first, first + 1, … stop - 1.
Metric: TypeAlias = Callable[[int, int, int], Speeds]


def over_seconds(grid: Grid, seconds: int) -> Metric:
    """The mean of so many consecutive frames as make up the time; a missing one leaves no window.

    Not one more, and no trapezoids: so 1 s, 2 s and 10 s of 79 real files come out.
    """
    count = seconds * grid.frequency
    return _of_count(grid.speed, grid.present, count)


def over_hour(grid: Grid) -> Metric:
    """The mean over 3600 s of time in which missing frames, and those that may stand still, count as standing."""
    return _of_count(grid.moving, np.ones_like(grid.present), 3600 * grid.frequency)


def over_distance(grid: Grid, metres: int) -> Metric:
    """The mean over the fewest frames that make up the distance; what they make up beyond it counts.

    Missing frames take their time but add no distance.
    """
    travelled = _sums(grid.speed)
    needed = metres * 1000 * grid.frequency  # in mm/s summed over places
    starts = np.searchsorted(travelled, travelled[1:] - needed, side="right") - 1
    sums = travelled[1:] - travelled[starts]
    speeds = sums // (np.arange(1, len(grid) + 1) - starts)
    return _from_starts(np.where((starts >= 0) & grid.present, speeds, NONE), starts)


def _of_count(speed: Speeds, present: NDArray[np.bool_], count: int) -> Metric:
    starts = np.arange(1, len(speed) + 1) - count
    first = np.maximum(starts, 0)
    complete = _sums(present)[1:] - _sums(present)[first] == count
    sums = _sums(speed)
    return _from_starts(np.where(complete, (sums[1:] - sums[first]) // count, NONE), starts)


def _from_starts(speeds: Speeds, starts: NDArray[np.int64]) -> Metric:
    def metric(since: int, first: int, stop: int) -> Speeds:
        return np.where(starts[first:stop] >= since, speeds[first:stop], NONE)

    return metric


def _sums(values: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of the first 0, 1, … n values."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
