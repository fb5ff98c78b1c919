"""The five bests of a session, and those that a device picks: at most one of each run.

A device forgets what was before the end of a run: its own bests over a mile or an hour are often slower than what was
sailed. Those of a session are not shortened by runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.grid import Grid, Places, Speeds
from sse_twisted.tracks.windows import NONE, NOTHING, Found, Indices, Metric, over_distance, over_hour, over_seconds

MIN_RUN_SPEED: Final = 2572  # mm/s, 5 knots; reproduces firmware 3111 to 9004
SLOW_FIXES: Final = 3  # consecutive ones end a run; two fit the real files as well
KEPT: Final = 5
HOUR_STEP: Final = 64  # fixes whose hours are first compared as one

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


class Speed(Struct, frozen=True):
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
    firsts = np.searchsorted(grid.place, ends)
    return np.repeat(np.arange(len(ends) + 1), np.diff(firsts, prepend=0, append=len(grid.place)))


def best_windows(grid: Grid, metric: Metric, run: Places) -> tuple[Speed, ...]:
    """Return the fastest window of a grid, then four times the fastest that shares no fix and no run with those before.

    A window may reach back over the end of a run; it counts for the run in which it ends. Of equal ones, the earliest
    to end counts. A speed of 0 does not count. `run` is the result of `runs_of`.
    """
    if not len(run):
        return ()
    last = len(run) - 1
    most = min(KEPT, int(run[last]) + 1)
    some = _picked(grid, run, metric.sample(), lambda place: NOTHING)
    # The last of all windows is hardly better than that of a sample: faster, or as fast and earlier.
    at_least, until = (some[-1][0], some[-1][2]) if len(some) == most else (0, last)
    best = _picked(grid, run, metric.fastest(at_least, until), partial(metric.beyond, at_least=at_least))
    if at_least and (len(best) < most or (best[-1][0], -best[-1][2]) < (at_least, -until)):
        best = _picked(grid, run, metric.fastest(0, last), partial(metric.beyond, at_least=0))
    return tuple(_speed(grid, value, start, int(grid.place[fix])) for value, start, fix in best)


def _picked(grid: Grid, run: Places, found: Found, beyond: Callable[[int], Found]) -> list[tuple[int, int, int]]:
    """Return speed, first place and last fix of the bests among windows, and among those that begin beyond a best."""

    def free(windows: Found, start: int, fix: int) -> Found:
        ends = windows.ends
        is_apart = (grid.place[ends] < start) | (windows.starts > grid.place[fix])
        return windows[is_apart & (run[ends] != run[fix])]

    picked: list[tuple[int, int, int]] = []
    while len(picked) < KEPT and len(found.speeds) and found.speeds[best := int(found.speeds.argmax())] > 0:
        start, fix = int(found.starts[best]), int(found.ends[best])
        picked.append((int(found.speeds[best]), start, fix))
        found = free(found, start, fix)
        others = beyond(int(grid.place[fix]))
        if len(others.ends):
            for _, *each in picked:
                others = free(others, *each)
            found = found.and_also(others)
    return picked


def best_hours(grid: Grid) -> tuple[Speed, ...]:
    """Return the fastest 3600 s of a grid, then four times the fastest that shares no time with those before.

    Missing fixes, and fixes that may stand still, count as 0. An hour may begin and end at any place. An hour without
    movement does not count.
    """
    count = 3600 * grid.frequency
    free = _best_hour(grid, 0, grid.length)
    found: list[Speed] = []
    while free and len(found) < KEPT:
        hour = max(free)
        speed, start = hour[0] * grid.parts // count, -hour[1]
        if not speed:
            break
        found.append(_speed(grid, speed, start, start + count - 1))
        free.remove(hour)
        free += _best_hour(grid, hour[2], start) + _best_hour(grid, start + count, hour[3])
    return tuple(found)


def _best_hour(grid: Grid, since: int, until: int) -> list[tuple[int, int, int, int]]:
    """Return the speeds of the fastest hour inside places `since` to `until` - 1, summed up, minus its place, and both.

    An hour that ends with a fix is as fast as any other, unless it would begin before `since`.
    """
    count = 3600 * grid.frequency
    if until - since < count:
        return []
    first, stop = grid.fixes(since, until)
    if first == stop:
        return [(0, -since, since, until)]

    def hours(ends: Indices) -> tuple[Places, Speeds, Speeds]:
        starts = np.clip(grid.place[ends] + 1 - count, since, until - count)
        before, after = (grid.moved[grid.before(places)] for places in (starts, starts + count))
        return starts, before, after

    # No hour that ends with a fix between two others moves farther than from the start of the first to the second.
    blocks = np.arange(first, stop, HOUR_STEP)
    _, before, after = hours(np.append(blocks, stop - 1))
    fast = blocks[after[1:] - before[:-1] >= (after - before).max()]
    ends = (fast[:, None] + np.arange(HOUR_STEP)).ravel()
    starts, before, after = hours(ends[ends < stop])
    best = int((after - before).argmax())
    return [(int(after[best] - before[best]), -int(starts[best]), since, until)]


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
