"""The bests of a session as the device picks them: one of each run, the fastest five."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.grid import Grid
from sse_twisted.tracks.header import Best
from sse_twisted.tracks.windows import NONE, Metric, over_distance, over_hour, over_seconds

SLOWEST_OF_A_RUN: Final = 2572  # mm/s, 5 knots: found in firmware 3111 to 9004
SLOW_FIXES: Final = 3  # in a row end a run; two fit the real files as well
KEPT: Final = 5


def metrics(grid: Grid) -> dict[str, Metric]:
    """Every window of the header, by its name there."""
    return {
        "1s": over_seconds(grid, 1),
        "2s": over_seconds(grid, 2),
        "10s": over_seconds(grid, 10),
        "500m": over_distance(grid, 500),
        "1852m": over_distance(grid, 1852),
        "1h": over_hour(grid),
        "alpha500": over_alpha(grid),
    }


def session_bests(grid: Grid, *, missing_is_slow: bool = False) -> dict[str, tuple[Best, ...]]:
    """The five bests over every window, as a header holds them.

    From the stored fixes of real event firmware (9002 to 9004, which leaves out the slow ones: `missing_is_slow`)
    the device's own five over 2 s, 10 s and 500 m come out in 72, 69 and 67 of 74 files; from those of plain firmware
    3109 and 3111, which are complete, all of 1 s, 2 s, 10 s, 500 m and 1852 m.
    """
    ends = run_ends(grid, missing_is_slow=missing_is_slow)
    return {name: five_best(grid, metric, ends) for name, metric in metrics(grid).items()}


def run_ends(grid: Grid, *, slowest: int = SLOWEST_OF_A_RUN, missing_is_slow: bool = False) -> NDArray[np.intp]:
    """The places before which a run ends: the last so many fixes before it were slower than `slowest` (mm/s).

    A turn does not end a run as long as it is faster than that.
    """
    slow = grid.speed < slowest
    if not missing_is_slow:
        slow &= grid.present
    counts = np.concatenate([[0], np.cumsum(slow)])
    ended = counts[SLOW_FIXES:] - counts[:-SLOW_FIXES] == SLOW_FIXES
    return np.flatnonzero(ended & ~np.concatenate([[False], ended[:-1]])) + SLOW_FIXES


def five_best(grid: Grid, metric: Metric, ends: NDArray[np.intp]) -> tuple[Best, ...]:
    """The fastest five of the best windows of all runs; of two that are equal, the later is first.

    Where no window is complete as a run ends, memory goes on into the next run; else it begins anew: a window never
    reaches back over the end of a run that had a best. A best is stamped with the second in which it was first reached.
    """
    bests = []
    since = first = 0
    for stop in (*ends.tolist(), len(grid)):
        speeds = metric(since, first, stop)
        place = int(speeds.argmax()) if len(speeds) else 0
        if len(speeds) and speeds[place] != NONE:
            bests.append(Best(grid.second(first + place), int(speeds[place])))
            since = stop
        first = stop
    return tuple(sorted(bests, key=lambda best: (best.value, best.second), reverse=True)[:KEPT])


def distance(grid: Grid) -> int:
    """Millimetres travelled, without the fixes that may stand still.

    From five complete real tracks it comes out within 0.05 % of what the device says: the rule is not quite its own.
    """
    return int(grid.moving.sum()) // grid.frequency
