"""What somebody sailed, from the fixes alone: the speeds of the field's own definitions, distance and time.

The definitions are those of the device (see `windows`, `alpha` and `bests`), and those for 100 m and 250 m, which it
does not show, are alike. Speeds are whole mm/s, as the device has them; `knots`, `kmh` and `metres_per_second` convert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from sse_twisted.tracks.bests import Measures, Window, distance, five_windows, run_ends
from sse_twisted.tracks.grid import LONGEST, Grid
from sse_twisted.tracks.oao.firmware import Alpha, Rules
from sse_twisted.tracks.oao.header import Header
from sse_twisted.tracks.oao.layout import KNOT, Frames

SPEEDS: Final = ("2s", "10s", "500m", "alpha500", "1852m", "1h", "1s", "100m", "250m")  # the most looked-at first
NEVER: Final = 1 << 53  # ms; sums with later moments would not fit
MOST_FREQUENT: Final = 25  # Hz, of any GNSS chip in a logger


@frozen
class Speed:
    """A mean speed in mm/s over a window, from its first fix to its last (ms UTC); whole where the device has it so."""

    value: float
    start: int
    end: int


@frozen
class Session:
    """The five best of each of SPEEDS, one of each run; `maximum` in mm/s, `distance` in mm, times in ms UTC.

    `moving` is the time in ms for which there are fixes that are certainly not standing still.
    """

    bests: Mapping[str, tuple[Speed, ...]]
    maximum: int
    distance: int
    start: int
    end: int
    moving: int

    @property
    def five_by_ten(self) -> float | None:
        """The mean in mm/s of the five best 10 s, None with less than five runs."""
        best = [speed.value for speed in self.bests.get("10s", ())]
        return sum(best) / len(best) if len(best) == 5 else None

    def best(self, name: str) -> float | None:
        """The best in mm/s of one of SPEEDS or of "5x10s", None if there is none."""
        if name == "5x10s":
            return self.five_by_ten
        speeds = self.bests.get(name, ())
        return speeds[0].value if speeds else None


def knots(speed: float) -> float:
    """Of a speed in mm/s."""
    return speed / KNOT


def kmh(speed: float) -> float:
    """Of a speed in mm/s."""
    return speed * 0.0036


def metres_per_second(speed: float) -> float:
    """Of a speed in mm/s."""
    return speed / 1000


def frequency_of(header: Header | None, frames: Frames) -> int:
    """Fixes a second: what the header says, or the most common distance of the frames; 0 if neither tells."""
    if header is not None and 0 < header.frequency <= MOST_FREQUENT:
        return header.frequency
    steps = np.diff(frames["utc"].astype(np.int64))
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    return min(max(1, round(1000 / float(np.median(steps)))), MOST_FREQUENT)


def in_time(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are of one session: within two days of the middle one, and not before the first of those.

    A clock that jumped costs the frames of the wrong time, not the track.
    """
    utc = np.minimum(frames["utc"], NEVER).astype(np.int64)
    if not len(utc) or ((np.diff(utc) >= 0).all() and utc[-1] - utc[0] <= LONGEST * 500 and utc[-1] < NEVER):
        return np.ones(len(utc), np.bool_)
    near: NDArray[np.bool_] = np.abs(utc - int(np.median(utc))) <= LONGEST * 500
    near &= utc < NEVER
    near &= utc >= int(utc[near][0]) if near.any() else near
    return near


def session_of(measures: Measures, rules: Rules) -> Session:
    """What was sailed, by the rules of the firmware."""
    grid = measures.grid
    ends = run_ends(grid, missing_is_slow=rules.stored_from > 0)
    names = [name for name in SPEEDS if name != "alpha500" or rules.alpha is not Alpha.NONE]
    found = {name: five_windows(grid, measures[name], ends, forgets=rules.forgets) for name in names}
    bests = {name: tuple(_speed(grid, window) for window in windows) for name, windows in found.items()}
    return Session(
        bests=bests,
        maximum=int(grid.speed.max(initial=0)),
        distance=distance(grid),
        start=grid.time(int(grid.place[0])) if grid.length else 0,
        end=grid.time(int(grid.place[-1])) if grid.length else 0,
        moving=int(np.count_nonzero(grid.moving)) * 1000 // grid.frequency,
    )


def _speed(grid: Grid, window: Window) -> Speed:
    value = window.value if grid.parts == 1 else window.value / grid.parts
    return Speed(value, grid.time(window.first), grid.time(window.last))
