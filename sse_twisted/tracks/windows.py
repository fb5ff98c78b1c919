"""Mean speeds over windows of time and distance, one for each fix at which a window can end.

Each function returns a Metric. Speeds are rounded down as the device does; NONE where no window is complete.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from attrs import frozen

from sse_twisted.tracks.grid import Grid, Places, Speeds

NONE: Final = -1


class Metric(Protocol):
    """Mean speeds over one kind of window, in 1/`parts` of a mm/s."""

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Return the best window that begins at place `since` or later, for each of the fixes `first` to `stop` - 1."""

    def start(self, since: int, fix: int) -> int:
        """Return the first place of the window that ends at a fix, if there is one."""

    def first_beyond(self, place: int) -> int:
        """Return a fix from which on no window begins at a place or before it."""


@frozen(eq=False)
class Windows:
    """One window, or none, for each fix; `starts` are places."""

    speeds: Speeds
    starts: Places

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        return np.where(self.starts[first:stop] >= since, self.speeds[first:stop], NONE)

    def start(self, since: int, fix: int) -> int:
        return int(self.starts[fix])

    def first_beyond(self, place: int) -> int:
        return int(np.searchsorted(self.starts, place, side="right"))


def over_seconds(grid: Grid, seconds: int) -> Windows:
    """Return the mean of `seconds` * frequency consecutive fixes; a missing fix leaves no window.

    One fix more, or trapezoids, would not reproduce the 1 s, 2 s and 10 s of 79 real files.
    """
    count = seconds * grid.frequency
    last = grid.place[count - 1 :]
    first = grid.place[: len(last)]
    sums = grid.sailed[count:] - grid.sailed[: len(last)]
    return _of_last(grid, np.where(last - first == count - 1, sums * grid.parts // count, NONE), first)


def over_distance(grid: Grid, metres: int) -> Windows:
    """Return the mean over the fewest fixes that reach the distance; their distance beyond it counts.

    Missing fixes take time but add no distance.
    """
    needed = metres * 1000 * grid.frequency  # in mm/s summed over fixes
    sailed, place = grid.sailed, grid.place
    ends = int(np.searchsorted(sailed[1:], needed))  # no fix before that one has come so far
    starts = np.searchsorted(sailed, sailed[ends + 1 :] - needed, side="right") - 1
    sums = sailed[ends + 1 :] - sailed[starts]
    return _of_last(grid, sums * grid.parts // (place[ends:] + 1 - place[starts]), place[starts])


def over_hour(grid: Grid) -> Windows:
    """Return the mean over 3600 s, in which missing fixes, and fixes that may stand still, count as 0."""
    count = 3600 * grid.frequency
    starts = grid.place + 1 - count
    sums = np.concatenate([[0], np.cumsum(grid.moving)])
    means = (sums[1:] - sums[np.searchsorted(grid.place, starts)]) * grid.parts // count
    return Windows(np.where(starts >= 0, means, NONE), starts)


def _of_last(grid: Grid, speeds: Speeds, starts: Places) -> Windows:
    """Return the windows of the last fixes; the fixes before have none."""
    none = np.full(len(grid.place) - len(speeds), NONE)
    return Windows(np.concatenate([none, speeds]), np.concatenate([none, starts]))
