"""Mean speeds over windows of time and distance, one for each fix at which a window can end.

Each function returns a Metric. Speeds are rounded down as the device does; NONE where no window is complete. Windows
are computed for the fixes that are asked for: of a track with 40,000 fixes, a few hundred decide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Protocol

import numpy as np
from attrs import frozen
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.tracks.format import Mask
from sse_twisted.tracks.grid import Grid, Places, Speeds

NONE: Final = -1
SAMPLE_STEP: Final = 16  # fixes from one window of a sample to the next

Indices = NDArray[np.int64]  # of fixes


class Found(Struct, frozen=True, eq=False):
    """Some of the windows of a metric as columns, by the fixes at which they end."""

    speeds: Speeds
    starts: Places
    ends: Indices

    def __getitem__(self, which: Mask | slice | Indices) -> Found:
        return Found(self.speeds[which], self.starts[which], self.ends[which])

    def and_also(self, others: Found) -> Found:
        """Return these and others, still in order."""
        if not len(others.ends):
            return self
        names = ("speeds", "starts", "ends")
        both = Found(*(np.concatenate([getattr(self, name), getattr(others, name)]) for name in names))
        return both[np.argsort(both.ends, kind="stable")]


NOTHING: Final = Found(*(np.empty(0, np.int64) for _ in range(3)))


class Metric(Protocol):
    """Mean speeds over one kind of window, in 1/`parts` of a mm/s."""

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Return the best window that begins at place `since` or later, for each of the fixes `first` to `stop` - 1."""

    def start(self, since: int, fix: int) -> int:
        """Return the first place of the window that ends at a fix, if there is one."""

    def sample(self) -> Found:
        """Return windows from everywhere in the track: the best are hardly slower than those of all windows."""

    def fastest(self, at_least: int, until: int) -> Found:
        """Return the best window to each fix, if it is at least so fast; faster, if it ends after the fix `until`.

        Others may be among them.
        """

    def beyond(self, place: int, at_least: int) -> Found:
        """Return the same of windows that begin behind a place, for fixes to which a better one begins before."""


@frozen(eq=False)
class Windows(ABC):
    """A Metric with one window, or none, for each fix."""

    grid: Grid

    @abstractmethod
    def ends(self, first: int, stop: int, at_least: int) -> Indices:
        """Return those of the fixes `first` to `stop` - 1 at which a window that is at least so fast can end."""

    @abstractmethod
    def ending(self, ends: Indices) -> Found:
        """Return the windows that end at these fixes; their speed is NONE if they are not complete."""

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        found = self.ending(self.ends(first, stop, 0))
        speeds = np.full(stop - first, NONE)
        speeds[found.ends - first] = np.where(found.starts >= since, found.speeds, NONE)
        return speeds

    def start(self, since: int, fix: int) -> int:
        return int(self.ending(np.array([fix])).starts[0])

    def sample(self) -> Found:
        return self.ending(self.ends(0, len(self.grid.place), 0)[::SAMPLE_STEP])

    def fastest(self, at_least: int, until: int) -> Found:
        stop, count = until + 1, len(self.grid.place)
        return self.ending(np.concatenate([self.ends(0, stop, at_least), self.ends(stop, count, at_least + 1)]))

    def beyond(self, place: int, at_least: int) -> Found:
        return NOTHING


@frozen(eq=False)
class TimeWindows(Windows):
    """The mean of `count` consecutive fixes; a missing fix leaves no window."""

    count: int

    def ends(self, first: int, stop: int, at_least: int) -> Indices:
        first = max(first, self.count - 1)
        if first >= stop or not at_least:
            return np.arange(first, stop)
        sailed, before = self.grid.sailed, first + 1 - self.count
        sums = sailed[first + 1 : stop + 1] - sailed[before : before + stop - first]
        return np.flatnonzero(sums * self.grid.parts >= at_least * self.count) + first

    def ending(self, ends: Indices) -> Found:
        place, sailed, before = self.grid.place, self.grid.sailed, ends + 1 - self.count
        starts = place[before]
        means = (sailed[ends + 1] - sailed[before]) * self.grid.parts // self.count
        return Found(np.where(place[ends] - starts == self.count - 1, means, NONE), starts, ends)


@frozen(eq=False)
class DistanceWindows(Windows):
    """The mean over the fewest fixes that reach a distance: `needed`, in mm/s summed over fixes."""

    needed: int
    reached: int  # the first fix that has come so far

    def ends(self, first: int, stop: int, at_least: int) -> Indices:
        first = max(first, self.reached)
        if first >= stop or not at_least:
            return np.arange(first, stop)
        # Without its first fix a window is too short. So its sum is known almost, and how many places it has at most.
        sailed, parts = self.grid.sailed, self.grid.parts
        longest = (self.needed + int(self.grid.speed.max())) * parts // at_least
        before = sailed.take(np.arange(first + 1 - longest, stop + 2 - longest), mode="clip")
        after = sailed[first + 1 : stop + 1]
        # With a fix in each place it is as fast as that; with fewer fixes, the distance is reached without the first.
        may = after - before[:-1] >= max(self.needed, -(-at_least * longest // parts))
        may |= after - before[1:] >= self.needed
        return np.flatnonzero(may) + first

    def ending(self, ends: Indices) -> Found:
        place, sailed = self.grid.place, self.grid.sailed
        total = sailed[ends + 1]
        before = np.searchsorted(sailed, total - self.needed, side="right") - 1
        starts = place[before]
        return Found((total - sailed[before]) * self.grid.parts // (place[ends] + 1 - starts), starts, ends)


@frozen(eq=False)
class HourWindows(Windows):
    """The mean over 3600 s, in which missing fixes, and fixes that may stand still, count as 0."""

    count: int  # places of an hour

    def ends(self, first: int, stop: int, at_least: int) -> Indices:
        return np.arange(first, stop)

    def ending(self, ends: Indices) -> Found:
        place, moved = self.grid.place, self.grid.moved
        starts = place[ends] + 1 - self.count
        means = (moved[ends + 1] - moved[np.searchsorted(place, starts)]) * self.grid.parts // self.count
        return Found(np.where(starts >= 0, means, NONE), starts, ends)


def over_seconds(grid: Grid, seconds: int) -> Windows:
    """Return the mean of `seconds` * frequency consecutive fixes; a missing fix leaves no window.

    One fix more, or trapezoids, would not reproduce the 1 s, 2 s and 10 s of 79 real files.
    """
    return TimeWindows(grid, seconds * grid.frequency)


def over_distance(grid: Grid, metres: int) -> Windows:
    """Return the mean over the fewest fixes that reach the distance; their distance beyond it counts.

    Missing fixes take time but add no distance.
    """
    needed = metres * 1000 * grid.frequency
    return DistanceWindows(grid, needed, int(np.searchsorted(grid.sailed[1:], needed)))


def over_hour(grid: Grid) -> Windows:
    """Return the mean over 3600 s, in which missing fixes, and fixes that may stand still, count as 0."""
    return HourWindows(grid, 3600 * grid.frequency)
