"""The five bests of a session, and those that a device picks: at most one of each run.

A device forgets what was before the end of a run: its own bests over a mile or an hour are often slower than what was
sailed. Those of a session are not shortened by runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.grid import Grid, Places, Speeds
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
    """A mean speed in mm/s over a window, and the times of its first and last place (ms UTC)."""

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


def runs_of(grid: Grid, ends: Places) -> Places:
    """Return the number of the run to which each fix belongs; `ends` are those of `run_ends`."""
    return np.searchsorted(ends, grid.place, side="right")


def best_windows(grid: Grid, metric: Metric, run: Places) -> tuple[Speed, ...]:
    """Return the fastest window of a grid, then four times the fastest that shares no fix and no run with those before.

    A window may reach back over the end of a run; it counts for the run in which it ends. Of equal ones, the earliest
    to end counts. A speed of 0 does not count. `run` is the result of `runs_of`.
    """
    place = grid.place
    speeds = metric(0, 0, len(place)).copy()
    found: list[Speed] = []
    taken: list[int] = []  # where they end
    while len(found) < KEPT and len(speeds) and speeds[fix := int(speeds.argmax())] > 0:
        end = int(place[fix])
        start = metric.start(max((other + 1 for other in taken if other < end), default=0), fix)
        found.append(_speed(grid, int(speeds[fix]), start, end))
        taken.append(end)
        speeds[run == run[fix]] = NONE
        speeds[np.searchsorted(place, start) : fix + 1] = NONE
        reaching = slice(fix + 1, max(fix + 1, metric.first_beyond(end)))
        speeds[reaching] = np.minimum(speeds[reaching], metric(end + 1, reaching.start, reaching.stop))
    return tuple(found)


def best_hours(grid: Grid) -> tuple[Speed, ...]:
    """Return the fastest 3600 s of a grid, then four times the fastest that shares no time with those before.

    Missing fixes, and fixes that may stand still, count as 0. An hour may begin and end at any place. An hour without
    movement does not count.
    """
    count = 3600 * grid.frequency
    total = np.concatenate([[0], np.cumsum(grid.moving)])
    free = [(0, grid.length)]
    found: list[Speed] = []
    while len(found) < KEPT:
        hours = [(*_best_hour(grid, total, *part), part) for part in free if part[1] - part[0] >= count]
        moved, start, part = max(hours, key=lambda hour: (hour[0], -hour[1]), default=(0, 0, (0, 0)))
        speed = moved * grid.parts // count
        if not speed:
            break
        found.append(_speed(grid, speed, start, start + count - 1))
        free.remove(part)
        free += (part[0], start), (start + count, part[1])
    return tuple(found)


def _best_hour(grid: Grid, total: Speeds, since: int, until: int) -> tuple[int, int]:
    """Return the speeds of the fastest hour inside places `since` to `until` - 1, summed up, and its first place.

    An hour that ends with a fix is as fast as any other, unless it would begin before `since`.
    """
    count = 3600 * grid.frequency
    place = grid.place[slice(*grid.fixes(since, until))]
    starts = np.clip(place + 1 - count, since, until - count)
    if not len(starts):
        return 0, since
    moved = total[np.searchsorted(grid.place, starts + count)] - total[np.searchsorted(grid.place, starts)]
    best = int(moved.argmax())
    return int(moved[best]), int(starts[best])


def five_windows(grid: Grid, metric: Metric, ends: Places) -> tuple[Speed, ...]:
    """Return what a device picks: the fastest five of the best windows of all runs; the later of equal ones first.

    A window never reaches back over the end of a run that had a best. Where no window is complete at the end of a run,
    windows may reach back into it.
    """
    found: list[tuple[int, int, int]] = []  # speed, last fix, earliest start of its window
    since = first = 0
    stops = np.searchsorted(grid.place, ends)
    for place, stop in zip([*ends.tolist(), grid.length], [*stops.tolist(), len(grid.place)], strict=True):
        speeds = metric(since, first, stop)
        fix = int(speeds.argmax()) if len(speeds) else 0
        if len(speeds) and speeds[fix] != NONE:
            found.append((int(speeds[fix]), first + fix, since))
            since = place
        first = stop
    return tuple(
        _speed(grid, value, metric.start(since, fix), int(grid.place[fix]))
        for value, fix, since in sorted(found, reverse=True)[:KEPT]
    )


def _speed(grid: Grid, value: int, start: int, end: int) -> Speed:
    """Return a speed in mm/s from one in 1/`parts` of it, and the times of two places."""
    return Speed(value if grid.parts == 1 else value / grid.parts, grid.time(start), grid.time(end))


def distance(grid: Grid) -> int:
    """Return the millimetres travelled, without the fixes that may stand still.

    The rule is not quite the device's own: five complete real tracks differ by up to 0.05 %.
    """
    return int(grid.moving.sum()) // grid.frequency
