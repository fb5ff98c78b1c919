"""The results of a track, from its fixes alone: speeds by the field's own definitions, distance and time.

The definitions of windows are those of the device (see `windows` and `alpha`); those of 100 m and 250 m, which it does
not show, follow them. Speeds are whole mm/s, as on the device. Unlike the device's, a best may begin in an earlier run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.bests import Measures, Speed, best_hours, best_windows, distance, run_ends, runs_of
from sse_twisted.tracks.format import KNOT, Alpha, Mask, Rules, Times
from sse_twisted.tracks.grid import MAX_SPAN, Grid

SPEEDS: Final = ("2s", "10s", "500m", "alpha500", "1852m", "1h", "1s", "100m", "250m")  # the most important first
NEVER: Final = 1 << 53  # ms; sums with later times would overflow


class Session(Struct, frozen=True):
    """The five best of each of SPEEDS (see `bests`); `maximum` in mm/s, `distance` in mm, times in ms UTC.

    `moving` is the time in ms of the fixes that certainly move.
    """

    bests: Mapping[str, tuple[Speed, ...]]
    maximum: int
    distance: int
    start: int
    end: int
    moving: int

    @property
    def five_by_ten(self) -> float | None:
        """The mean in mm/s of the five best 10 s; None with fewer than five runs."""
        best = [speed.value for speed in self.bests.get("10s", ())]
        return sum(best) / len(best) if len(best) == 5 else None


def knots(speed: float) -> float:
    """Convert a speed in mm/s to knots."""
    return speed / KNOT


def in_time(time: Times) -> Mask:
    """Tell for each fix whether it is of the session: within two days of the median, and not before the first such fix.

    After a jump of the clock, only the fixes with a wrong time are lost, not the track.
    """
    utc = np.minimum(time.view(np.uint64), NEVER).astype(np.int64)
    if not len(utc) or ((np.diff(utc) >= 0).all() and utc[-1] - utc[0] <= MAX_SPAN * 500 and utc[-1] < NEVER):
        return np.ones(len(utc), np.bool_)
    near: Mask = np.abs(utc - int(np.median(utc))) <= MAX_SPAN * 500
    near &= utc < NEVER
    near &= utc >= int(utc[near][0]) if near.any() else near
    return near


def session_of(measures: Measures, rules: Rules, received: Grid | None = None) -> Session:
    """Compute the results from the fixes; an hour may lie anywhere in `received`, the grid of all that was received."""
    grid = measures.grid
    run = runs_of(grid, run_ends(grid, missing_is_slow=rules.logging_threshold > 0))
    names = [name for name in SPEEDS if name != "alpha500" or rules.alpha is not Alpha.NONE]
    return Session(
        bests={
            name: best_hours(received or grid) if name == "1h" else best_windows(grid, measures[name], run)
            for name in names
        },
        maximum=int(grid.speed.max(initial=0)),
        distance=distance(grid),
        start=grid.time(int(grid.place[0])) if grid.length else 0,
        end=grid.time(int(grid.place[-1])) if grid.length else 0,
        moving=int(np.count_nonzero(grid.moving)) * 1000 // grid.frequency,
    )
