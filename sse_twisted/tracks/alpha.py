"""Alpha 500: the mean speed over a path of up to 500 m that turns round and returns to its start."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Speeds
from sse_twisted.tracks.windows import NONE, Found, Indices

MAX_PATH: Final = 500_000  # mm
MIN_PATH: Final = 100_000  # mm; the shortest alpha of a real device has 164.8 m
GATE: Final = 50.0  # m between the ends
ROUNDING: Final = 0.01  # m by which a sum of distances may be wrong
HALF_TURN: Final = 18_000_000  # 1e-5 degrees
MIN_TURN: Final = HALF_TURN // 2  # between the courses at both ends
MIN_SPEED: Final = 1000  # mm/s; a path with a slower fix does not count (firmware 3118 to 3176)
EARTH_RADIUS: Final = 6_371_009.0  # m, as the device has it

PARTS: Final = 4  # of a block, down to single fixes
SIZES: Final = (64, 16, 4)  # fixes of a block, whose positions are first compared as one position
PAIRS_AT_ONCE: Final = 4096  # of blocks, and 16 times as many of their parts: they fit into the cache

Metres = NDArray[np.float64]


class _Blocks(Struct, frozen=True, eq=False):
    """Blocks of consecutive fixes."""

    firsts: Indices
    lasts: Indices
    middles: Indices
    radius: Metres  # from the middle to the farthest fix
    course: Indices  # of the middle
    bend: Indices  # the largest angle between that and the course of another fix


class _Parts(Struct, frozen=True, eq=False):
    """Single fixes, or blocks of fixes by their middles, in order."""

    north: Metres
    east: Metres
    course: Indices
    radius: Metres
    bend: Indices

    def joined(self, north: Metres, east: Metres, shrinking: float, course: Indices) -> _Parts:
        """Return blocks of PARTS of these; their middles are there, and head so."""
        radius, bend = np.zeros(len(north)), np.zeros(len(north), np.int64)
        for first in range(PARTS):
            each = slice(first, None, PARTS)
            exist = slice(len(self.north[each]))  # the last block may be shorter
            to_north = self.north[each] - north[exist]
            to_east = (self.east[each] - east[exist]) * shrinking
            reach = np.sqrt(to_north * to_north + to_east * to_east) + self.radius[each]
            np.maximum(radius[exist], reach, out=radius[exist])
            np.maximum(bend[exist], _angle(self.course[each], course[exist]) + self.bend[each], out=bend[exist])
        return _Parts(north, east, course, radius, bend)


class AlphaWindows(Struct, frozen=True, eq=False, dict=True):
    """A Metric: the fastest path to each fix, searched on demand. Blocks of consecutive fixes narrow the search."""

    grid: Grid
    travelled: Indices  # up to and including each fix, in mm/s summed over places
    north: Metres  # of the equator
    east: Metres  # of Greenwich, along the equator
    latitude: NDArray[np.float64]  # radians
    narrowest: float  # the smallest cosine of a latitude, or less
    course: Indices  # 1e-5 degrees, less than a full turn
    unbroken: Indices  # the first fix from which on none is too slow until this one

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        return self._best(since, first, stop, 0)[0]

    def start(self, since: int, fix: int) -> int:
        """Return the place where the fastest path to a fix begins, the last of equals; its own place without a path."""
        speeds, starts = self._best(since, fix, fix + 1, 0)
        return int(self.grid.place[fix if speeds[0] == NONE else starts[0]])

    def sample(self) -> Found:
        """Return the paths between the middles of blocks."""
        large, blocks = self._levels[:2]
        starts, ends = _members(*self._near(large, *self._block_pairs(0, 0, len(self.travelled), 0), 0))
        exist = (starts < len(blocks.middles)) & (ends < len(blocks.middles))
        starts, ends = self._paths_between(0, blocks.middles[starts[exist]], blocks.middles[ends[exist]], 0)
        return Found(self._means(starts, ends), self.grid.place[starts], ends)

    def fastest(self, at_least: int, until: int) -> Found:
        stop = until + 1
        return self._found(0, 0, stop, at_least).and_also(self._found(0, stop, len(self.travelled), at_least + 1))

    def beyond(self, place: int, at_least: int) -> Found:
        first = int(np.searchsorted(self.grid.place, place, side="right"))
        reached = self.travelled[first - 1] + MAX_PATH * self.grid.frequency
        stop = min(np.searchsorted(self.unbroken, first), np.searchsorted(self.travelled, reached, side="right"))
        return self._found(place + 1, first, int(stop), at_least)

    def _found(self, since: int, first: int, stop: int, at_least: int) -> Found:
        speeds, starts = self._best(since, first, stop, at_least)
        found = np.flatnonzero(speeds != NONE)
        return Found(speeds[found], self.grid.place[starts[found]], first + found)

    def _best(self, since: int, first: int, stop: int, at_least: int) -> tuple[Speeds, Indices]:
        """Return the speed of the best path to each of the fixes `first` to `stop` - 1, and the last fix to begin it.

        It begins at place `since` or later. The speed is NONE if there is none that is at least so fast.
        """
        best = np.full(stop - first, NONE)  # speed and start in one number
        for starts, ends in self._paths(since, first, stop, at_least):
            np.maximum.at(best, ends - first, self._means(starts, ends) * len(self.travelled) + starts)
        return best // max(1, len(self.travelled)), best % max(1, len(self.travelled))

    def _means(self, starts: Indices, ends: Indices) -> Speeds:
        place, travelled = self.grid.place, self.travelled
        means: Speeds = (travelled[ends] - travelled[starts]) * self.grid.parts // (place[ends] - place[starts])
        return means

    def _apart(self, at: Indices, other: Indices) -> Metres:
        """Return the squared distances in m² on an earth that is flat around `at`."""
        east = (self.east[other] - self.east[at]) * np.cos(self.latitude[at])
        north = self.north[other] - self.north[at]
        squares: Metres = east * east + north * north
        return squares

    def _paths(self, since: int, first: int, stop: int, at_least: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield the start and end fixes of every path that counts and is at least so fast.

        It begins at place `since` or later, and ends at one of the fixes `first` to `stop` - 1.
        """
        if first >= stop:
            return
        for starts, ends in self._pairs(0, *self._block_pairs(since, first, stop, at_least), first, stop, at_least):
            yield self._paths_between(since, starts, ends, at_least)

    def _pairs(
        self, level: int, starts: Indices, ends: Indices, first: int, stop: int, at_least: int
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield the pairs of fixes in these pairs of blocks that are near enough, and others."""
        size = (*SIZES, 1)[level]
        exist = (starts * size < stop) & (ends * size < stop) & (ends * size + size > first)
        starts, ends = starts[exist], ends[exist]
        if size == 1:
            yield starts, ends
            return
        starts, ends = self._near(self._levels[level], starts, ends, at_least)
        for some in range(0, len(starts), PAIRS_AT_ONCE):
            pairs = slice(some, some + PAIRS_AT_ONCE)
            yield from self._pairs(level + 1, *_members(starts[pairs], ends[pairs]), first, stop, at_least)

    def _paths_between(self, since: int, starts: Indices, ends: Indices, at_least: int) -> tuple[Indices, Indices]:
        """Return those pairs of fixes between which is a path that counts and is at least so fast."""
        near = np.flatnonzero(self._apart(ends, starts) <= GATE * GATE)
        starts, ends = starts[near], ends[near]
        place, frequency = self.grid.place, self.grid.frequency
        path = self.travelled[ends] - self.travelled[starts]
        counts = (path >= MIN_PATH * frequency) & (path <= MAX_PATH * frequency)
        counts &= path * self.grid.parts >= at_least * (place[ends] - place[starts])
        counts &= (starts >= self.unbroken[ends]) & (place[starts] >= since)
        starts, ends = starts[counts], ends[counts]
        turned = _angle(self.course[starts], self.course[ends]) >= MIN_TURN
        return starts[turned], ends[turned]

    def _block_pairs(self, since: int, first: int, stop: int, at_least: int) -> tuple[Indices, Indices]:
        """Return pairs of blocks that hold the start and the end of every path that is long enough, and of others."""
        size, place, travelled = SIZES[0], self.grid.place, self.travelled
        frequency = self.grid.frequency
        blocks = np.arange(first // size, -(-stop // size))
        ends = np.maximum(blocks * size, first)
        earliest = np.searchsorted(travelled, travelled[ends] - MAX_PATH * frequency)
        earliest = np.maximum(np.maximum(earliest, self.unbroken[ends]), np.searchsorted(place, since))
        if at_least:
            longest = MAX_PATH * frequency * self.grid.parts // at_least  # places
            earliest = np.maximum(earliest, np.searchsorted(place, place[ends] - longest))
        ends = np.minimum(blocks * size + size, stop) - 1
        latest = np.searchsorted(travelled, travelled[ends] - MIN_PATH * frequency, side="right") - 1
        possible = latest >= earliest
        lowest = earliest[possible] // size
        counts = latest[possible] // size - lowest + 1
        start_blocks = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
        return start_blocks, np.repeat(blocks[possible], counts)

    def _near(self, blocks: _Blocks, starts: Indices, ends: Indices, at_least: int) -> tuple[Indices, Indices]:
        """Return the pairs of blocks that may hold both ends of a path that counts and is at least so fast."""
        place, travelled, frequency = self.grid.place, self.travelled, self.grid.frequency
        turn = _angle(blocks.course[starts], blocks.course[ends]) + blocks.bend[starts] + blocks.bend[ends]
        may_turn = turn >= MIN_TURN
        starts, ends = starts[may_turn], ends[may_turn]
        # The longest path between two blocks leads from the first fix of one to the last of the other.
        outer, inner = (blocks.firsts[starts], blocks.lasts[ends]), (blocks.lasts[starts], blocks.firsts[ends])
        longest = travelled[outer[1]] - travelled[outer[0]]
        may = longest >= MIN_PATH * frequency
        may &= travelled[inner[1]] - travelled[inner[0]] <= MAX_PATH * frequency
        if at_least:
            span = place[inner[1]] - place[inner[0]]
            may &= np.minimum(longest, MAX_PATH * frequency) * self.grid.parts >= at_least * span
        starts, ends = starts[may], ends[may]
        # By the narrowest parallel of the track nothing is farther apart than it is, wherever its positions jump to.
        one, other = blocks.middles[ends], blocks.middles[starts]
        to_north, to_east = self.north[other] - self.north[one], (self.east[other] - self.east[one]) * self.narrowest
        reach = GATE + ROUNDING + blocks.radius[starts] + blocks.radius[ends]
        near = np.flatnonzero(to_north * to_north + to_east * to_east <= reach * reach)
        return starts[near], ends[near]

    @cached_property
    def _levels(self) -> tuple[_Blocks, ...]:
        """Blocks of all SIZES, of one fix or more. A block reaches as far, and bends as much, as the parts of it do."""
        count = len(self.course)
        levels: list[_Blocks] = []
        parts = _Parts(self.north, self.east, self.course, np.zeros(count), np.zeros(count, np.int64))
        for size in reversed(SIZES):
            firsts = np.arange(0, count, size)
            lasts = np.minimum(firsts + size, count) - 1
            middles = np.minimum(firsts + size // 2, count - 1)
            north, east = self.north[middles], self.east[middles]
            parts = parts.joined(north, east, self.narrowest, self.course[middles])
            levels.insert(0, _Blocks(firsts, lasts, middles, parts.radius, parts.course, parts.bend))
        return tuple(levels)


def over_alpha(grid: Grid) -> AlphaWindows:
    """Return the fastest paths of 100 to 500 m whose ends are within 50 m, with courses at least 90° apart.

    The distance excludes the fix at the start; the time is that between both fixes. This is the rule of the device
    since firmware 3118, at the full rate. A track without courses has no alpha.
    """
    latitude = np.radians(grid.latitude)
    following = np.arange(1, len(grid.speed) + 1)
    return AlphaWindows(
        grid=grid,
        travelled=grid.sailed[1:],
        north=latitude * EARTH_RADIUS,
        east=np.radians(grid.longitude) * EARTH_RADIUS,
        latitude=latitude,
        narrowest=float(np.cos(min(np.fmax.reduce(np.abs(latitude), initial=0.0), np.pi / 2))),
        course=grid.course % (2 * HALF_TURN),
        unbroken=np.maximum.accumulate(np.where(grid.speed < MIN_SPEED, following, 0)),
    )


def _members(starts: Indices, ends: Indices) -> tuple[Indices, Indices]:
    """Pair each of the PARTS of one block with each of the other; not all of those of the last block exist."""
    order = np.arange(PARTS)
    of_starts = np.repeat((starts[:, None] * PARTS + order).ravel(), PARTS)
    of_ends = np.tile(ends[:, None] * PARTS + order, PARTS).ravel()
    return of_starts, of_ends


def _angle(course: Indices, other: Indices) -> Indices:
    """Return the angle between two courses, 0 to 180 degrees."""
    angle: Indices = HALF_TURN - np.abs(HALF_TURN - np.abs(course - other))
    return angle
