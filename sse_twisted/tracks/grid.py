"""The fixes of a track on a regular grid of time, where a window is a range of places."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from sse_twisted.tracks.format import Degrees, Fixes, Mask, Rules

Speeds = NDArray[np.int64]  # mm/s, one for each fix of a grid
Places = NDArray[np.int64]  # on a grid: 0 for its start, 1 for the time at which the next fix is due

MAX_SPAN: Final = 96 * 3600  # seconds; bounds the memory if a device loses its clock


class Grid(Struct, frozen=True, eq=False, dict=True):
    """A place for each fix that the receiver can have made, and the usable fixes that the file holds.

    Memory grows with the fixes only, not with the places.
    """

    start: int  # ms UTC of place 0
    frequency: int  # places per second
    length: int  # places
    place: Places  # of each fix, ascending
    speed: Speeds
    moving: Speeds  # the speed where it exceeds its own error, else 0
    course: NDArray[np.int64]  # 1e-5 degrees; 0 where the track has none
    latitude: Degrees
    longitude: Degrees
    parts: int = 1  # means are rounded down to 1/parts of a mm/s

    @cached_property
    def sailed(self) -> Speeds:
        """Running total of the speeds (mm/s): before the first fix, before the second, … after the last."""
        return np.concatenate([[0], np.cumsum(self.speed)])

    @cached_property
    def moved(self) -> Speeds:
        """Running total of `moving`, as `sailed`."""
        return np.concatenate([[0], np.cumsum(self.moving)])

    def time(self, place: int) -> int:
        """Return the time of a place in ms UTC."""
        return self.start + place * 1000 // self.frequency

    def places(self, second: int) -> tuple[int, int]:
        """Return the first place of a UTC second and the place after its last; they are equal outside the grid."""
        since = second * 1000 - self.start
        first, stop = (-(-milliseconds * self.frequency // 1000) for milliseconds in (since, since + 1000))
        return min(max(0, first), self.length), min(max(0, stop), self.length)

    def fixes(self, first: int, stop: int) -> tuple[int, int]:
        """Return the index of the first fix at places `first` to `stop` - 1, and the index after the last."""
        bounds = np.searchsorted(self.place, [first, stop])
        return int(bounds[0]), int(bounds[1])

    def before(self, places: Places) -> NDArray[np.int64]:
        """Return the number of fixes before each of these places."""
        count = len(self.place)
        if not count or self.place[-1] - self.place[0] >= count:
            return np.searchsorted(self.place, places)
        since: NDArray[np.int64] = places - self.place[0]  # none is missing: far faster than a search
        return since.clip(0, count)


def usable(fixes: Fixes, rules: Rules) -> Mask:
    """Tell for each fix whether the device counts it. A column that the track does not have excludes nothing."""
    mask = np.ones(len(fixes), np.bool_)
    if fixes.fix is not None:
        mask &= fixes.fix >= rules.min_fix
    if fixes.satellites is not None:
        mask &= fixes.satellites >= rules.min_satellites
    if fixes.speed_error is not None:
        mask &= fixes.speed_error <= rules.max_speed_error
    return mask


def on_grid(fixes: Fixes, frequency: int, rules: Rules) -> Grid:
    """Put the usable fixes on a grid of `frequency` places per second, from the earliest to the latest.

    Of two fixes for one place the later in the file counts. Raises ValueError if they span more than MAX_SPAN.
    """
    counted = usable(fixes, rules)
    which: slice | NDArray[np.intp] = slice(None)
    if not rules.unusable_stands and not counted.all():
        which = np.flatnonzero(counted)
    time = fixes.time[which]
    start = int(time.min()) if len(time) else 0
    elapsed = time - start
    if elapsed.max(initial=0) > MAX_SPAN * 1000 or elapsed.min(initial=0) < 0:  # negative where it overflows
        raise ValueError(f"fixes more than {MAX_SPAN:,} s after the earliest")
    place = (elapsed * frequency + 500) // 1000
    if not (np.diff(place) > 0).all():
        last = len(place) - 1 - np.unique(place[::-1], return_index=True)[1]
        place, which = place[last], np.arange(len(fixes))[which][last]
    speed = np.where(counted[which], fixes.speed[which], 0).astype(np.int64)
    return Grid(
        start=start,
        frequency=frequency,
        length=int(place[-1]) + 1 if len(place) else 0,
        place=place,
        speed=speed,
        moving=speed if fixes.speed_error is None else np.where(speed > fixes.speed_error[which], speed, 0),
        course=np.zeros_like(speed) if fixes.course is None else fixes.course[which].astype(np.int64),
        latitude=fixes.latitude[which],
        longitude=fixes.longitude[which],
        parts=rules.parts,
    )


def widened(grid: Grid, start: int, end: int) -> Grid:
    """Return the grid with empty places before and after it, so that it reaches from `start` to `end` (ms UTC).

    It never becomes shorter, nor longer than MAX_SPAN.
    """
    longest = MAX_SPAN * grid.frequency
    before = min(max(0, (grid.start - start) * grid.frequency // 1000), max(0, longest - grid.length))
    after = (end - grid.start) * grid.frequency // 1000 + 1 - grid.length
    after = min(max(0, after), max(0, longest - grid.length - before))
    return replace(
        grid,
        start=grid.start - before * 1000 // grid.frequency,
        length=grid.length + before + after,
        place=grid.place + before,
    )


def filled(grid: Grid, first: int, stop: int, speed: int, known: Places) -> Grid:
    """Return places `first` to `stop` - 1, with fixes of one speed (mm/s) and no position at each empty place.

    The places in `known` stay empty: no usable fix was received there.
    """
    inside = slice(*grid.fixes(first, stop))
    at = grid.place[inside] - first
    present = np.ones(stop - first, np.bool_)
    present[known[(known >= first) & (known < stop)] - first] = False
    present[at] = True
    speeds, moving = (np.full(stop - first, speed, np.int64) for _ in range(2))
    speeds[at], moving[at] = grid.speed[inside], grid.moving[inside]
    place = np.flatnonzero(present)
    course, nowhere = np.zeros(len(place), np.int64), np.zeros(len(place))
    start, length = grid.time(first), stop - first
    return Grid(
        start, grid.frequency, length, place, speeds[place], moving[place], course, nowhere, nowhere, grid.parts
    )
