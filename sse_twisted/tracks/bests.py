"""The bests of a session as the device picks them: the best window of each run, and of these the fastest five."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.grid import Grid, Places
from sse_twisted.tracks.windows import NONE, Metric, over_distance, over_hour, over_seconds

MIN_RUN_SPEED: Final = 2572  # mm/s, 5 knots; reproduces firmware 3111 to 9004
SLOW_FIXES: Final = 3  # consecutive ones end a run; two fit the real files as well
KEPT: Final = 5

SECONDS: Final = {"1s": 1, "2s": 2, "10s": 10, "1h": 3600}
METRES: Final = {"100m": 100, "250m": 250, "500m": 500, "1000m": 1000, "1852m": 1852}
METRICS: Final[Mapping[str, Callable[[Grid], Metric]]] = {
    **{name: partial(over_seconds, seconds=seconds) for name, seconds in SECONDS.items()},
    **{name: partial(over_distance, metres=metres) for name, metres in METRES.items()},
    "1h": over_hour,
    "alpha500": over_alpha,
}


class Measures(dict[str, Metric]):
    """The windows of a grid by the names of METRICS; computes each kind on first use."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def __missing__(self, name: str) -> Metric:
        return self.setdefault(name, METRICS[name](self.grid))


@frozen
class Speed:
    """A mean speed in mm/s over a window, and the times of its first and last fix (ms UTC)."""

    value: float
    start: int
    end: int


def run_ends(grid: Grid, *, missing_is_slow: bool = False) -> Places:
    """Return the places before which a run ends: the SLOW_FIXES fixes before them are slower than MIN_RUN_SPEED.

    A faster turn does not end a run. With `missing_is_slow`, missing fixes are slow ones that were not stored.
    """
    slow = grid.speed < MIN_RUN_SPEED
    if missing_is_slow:
        fast = np.concatenate([[-1], grid.place[~slow], [grid.length]])
        return fast[:-1][np.diff(fast) > SLOW_FIXES] + 1 + SLOW_FIXES
    slowly = grid.place[slow]
    begins = np.flatnonzero(np.diff(slowly, prepend=-2) != 1)
    counts = np.diff(begins, append=len(slowly))
    return slowly[begins[counts >= SLOW_FIXES]] + SLOW_FIXES


def five_windows(grid: Grid, metric: Metric, ends: Places, *, forgets: bool = True) -> tuple[Speed, ...]:
    """Return the fastest five of the best windows of all runs of a grid; of two equal ones, the later comes first.

    If the device `forgets`, a window never reaches back over the end of a run that had a best. Where no window is
    complete at the end of a run, windows may reach back into it.
    """
    found: list[tuple[int, int, int]] = []  # speed, last fix, earliest start of its window
    since = first = 0
    stops = np.searchsorted(grid.place, ends)
    for place, stop in zip([*ends.tolist(), grid.length], [*stops.tolist(), len(grid.place)], strict=True):
        speeds = metric(since, first, stop)
        fix = int(speeds.argmax()) if len(speeds) else 0
        if len(speeds) and speeds[fix] != NONE:
            found.append((int(speeds[fix]), first + fix, since))
            since = place if forgets else 0
        first = stop
    return tuple(
        Speed(
            value=value if grid.parts == 1 else value / grid.parts,
            start=grid.time(metric.start(since, fix)),
            end=grid.time(int(grid.place[fix])),
        )
        for value, fix, since in sorted(found, reverse=True)[:KEPT]
    )


def distance(grid: Grid) -> int:
    """Return the millimetres travelled, without the fixes that may stand still.

    The rule is not quite the device's own: five complete real tracks differ by up to 0.05 %.
    """
    return int(grid.moving.sum()) // grid.frequency
