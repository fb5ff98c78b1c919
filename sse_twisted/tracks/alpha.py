"""Alpha 500: the mean speed over a path of up to 500 m that turns round and returns to its start."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Speeds
from sse_twisted.tracks.windows import NONE

MAX_PATH: Final = 500_000  # mm
MIN_PATH: Final = 100_000  # mm; the shortest alpha of a real device has 164.8 m
GATE: Final = 50.0  # m between the ends
HALF_TURN: Final = 18_000_000  # 1e-5 degrees
MIN_TURN: Final = HALF_TURN // 2  # between the courses at both ends
MIN_SPEED: Final = 1000  # mm/s; a path with a slower fix does not count (firmware 3118 to 3176)
EARTH_RADIUS: Final = 6_371_009.0  # m, as the device has it

BLOCK: Final = 16  # fixes whose positions are first compared as one position
BLOCKS_AT_ONCE: Final = 512  # pairs of blocks, of 256 pairs of fixes each: they fit into the cache

Indices = NDArray[np.int64]  # of fixes
Metres = NDArray[np.float64]


@frozen(eq=False)
class AlphaWindows:
    """A Metric: the fastest path to each fix, searched on demand. Blocks of consecutive fixes narrow the search."""

    grid: Grid
    travelled: Indices  # up to and including each fix, in mm/s summed over places
    north: Metres  # of the equator
    east: Metres  # of Greenwich, along the equator
    shrinking: NDArray[np.float64]  # cosine of the latitude
    earliest: Indices  # the first fix at which a path to this one can begin
    latest: Indices  # the last one; before the earliest if there is none
    middle: Indices  # of each block

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        speeds = np.full(stop - first, NONE)
        for starts, ends in self._paths(since, first, stop):
            np.maximum.at(speeds, ends - first, self._means(starts, ends))
        return speeds

    def start(self, since: int, fix: int) -> int:
        """Return the place where the fastest path to a fix begins, the last of equals; its own place without a path."""
        fastest = (NONE, fix)
        for starts, ends in self._paths(since, fix, fix + 1):
            fastest = max([fastest, *zip(self._means(starts, ends).tolist(), starts.tolist(), strict=True)])
        return int(self.grid.place[fastest[1]])

    def first_beyond(self, place: int) -> int:
        return int(np.searchsorted(self.earliest, np.searchsorted(self.grid.place, place, side="right")))

    def _means(self, starts: Indices, ends: Indices) -> Indices:
        place, travelled = self.grid.place, self.travelled
        means: Indices = (travelled[ends] - travelled[starts]) * self.grid.parts // (place[ends] - place[starts])
        return means

    def _apart(self, at: Indices, other: Indices) -> Metres:
        """Return the squared distances in m² on an earth that is flat around `at`."""
        east = (self.east[other] - self.east[at]) * self.shrinking[at]
        north = self.north[other] - self.north[at]
        squares: Metres = east * east + north * north
        return squares

    @cached_property
    def _radius(self) -> Metres:
        """From the middle of each block to its farthest fix."""
        order = np.arange(len(self.travelled))
        apart = self._apart(order, self.middle[order // BLOCK])
        radius: Metres = np.sqrt(np.maximum.reduceat(apart, order[::BLOCK]))
        return radius

    def _paths(self, since: int, first: int, stop: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield the start and end fixes of every path that counts.

        It begins at place `since` or later, and ends at one of the fixes `first` to `stop` - 1.
        """
        latest = self.latest[first:stop]
        earliest = np.maximum(self.earliest[first:stop], np.searchsorted(self.grid.place, since))
        possible = np.flatnonzero(latest >= earliest)
        if not len(possible):
            return
        course = self.grid.course
        for start_blocks, end_blocks in self._near_blocks(first + possible, earliest[possible], latest[possible]):
            starts, ends = self._near_members(start_blocks, end_blocks)
            in_time = (ends >= first) & (ends < stop)
            starts, ends = starts[in_time], ends[in_time]
            in_range = (starts >= earliest[ends - first]) & (starts <= latest[ends - first])
            starts, ends = starts[in_range], ends[in_range]
            turned = _angle(course[starts] - course[ends]) >= MIN_TURN
            yield starts[turned], ends[turned]

    def _near_members(self, start_blocks: Indices, end_blocks: Indices) -> tuple[Indices, Indices]:
        """Pair the fixes of each start block with those of its end block that are within the gate."""
        north, east, shrinking = self._blocks
        east_apart = (east[start_blocks][:, :, None] - east[end_blocks][:, None, :]) * shrinking[end_blocks][:, None, :]
        north_apart = north[start_blocks][:, :, None] - north[end_blocks][:, None, :]
        squares = np.square(east_apart, out=east_apart)
        squares += np.square(north_apart, out=north_apart)
        pair, start, end = np.nonzero(squares <= GATE * GATE)  # the fill of the last block is no number
        return start_blocks[pair] * BLOCK + start, end_blocks[pair] * BLOCK + end

    @cached_property
    def _blocks(self) -> tuple[Metres, Metres, Metres]:
        """`north`, `east` and `shrinking`, a row for each block."""
        fill = np.full(-len(self.north) % BLOCK, np.nan)
        north, east, shrinking = (
            np.concatenate([values, fill]).reshape(-1, BLOCK) for values in (self.north, self.east, self.shrinking)
        )
        return north, east, shrinking

    def _near_blocks(self, ends: Indices, earliest: Indices, latest: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Yield pairs of blocks that can hold the start and the end of a path to one of the `ends`."""
        end_blocks = ends // BLOCK
        begins = np.flatnonzero(np.diff(end_blocks, prepend=-1))
        lowest = np.minimum.reduceat(earliest, begins) // BLOCK
        counts = np.maximum.reduceat(latest, begins) // BLOCK - lowest + 1
        start_blocks = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
        end_blocks = np.repeat(end_blocks[begins], counts)
        apart = self._apart(self.middle[end_blocks], self.middle[start_blocks])
        # One metre more, since the cosine varies within a block.
        reach = GATE + 1 + self._radius[start_blocks] + self._radius[end_blocks]
        near = np.flatnonzero(apart <= reach * reach)
        for some in range(0, len(near), BLOCKS_AT_ONCE):
            pairs = near[some : some + BLOCKS_AT_ONCE]
            yield start_blocks[pairs], end_blocks[pairs]


def over_alpha(grid: Grid) -> AlphaWindows:
    """Return the fastest paths of 100 to 500 m whose ends are within 50 m, with courses at least 90° apart.

    The distance excludes the fix at the start; the time is that between both fixes. This is the rule of the device
    since firmware 3118, at the full rate. A track without courses has no alpha.
    """
    travelled, latitude = grid.sailed[1:], np.radians(grid.latitude)
    order = np.arange(len(travelled))
    unbroken = np.maximum.accumulate(np.where(grid.speed < MIN_SPEED, order + 1, 0))
    longest = np.searchsorted(travelled, travelled - MAX_PATH * grid.frequency, side="left")
    shortest = np.searchsorted(travelled, travelled - MIN_PATH * grid.frequency, side="right")
    return AlphaWindows(
        grid=grid,
        travelled=travelled,
        north=latitude * EARTH_RADIUS,
        east=np.radians(grid.longitude) * EARTH_RADIUS,
        shrinking=np.cos(latitude),
        earliest=np.maximum(longest, unbroken),
        latest=shortest - 1,
        middle=np.minimum(order[::BLOCK] + BLOCK // 2, len(order) - 1),
    )


def _angle(difference: Indices) -> Indices:
    """Return the angle between two courses, 0 to 180 degrees, from their difference."""
    angle: Indices = np.abs((difference + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN)
    return angle
