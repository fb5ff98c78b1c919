"""The usable fixes of a track in the units of a plot, thinned to what is visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sse_twisted.tracks.alpha import EARTH_RADIUS
from sse_twisted.tracks.format import KNOT, Track
from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.spans import breaks, writable

MAX_PLACE: Final = 300_000  # ms; a longer window is not one place

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Mark(Struct, frozen=True):
    """A best run: its discipline, the start and end of its window (ms UTC), and its speed in knots."""

    label: str
    start: int
    end: int
    value: float

    @property
    def in_one_place(self) -> bool:
        """Whether the window is short enough to be shown as a place; an hour is not."""
        return self.end - self.start <= MAX_PLACE


class Course(Struct, frozen=True, eq=False):
    """The usable fixes in order of time: ms UTC, knots, and metres from the first fix.

    `broken` tells where a fix does not follow the one before.
    """

    time: NDArray[np.int64]
    speed: Floats
    east: Floats
    north: Floats
    broken: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def within(self, mark: Mark) -> Indices:
        """Return the fixes in the window of a mark."""
        first, stop = np.searchsorted(self.time, [mark.start, mark.end + 1])
        return np.arange(first, stop)

    def placed(self, marks: Sequence[Mark]) -> list[tuple[int, Indices]]:
        """Return the number and the fixes of each mark that is in one place and has fixes."""
        found = ((number, self.within(mark)) for number, mark in enumerate(marks, 1) if mark.in_one_place)
        return [(number, fixes) for number, fixes in found if len(fixes)]


def written(x: Floats, y: Floats) -> list[str]:
    """Return the points of a path as text."""
    return [f"{east:.1f} {south:.1f}" for east, south in zip(x.tolist(), y.tolist(), strict=True)]


def course_of(track: Track) -> Course:
    """Return the course of a track; unusable fixes are missing in it."""
    kept = np.flatnonzero(usable(track.fixes, track.rules) & writable(track.fixes))
    kept = kept[np.argsort(track.fixes.time[kept], kind="stable")]
    time, latitude, longitude = track.fixes.time[kept], track.fixes.latitude[kept], track.fixes.longitude[kept]
    first = (latitude[:1].sum(), longitude[:1].sum())
    eastward = (longitude - first[1] + 180) % 360 - 180  # also across the date line
    return Course(
        time=time,
        speed=track.fixes.speed[kept] / KNOT,
        east=np.radians(eastward) * EARTH_RADIUS * np.cos(np.radians(first[0])),
        north=np.radians(latitude - first[0]) * EARTH_RADIUS,
        broken=breaks(time),
    )


def extremes(values: Floats, starts: Indices) -> Indices:
    """Return the indices of the first, last, lowest and highest of each group of values; groups begin at `starts`."""
    stops = np.append(starts[1:], len(values))
    ranked = np.lexsort((values, np.repeat(starts, stops - starts)))
    lasts = stops - 1
    return np.unique(np.concatenate([starts, lasts, ranked[starts], ranked[lasts]]))
