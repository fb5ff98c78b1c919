"""The bests of a session as the device picks them: one of each run, the fastest five."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
from attrs import field, frozen

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.grid import Grid, Places
from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.oao.header import Best
from sse_twisted.tracks.windows import NONE, Metric, over_distance, over_hour, over_seconds

SLOWEST_OF_A_RUN: Final = 2572  # mm/s, 5 knots: found in firmware 3111 to 9004
SLOW_FIXES: Final = 3  # in a row end a run; two fit the real files as well
KEPT: Final = 5


SECONDS: Final = {"1s": 1, "2s": 2, "10s": 10, "1h": 3600}
METRES: Final = {"100m": 100, "250m": 250, "500m": 500, "1000m": 1000, "1852m": 1852}
METRICS: Final[Mapping[str, Callable[[Grid], Metric]]] = MappingProxyType(
    {name: partial(over_seconds, seconds=seconds) for name, seconds in SECONDS.items()}
    | {name: partial(over_distance, metres=metres) for name, metres in METRES.items()}
    | {"1h": over_hour, "alpha500": over_alpha}
)
"""Every kind of window by its name."""


@frozen(eq=False)
class Measures:
    """The windows of a grid, each kind made when it is first asked for."""

    grid: Grid
    _made: dict[str, Metric] = field(factory=dict, init=False)

    def __getitem__(self, name: str) -> Metric:
        """One of METRICS."""
        if name not in self._made:
            self._made[name] = METRICS[name](self.grid)
        return self._made[name]


@frozen
class Window:
    """A window of a grid: its mean speed in parts of a mm/s, its first place and its last."""

    value: int
    first: int
    last: int


def session_bests(grid: Grid, *, missing_is_slow: bool = False) -> dict[str, tuple[Best, ...]]:
    """The five bests over every window, as a header holds them.

    From the stored fixes of real event firmware (9002 to 9004, which leaves out the slow ones: `missing_is_slow`)
    the device's own five over 2 s, 10 s and 500 m come out in 72, 69 and 67 of 74 files; from those of plain firmware
    3109 and 3111, which are complete, all of 1 s, 2 s, 10 s, 500 m and 1852 m.
    """
    ends = run_ends(grid, missing_is_slow=missing_is_slow)
    return {name: five_best(grid, METRICS[name](grid), ends) for name in BESTS}


def run_ends(grid: Grid, *, slowest: int = SLOWEST_OF_A_RUN, missing_is_slow: bool = False) -> Places:
    """The places before which a run ends: the last so many fixes before it were slower than `slowest` (mm/s).

    A turn does not end a run as long as it is faster than that.
    """
    slow = grid.speed < slowest
    if missing_is_slow:
        fast = np.concatenate([[-1], grid.place[~slow], [grid.length]])
        return fast[:-1][np.diff(fast) > SLOW_FIXES] + 1 + SLOW_FIXES
    slowly = grid.place[slow]
    begins = np.flatnonzero(np.diff(slowly, prepend=-2) != 1)
    counts = np.diff(begins, append=len(slowly))
    return slowly[begins[counts >= SLOW_FIXES]] + SLOW_FIXES


def five_best(grid: Grid, metric: Metric, ends: Places) -> tuple[Best, ...]:
    """The five best windows of all runs, each stamped with the second in which it was first reached."""
    return tuple(Best(grid.second(window.last), window.value) for window in five_windows(grid, metric, ends))


def five_windows(grid: Grid, metric: Metric, ends: Places, *, forgets: bool = True) -> tuple[Window, ...]:
    """The fastest five of the best windows of all runs of a grid; of two that are equal, the later is first.

    Where no window is complete as a run ends, memory goes on into the next run; else, if the device `forgets`, it
    begins anew: a window never reaches back over the end of a run that had a best.
    """
    found: list[tuple[int, int, int]] = []  # speed, last fix, where memory began
    since = first = 0
    stops = np.searchsorted(grid.place, ends)
    for place, stop in zip([*ends.tolist(), grid.length], [*stops.tolist(), len(grid.place)], strict=True):
        speeds = metric(since, first, stop)
        fix = int(speeds.argmax()) if len(speeds) else 0
        if len(speeds) and speeds[fix] != NONE:
            found.append((int(speeds[fix]), first + fix, since))
            since = place if forgets else 0
        first = stop
    best = sorted(found, reverse=True)[:KEPT]
    return tuple(Window(value, metric.start(since, fix), int(grid.place[fix])) for value, fix, since in best)


def distance(grid: Grid) -> int:
    """Millimetres travelled, without the fixes that may stand still.

    From five complete real tracks it comes out within 0.05 % of what the device says: the rule is not quite its own.
    """
    return int(grid.moving.sum()) // grid.frequency
