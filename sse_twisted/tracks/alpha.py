"""Alpha 500: the mean speed over a path of up to 500 m that turns round and comes back to where it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Places, Speeds
from sse_twisted.tracks.windows import NONE

LONGEST_PATH: Final = 500_000  # mm
SHORTEST_PATH: Final = 100_000  # mm; 164.8 m is the shortest that a device was seen to count
GATE: Final = 50.0  # m between the ends
HALF_TURN: Final = 18_000_000  # 1e-5 degrees
LEAST_TURN: Final = HALF_TURN // 2  # between the courses at both ends
SLOWEST: Final = 1000  # mm/s; a path with a slower fix does not count (firmware 3118 to 3176)
EARTH_RADIUS: Final = 6_371_009.0  # m

BLOCK: Final = 16  # fixes whose positions are first compared as one
BLOCKS_AT_ONCE: Final = 512  # pairs of blocks, 256 pairs of fixes each: what stays in the cache, and holds up nobody

Fixes = NDArray[np.int64]  # by their numbers
Metres = NDArray[np.float64]


@frozen(eq=False)
class _Fixes:
    """The fixes of a grid, and blocks of them in a row."""

    place: Places
    travelled: Fixes  # up to and with this fix, in mm/s summed over places
    heading: Fixes
    north: Metres  # of the equator
    east: Metres  # of Greenwich, along the equator
    shrinking: NDArray[np.float64]  # of a metre to the east, from the equator to here
    earliest: Fixes  # the first fix at which a path to this one can begin
    latest: Fixes  # the last one; before the earliest if there is none
    middle: Fixes  # of each block
    radius: Metres  # from the middle of each block to its farthest fix

    def apart(self, at: Fixes, other: Fixes) -> Metres:
        """Square metres between fixes on an earth that is flat around `at`."""
        east = (self.east[other] - self.east[at]) * self.shrinking[at]
        north = self.north[other] - self.north[at]
        squares: Metres = east * east + north * north
        return squares


@frozen(eq=False)
class AlphaWindows:
    """The fastest path to each place; searched for when it is asked for."""

    fixes: _Fixes
    parts: int

    def __call__(self, since: int, first: int, stop: int) -> Speeds:
        """Those of the paths that begin at place `since` or later and end at fix first, first + 1, … stop - 1."""
        speeds = np.full(stop - first, NONE)
        for starts, ends in self._paths(since, first, stop):
            np.maximum.at(speeds, ends - first, self._means(starts, ends))
        return speeds

    def start(self, since: int, fix: int) -> int:
        """The place where the fastest path to a fix begins, the last if there are several; its own without one."""
        fastest = (NONE, fix)
        for starts, ends in self._paths(since, fix, fix + 1):
            fastest = max([fastest, *zip(self._means(starts, ends).tolist(), starts.tolist(), strict=True)])
        return int(self.fixes.place[fastest[1]])

    def _paths(self, since: int, first: int, stop: int) -> Iterator[tuple[Fixes, Fixes]]:
        return _paths(self.fixes, int(np.searchsorted(self.fixes.place, since)) if since else 0, first, stop)

    def _means(self, starts: Fixes, ends: Fixes) -> Fixes:
        place, travelled = self.fixes.place, self.fixes.travelled
        means: Fixes = (travelled[ends] - travelled[starts]) * self.parts // (place[ends] - place[starts])
        return means


def over_alpha(grid: Grid) -> AlphaWindows:
    """The fastest path of 100 to 500 m to each place from within 50 m of it, with the courses at least 90° apart.

    The path excludes the fix at its start, and its time is that between both fixes. So the device has it since firmware
    3118, at the full rate.
    """
    return AlphaWindows(_fixes(grid), grid.parts)


def _fixes(grid: Grid) -> _Fixes:
    place, speed, latitude = grid.place, grid.speed, grid.latitude
    order = np.arange(len(place))
    middle = np.minimum(order[::BLOCK] + BLOCK // 2, len(place) - 1)
    travelled = grid.sailed[1:]
    unbroken = np.maximum.accumulate(np.where(speed < SLOWEST, order + 1, 0))
    longest = np.searchsorted(travelled, travelled - LONGEST_PATH * grid.frequency, side="left")
    shortest = np.searchsorted(travelled, travelled - SHORTEST_PATH * grid.frequency, side="right")
    fixes = _Fixes(
        place=place,
        travelled=travelled,
        heading=grid.heading,
        north=latitude * EARTH_RADIUS,
        east=grid.longitude * EARTH_RADIUS,
        shrinking=np.cos(latitude),
        earliest=np.maximum(longest, unbroken),
        latest=shortest - 1,
        middle=middle,
        radius=np.zeros(len(middle)),
    )
    from_middle = fixes.apart(order, middle[order // BLOCK])
    return evolve(fixes, radius=np.sqrt(np.maximum.reduceat(from_middle, order[::BLOCK])))


def _paths(fixes: _Fixes, since: int, first: int, stop: int) -> Iterator[tuple[Fixes, Fixes]]:
    """The fixes at the start and at the end of every path that counts and ends at fix first … stop - 1."""
    latest = fixes.latest[first:stop]
    earliest = np.maximum(fixes.earliest[first:stop], since)
    possible = np.flatnonzero(latest >= earliest)
    if not len(possible):
        return
    for start_blocks, end_blocks in _near_blocks(fixes, first + possible, earliest[possible], latest[possible]):
        starts, ends = _members(start_blocks, end_blocks)
        in_time = np.flatnonzero((ends >= first) & (ends < stop))
        starts, ends = starts[in_time], ends[in_time]
        in_range = (starts >= earliest[ends - first]) & (starts <= latest[ends - first])
        starts, ends = starts[in_range], ends[in_range]
        turned = _angle(fixes.heading[starts] - fixes.heading[ends]) >= LEAST_TURN
        starts, ends = starts[turned], ends[turned]
        back = fixes.apart(ends, starts) <= GATE * GATE
        yield starts[back], ends[back]


def _near_blocks(fixes: _Fixes, ends: Fixes, earliest: Fixes, latest: Fixes) -> Iterator[tuple[Fixes, Fixes]]:
    """Pairs of blocks of which some fixes can be the start and the end of a path to one of the `ends`."""
    end_blocks = ends // BLOCK
    begins = np.flatnonzero(np.diff(end_blocks, prepend=-1))
    end_blocks = end_blocks[begins]
    lowest = np.minimum.reduceat(earliest, begins) // BLOCK
    counts = np.maximum.reduceat(latest, begins) // BLOCK - lowest + 1
    start_blocks = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
    end_blocks = np.repeat(end_blocks, counts)
    apart = fixes.apart(fixes.middle[end_blocks], fixes.middle[start_blocks])
    # One metre for the cosine, which is not the same all over a block.
    reach = GATE + 1 + fixes.radius[start_blocks] + fixes.radius[end_blocks]
    near = np.flatnonzero(apart <= reach * reach)
    for some in range(0, len(near), BLOCKS_AT_ONCE):
        pairs = near[some : some + BLOCKS_AT_ONCE]
        yield start_blocks[pairs], end_blocks[pairs]


def _members(start_blocks: Fixes, end_blocks: Fixes) -> tuple[Fixes, Fixes]:
    """Every fix of each start block with every fix of the end block beside it."""
    within = np.arange(BLOCK)
    starts = np.repeat(start_blocks[:, None] * BLOCK + within, BLOCK)
    ends = np.tile(end_blocks[:, None] * BLOCK + within, BLOCK).ravel()
    return starts, ends


def _angle(difference: Fixes) -> Fixes:
    """Between 0 and 180 degrees, of a difference of courses."""
    angle: Fixes = np.abs((difference + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN)
    return angle
