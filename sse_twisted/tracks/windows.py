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
    """Mean speeds over one kind of window; the mean is of all its places, or of all but the first."""

    @property
    def includes_start(self) -> bool:
        """Whether the first place of a window counts."""

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Those of the windows that begin at `since` or later and end at first, first + 1, … stop - 1."""

    def start(self, since: int, place: int) -> int:
        """The first place of the window that ends at `place`, where there is one."""


@frozen(eq=False)
class Windows:
    """One window, or none, for each place."""

    speeds: Speeds
    starts: NDArray[np.int64]
    includes_start: bool = True

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
    return _of_count(grid.travelled, grid.present, count)


def over_hour(grid: Grid) -> Windows:
    """The mean over 3600 s of time in which missing frames, and those that may stand still, count as standing."""
    return _of_count(_sums(grid.moving), np.ones_like(grid.present), 3600 * grid.frequency)


def over_distance(grid: Grid, metres: int) -> Windows:
    """The mean over the fewest frames that make up the distance; what they make up beyond it counts.

    Missing frames take their time but add no distance.
    """
    travelled = grid.travelled
    needed = metres * 1000 * grid.frequency  # in mm/s summed over places
    starts = np.searchsorted(travelled, travelled[1:] - needed, side="right") - 1
    sums = travelled[1:] - travelled[starts]
    speeds = sums // (np.arange(1, len(grid) + 1) - starts)
    return Windows(np.where((starts >= 0) & grid.present, speeds, NONE), starts)


def _of_count(sums: Speeds, present: NDArray[np.bool_], count: int) -> Windows:
    starts = np.arange(1, len(sums)) - count
    first = np.maximum(starts, 0)
    counts = _sums(present)
    complete = counts[1:] - counts[first] == count
    return Windows(np.where(complete, (sums[1:] - sums[first]) // count, NONE), starts)


def _sums(values: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of the first 0, 1, … n values."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
