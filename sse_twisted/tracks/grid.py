"""The fixes of a track on a regular grid of time, on which a window is a stretch of places."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from sse_twisted.tracks.oao.firmware import Rules
from sse_twisted.tracks.oao.layout import Frames

Speeds = NDArray[np.int64]  # mm/s, one for each fix of a grid
Places = NDArray[np.int64]  # of a grid: 0 for its start, 1 for the moment at which the next fix is due

MOTION: Final = Rules()
LONGEST: Final = 96 * 3600  # seconds; a device that loses its clock must not cost all speeds


@frozen(eq=False)
class Grid:
    """Places for all fixes that the receiver can have given, and the usable ones that it gave; takes no more memory
    than these.
    """

    start: int  # ms UTC of place 0
    frequency: int  # places a second
    length: int  # places
    place: Places  # of each fix, in order
    speed: Speeds
    moving: Speeds  # the speed where it is more than its own uncertainty, else 0
    heading: NDArray[np.int64]  # 1e-5 degrees
    latitude: NDArray[np.float64]  # radians
    longitude: NDArray[np.float64]
    parts: int = 1  # of a mm/s, in which means are given, rounded down

    @cached_property
    def sailed(self) -> Speeds:
        """Before the first fix, the second, … and behind the last, in mm/s summed over fixes."""
        return np.concatenate([[0], np.cumsum(self.speed)])

    def time(self, place: int) -> int:
        """The moment of a place, ms UTC."""
        return self.start + place * 1000 // self.frequency

    def second(self, place: int) -> int:
        """The UTC second of a place, rounded down as the device does."""
        return self.time(place) // 1000

    def places(self, second: int) -> tuple[int, int]:
        """The first place of a UTC second, and the place behind its last; the same where the grid has none of it."""
        since = second * 1000 - self.start
        first, stop = (-(-milliseconds * self.frequency // 1000) for milliseconds in (since, since + 1000))
        return min(max(0, first), self.length), min(max(0, stop), self.length)

    def fixes(self, first: int, stop: int) -> tuple[int, int]:
        """The number of the first fix at these places, and of the one behind the last."""
        bounds = np.searchsorted(self.place, [first, stop])
        return int(bounds[0]), int(bounds[1])


def usable(frames: Frames, rules: Rules = MOTION) -> NDArray[np.bool_]:
    """Say which frames the device counts for anything."""
    mask: NDArray[np.bool_] = frames["fix"] >= rules.least_fix
    mask &= frames["satellites"] >= rules.least_satellites
    mask &= frames["speed_accuracy"] <= rules.worst_speed_accuracy
    return mask


def on_grid(frames: Frames, frequency: int, rules: Rules = MOTION) -> Grid:
    """Put the frames that count on a grid of `frequency` places a second, from the earliest of them to the latest.

    Of two frames for one place the later counts. Raises ValueError where they span more than four days.
    """
    counted = usable(frames, rules)
    if rules.unusable_stands:
        frames = frames.copy()
        frames["speed"][~counted] = 0
    elif not counted.all():
        frames = frames[counted]
    utc = frames["utc"].astype(np.int64)
    start = int(utc.min()) if len(utc) else 0
    elapsed = utc - start
    if elapsed.max(initial=0) > LONGEST * 1000 or elapsed.min(initial=0) < 0:  # so large that it does not fit
        raise ValueError(f"fixes more than {LONGEST:,} s after the earliest")
    place = (elapsed * frequency + 500) // 1000
    if not (np.diff(place) > 0).all():
        last = len(place) - 1 - np.unique(place[::-1], return_index=True)[1]
        frames, place = frames[last], place[last]
    speed = frames["speed"].astype(np.int64)
    return Grid(
        start=start,
        frequency=frequency,
        length=int(place[-1]) + 1 if len(place) else 0,
        place=place,
        speed=speed,
        moving=np.where(speed > frames["speed_accuracy"], speed, 0),
        heading=frames["heading"].astype(np.int64),
        latitude=np.radians(frames["latitude"] * 1e-7),
        longitude=np.radians(frames["longitude"] * 1e-7),
        parts=rules.parts,
    )


def widened(grid: Grid, start: int, end: int) -> Grid:
    """The grid with places without a fix before and behind it, so that it reaches from `start` to `end` (ms UTC).

    It is never made shorter, nor longer than four days.
    """
    longest = LONGEST * grid.frequency
    before = min(max(0, (grid.start - start) * grid.frequency // 1000), max(0, longest - grid.length))
    behind = (end - grid.start) * grid.frequency // 1000 + 1 - grid.length
    behind = min(max(0, behind), max(0, longest - grid.length - before))
    return evolve(
        grid,
        start=grid.start - before * 1000 // grid.frequency,
        length=grid.length + before + behind,
        place=grid.place + before,
    )


def filled(grid: Grid, first: int, stop: int, speed: int, known: Places) -> Grid:
    """The places from `first` up to the one before `stop`, with fixes of one speed in mm/s where there is none.

    Not at the places that are `known` to have none that counts. The fixes have no position.
    """
    begin, end = grid.fixes(first, stop)
    at = grid.place[begin:end] - first
    present = np.ones(stop - first, np.bool_)
    inside = known[(known >= first) & (known < stop)] - first
    present[inside] = False
    present[at] = True
    speeds, moving = (np.full(stop - first, speed, np.int64) for _ in range(2))
    speeds[at], moving[at] = grid.speed[begin:end], grid.moving[begin:end]
    place = np.flatnonzero(present)
    nowhere = np.zeros(len(place))
    return Grid(
        start=grid.time(first),
        frequency=grid.frequency,
        length=stop - first,
        place=place,
        speed=speeds[place],
        moving=moving[place],
        heading=nowhere.astype(np.int64),
        latitude=nowhere,
        longitude=nowhere,
        parts=grid.parts,
    )
