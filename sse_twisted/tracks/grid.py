"""The fixes of a track on a regular grid of time, on which a window is a slice."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from sse_twisted.tracks.firmware import Rules
from sse_twisted.tracks.layout import Frames

Speeds = NDArray[np.int64]  # mm/s, one for each place of a grid

MOTION: Final = Rules()
LONGEST: Final = 96 * 3600  # seconds; a device that loses its clock must not cost all memory
_COLUMNS: Final = ("present", "speed", "moving", "heading", "latitude", "longitude")


@frozen(eq=False)
class Grid:
    """One place for each fix that the receiver can have given; places without a usable one hold zeros."""

    start: int  # ms UTC of place 0
    frequency: int  # places a second
    present: NDArray[np.bool_]
    speed: Speeds
    moving: Speeds  # the speed where it is more than its own uncertainty, else 0
    heading: NDArray[np.int64]  # 1e-5 degrees
    latitude: NDArray[np.float64]  # radians
    longitude: NDArray[np.float64]
    parts: int = 1  # of a mm/s, in which means are given, rounded down

    def __len__(self) -> int:
        return len(self.speed)

    @cached_property
    def fixes(self) -> NDArray[np.intp]:
        """The places that have a fix."""
        return np.flatnonzero(self.present)

    @cached_property
    def sailed(self) -> Speeds:
        """Before the first fix, the second, … and behind the last, in mm/s summed over fixes."""
        return np.concatenate([[0], np.cumsum(self.speed[self.fixes])])

    @cached_property
    def travelled(self) -> Speeds:
        """Up to place 0, 1, … n, in mm/s summed over places: one more than there are places."""
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
        return min(max(0, first), len(self)), min(max(0, stop), len(self))


def usable(frames: Frames, rules: Rules = MOTION) -> NDArray[np.bool_]:
    """Say which frames the device counts for anything."""
    mask: NDArray[np.bool_] = frames["fix"] >= rules.least_fix
    mask &= frames["satellites"] >= rules.least_satellites
    mask &= frames["speed_accuracy"] <= rules.worst_speed_accuracy
    return mask


def on_grid(frames: Frames, frequency: int, rules: Rules = MOTION) -> Grid:
    """Put the frames that count on a grid of `frequency` places a second that starts at the first of them.

    Of two frames for one place the later counts. Raises ValueError where they span more than four days, or one is from
    before the first.
    """
    counted = usable(frames, rules)
    if rules.unusable_stands:
        frames = frames.copy()
        frames["speed"][~counted] = 0
    else:
        frames = frames[counted]
    utc = frames["utc"].astype(np.int64)
    start = int(utc[0]) if len(utc) else 0
    elapsed = utc - start
    if elapsed.min(initial=0) < 0 or elapsed.max(initial=0) > LONGEST * 1000:
        raise ValueError(f"fixes from before the first or more than {LONGEST:,} s after it")
    places = (elapsed * frequency + 500) // 1000
    count = int(places.max(initial=-1)) + 1

    def column(values: NDArray[Any]) -> NDArray[Any]:
        spread = np.zeros(count, values.dtype)
        spread[places] = values
        return spread

    speed = frames["speed"].astype(np.int64)
    return Grid(
        start=start,
        frequency=frequency,
        present=column(np.ones(len(frames), np.bool_)),
        speed=column(speed),
        moving=column(np.where(speed > frames["speed_accuracy"], speed, 0)),
        heading=column(frames["heading"].astype(np.int64)),
        latitude=column(np.radians(frames["latitude"] * 1e-7)),
        longitude=column(np.radians(frames["longitude"] * 1e-7)),
        parts=rules.parts,
    )


def widened(grid: Grid, start: int, end: int) -> Grid:
    """The grid with places without a fix before and behind it, so that it reaches from `start` to `end` (ms UTC).

    It is never made shorter, nor longer than four days.
    """
    longest = LONGEST * grid.frequency
    before = min(max(0, (grid.start - start) * grid.frequency // 1000), max(0, longest - len(grid)))
    behind = (end - grid.start) * grid.frequency // 1000 + 1 - len(grid)
    behind = min(max(0, behind), max(0, longest - len(grid) - before))

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        return np.pad(values, (before, behind))

    columns: dict[str, Any] = {name: wide(getattr(grid, name)) for name in _COLUMNS}
    return evolve(grid, start=grid.start - before * 1000 // grid.frequency, **columns)


def part(grid: Grid, first: int, stop: int) -> Grid:
    """The places from `first` on, up to the one before `stop`."""
    columns: dict[str, Any] = {name: getattr(grid, name)[first:stop] for name in _COLUMNS}
    return evolve(grid, start=grid.time(first), **columns)


def filled(grid: Grid, speed: int, missing: NDArray[np.bool_]) -> Grid:
    """The grid with fixes of one speed in mm/s at the places that are `missing`; they are nowhere."""
    return evolve(
        grid,
        present=grid.present | missing,
        speed=np.where(missing, speed, grid.speed),
        moving=np.where(missing, speed, grid.moving),
    )
