"""What of a track a plot shows: its usable fixes in local units, thinned to what can be seen."""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.oao.layout import KNOT, Frames
from sse_twisted.tracks.spans import breaks, writable

EARTH: Final = 6_371_009.0  # metres, its radius as the device has it
LONGEST_PLACE: Final = 300_000  # ms

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@frozen
class Mark:
    """A best run: what it is the best of, where its window begins and ends (ms UTC), and its speed in knots."""

    label: str
    start: int
    end: int
    value: float

    @property
    def in_one_place(self) -> bool:
        """Whether the window is short enough to be pointed at; an hour is everywhere."""
        return self.end - self.start <= LONGEST_PLACE


@frozen(eq=False)
class Course:
    """The usable fixes in order of time: ms UTC, knots, and metres from the first of them.

    `broken` says where a fix does not follow the one before.
    """

    time: NDArray[np.int64]
    speed: Floats
    east: Floats
    north: Floats
    broken: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def within(self, mark: Mark) -> Indices:
        """The fixes in the window of a mark."""
        first, stop = np.searchsorted(self.time, [mark.start, mark.end + 1])
        return np.arange(first, stop)


def course_of(frames: Frames) -> Course:
    """Take the fixes that count; unusable ones are as if missing."""
    frames = frames[usable(frames) & writable(frames)]
    frames = frames[np.argsort(frames["utc"], kind="stable")]
    latitude, longitude = frames["latitude"] / 1e7, frames["longitude"] / 1e7
    first = (latitude[:1].sum(), longitude[:1].sum())
    eastward = (longitude - first[1] + 180) % 360 - 180  # across the date line as well
    return Course(
        time=frames["utc"].astype(np.int64),
        speed=frames["speed"] / KNOT,
        east=np.radians(eastward) * EARTH * np.cos(np.radians(first[0])),
        north=np.radians(latitude - first[0]) * EARTH,
        broken=breaks(frames),
    )


def extremes(values: Floats, starts: Indices) -> Indices:
    """The first, last, lowest and highest of each group of values, in their order; groups begin at `starts`."""
    if not len(values):
        return np.empty(0, np.intp)
    group = np.zeros(len(values), np.intp)
    group[starts[1:]] = 1
    group = np.cumsum(group)
    ranked = np.lexsort((values, group))
    lasts = np.append(starts[1:], len(values)) - 1
    return np.unique(np.concatenate([starts, lasts, ranked[starts], ranked[lasts]]))
