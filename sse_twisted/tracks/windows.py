"""Mean speeds over windows of time and distance, one for each place at which a window can end.

Each of these functions gives a Metric: what the device would show if its memory began at place `since`. Speeds are
whole mm/s, rounded down as the device does; NONE where no window is complete.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Speeds

NONE: Final = -1


class Metric(Protocol):
    """Mean speeds over one kind of window, in the parts of a mm/s that the grid has."""

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Those of the windows that begin at `since` or later and end at first, first + 1, … stop - 1."""

    def start(self, since: int, place: int) -> int:
        """The first place of the window that ends at `place`, where there is one."""


@frozen(eq=False)
class Windows:
    """One window, or none, for each place."""

    speeds: Speeds
    starts: NDArray[np.int64]

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Those that begin at `since` or later."""
        return np.where(self.starts[first:stop] >= since, self.speeds[first:stop], NONE)

    def start(self, since: int, place: int) -> int:
        """Where the window that ends at `place` begins."""
        return int(self.starts[place])


def over_seconds(grid: Grid, seconds: int) -> Windows:
    """The mean of so many consecutive frames as make up the time; a missing one leaves no window.

    Not one more, and no trapezoids: so 1 s, 2 s and 10 s of 79 real files come out.
    """
    count = seconds * grid.frequency
    last = grid.fixes[count - 1 :]
    first = grid.fixes[: len(last)]
    sums = grid.sailed[count:] - grid.sailed[: len(last)]
    return _spread(grid, last, np.where(last - first == count - 1, sums * grid.parts // count, NONE), first)


def over_distance(grid: Grid, metres: int) -> Windows:
    """The mean over the fewest frames that make up the distance; what they make up beyond it counts.

    Missing frames take their time but add no distance.
    """
    needed = metres * 1000 * grid.frequency  # in mm/s summed over places
    sailed, place = grid.sailed, grid.fixes
    last = int(np.searchsorted(sailed[1:], needed))  # no fix before that one has come so far
    starts = np.searchsorted(sailed, sailed[last + 1 :] - needed, side="right") - 1
    sums = sailed[last + 1 :] - sailed[starts]
    return _spread(grid, place[last:], sums * grid.parts // (place[last:] + 1 - place[starts]), place[starts])


def over_hour(grid: Grid) -> Windows:
    """The mean over 3600 s of time in which missing frames, and those that may stand still, count as standing."""
    count = 3600 * grid.frequency
    sums = np.concatenate([[0], np.cumsum(grid.moving)])
    last = np.arange(count - 1, len(grid))
    return _spread(grid, last, (sums[count:] - sums[: len(last)]) * grid.parts // count, last + 1 - count)


def _spread(grid: Grid, last: Speeds, speeds: Speeds, starts: Speeds) -> Windows:
    """Windows for all places, of which these end at `last`."""
    windows = Windows(np.full(len(grid), NONE), np.full(len(grid), NONE))
    windows.speeds[last] = speeds
    windows.starts[last] = starts
    return windows
