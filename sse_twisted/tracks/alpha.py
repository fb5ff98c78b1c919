"""Alpha 500: the mean speed over a path of up to 500 m that turns round and comes back to where it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid, Speeds
from sse_twisted.tracks.windows import NONE, Metric

LONGEST_PATH: Final = 500_000  # mm
SHORTEST_PATH: Final = 100_000  # mm; 164.8 m is the shortest that a device was seen to count
GATE: Final = 50.0  # m between the ends
HALF_TURN: Final = 18_000_000  # 1e-5 degrees
LEAST_TURN: Final = HALF_TURN // 2  # between the courses at both ends
SLOWEST: Final = 1000  # mm/s; a path with a slower fix does not count (firmware 3118 to 3176)
EARTH_RADIUS: Final = 6_371_009.0  # m

BLOCK: Final = 16  # fixes whose positions are first compared as one
BLOCKS_AT_ONCE: Final = 4096  # pairs of blocks, 256 pairs of fixes each: bounds the memory

Places = NDArray[np.int64]
Radians = NDArray[np.float64]


@frozen(eq=False)
class _Fixes:
    """The places of a grid that have a fix, and blocks of them in a row."""

    place: Places
    travelled: Places  # up to and with this fix, in mm/s summed over places
    heading: Places
    latitude: Radians
    longitude: Radians
    unbroken: Places  # the first fix from which on none is too slow
    middle: Places  # of each block
    radius: NDArray[np.float64]  # metres from the middle of each block to its farthest fix


def over_alpha(grid: Grid) -> Metric:
    """The fastest path of 100 to 500 m to each place from within 50 m of it, with the courses at least 90° apart.

    The path excludes the fix at its start, and its time is that between both fixes. So the device has it since firmware
    3118, at the full rate.
    """
    fixes = _fixes(grid)
    place, travelled = fixes.place, fixes.travelled

    def metric(since: int, first: int, stop: int) -> Speeds:
        speeds = np.full(stop - first, NONE)
        bounds = np.searchsorted(place, [since, first, stop])
        for starts, ends in _paths(fixes, grid.frequency, *bounds.tolist()):
            mean = (travelled[ends] - travelled[starts]) // (place[ends] - place[starts])
            np.maximum.at(speeds, place[ends] - first, mean)
        return speeds

    return metric


def _fixes(grid: Grid) -> _Fixes:
    place = np.flatnonzero(grid.present)
    speed, latitude, longitude = grid.speed[place], grid.latitude[place], grid.longitude[place]
    order = np.arange(len(place))
    middle = np.minimum(order[::BLOCK] + BLOCK // 2, len(place) - 1)
    from_middle = _apart(latitude, longitude, order, middle[order // BLOCK])
    return _Fixes(
        place=place,
        travelled=np.cumsum(speed),
        heading=grid.heading[place],
        latitude=latitude,
        longitude=longitude,
        unbroken=np.maximum.accumulate(np.where(speed < SLOWEST, order + 1, 0)),
        middle=middle,
        radius=np.maximum.reduceat(from_middle, order[::BLOCK]),
    )


def _paths(fixes: _Fixes, frequency: int, since: int, first: int, stop: int) -> Iterator[tuple[Places, Places]]:
    """The fixes at the start and at the end of every path that counts and ends at fix first … stop - 1."""
    travelled = fixes.travelled[first:stop]
    earliest = np.searchsorted(fixes.travelled, travelled - LONGEST_PATH * frequency, side="left")
    earliest = np.maximum(np.maximum(earliest, since), fixes.unbroken[first:stop])
    latest = np.searchsorted(fixes.travelled, travelled - SHORTEST_PATH * frequency, side="right") - 1
    for start_blocks, end_blocks in _near_blocks(fixes, first, earliest, latest):
        starts, ends = _members(start_blocks, end_blocks)
        in_time = np.flatnonzero((ends >= first) & (ends < stop))
        starts, ends = starts[in_time], ends[in_time]
        in_range = (starts >= earliest[ends - first]) & (starts <= latest[ends - first])
        starts, ends = starts[in_range], ends[in_range]
        turned = _angle(fixes.heading[starts] - fixes.heading[ends]) >= LEAST_TURN
        starts, ends = starts[turned], ends[turned]
        back = _apart(fixes.latitude, fixes.longitude, ends, starts) <= GATE
        yield starts[back], ends[back]


def _near_blocks(fixes: _Fixes, first: int, earliest: Places, latest: Places) -> Iterator[tuple[Places, Places]]:
    """Pairs of blocks of which some fixes can be the start and the end of a path."""
    possible = np.flatnonzero(latest >= earliest)
    if not len(possible):
        return
    end_blocks, begins = np.unique((first + possible) // BLOCK, return_index=True)
    lowest = np.minimum.reduceat(earliest[possible], begins) // BLOCK
    counts = np.maximum.reduceat(latest[possible], begins) // BLOCK - lowest + 1
    start_blocks = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
    end_blocks = np.repeat(end_blocks, counts)
    apart = _apart(fixes.latitude, fixes.longitude, fixes.middle[end_blocks], fixes.middle[start_blocks])
    # One metre for the cosine, which is not the same all over a block.
    near = np.flatnonzero(apart <= GATE + 1 + fixes.radius[start_blocks] + fixes.radius[end_blocks])
    for some in range(0, len(near), BLOCKS_AT_ONCE):
        pairs = near[some : some + BLOCKS_AT_ONCE]
        yield start_blocks[pairs], end_blocks[pairs]


def _members(start_blocks: Places, end_blocks: Places) -> tuple[Places, Places]:
    """Every fix of each start block with every fix of the end block beside it."""
    within = np.arange(BLOCK)
    starts = np.repeat(start_blocks[:, None] * BLOCK + within, BLOCK)
    ends = np.tile(end_blocks[:, None] * BLOCK + within, BLOCK).ravel()
    return starts, ends


def _apart(latitude: Radians, longitude: Radians, at: Places, other: Places) -> NDArray[np.float64]:
    """Metres between fixes on an earth that is flat around `at`."""
    east = (longitude[other] - longitude[at]) * np.cos(latitude[at])
    apart: NDArray[np.float64] = np.hypot(east, latitude[other] - latitude[at]) * EARTH_RADIUS
    return apart


def _angle(difference: Places) -> Places:
    """Between 0 and 180 degrees, of a difference of courses."""
    angle: Places = np.abs((difference + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN)
    return angle
