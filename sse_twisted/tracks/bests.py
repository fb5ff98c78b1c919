"""The five best runs over each window, as the device picks them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.grid import Grid
from sse_twisted.tracks.header import Best
from sse_twisted.tracks.windows import Metric

SLOWEST_OF_A_RUN: Final = 2572  # mm/s, 5 knots: the logging threshold of firmware 9002 to 9004
SLOW_FRAMES: Final = 3  # that end a run; 2 fit the real files as well
KEPT: Final = 5
MS = True


def run_ends(grid: Grid, slowest: int = SLOWEST_OF_A_RUN) -> NDArray[np.intp]:
    slow = (grid.speed < slowest) & (grid.present | MS)

    n = SLOW_FRAMES
    streak = np.concatenate([[0], np.cumsum(slow)])
    all_slow = streak[n:] - streak[:-n] == n
    begins = all_slow & ~np.concatenate([[False], all_slow[:-1]])
    return np.flatnonzero(begins) + n


def top_five(grid: Grid, metric: Metric, ends: NDArray[np.intp]) -> tuple[Best, ...]:
    since = first = 0
    bests = []
    for stop in [*ends.tolist(), len(grid)]:
        if stop <= first:
            continue
        speeds = metric(since, first, stop)
        place = int(speeds.argmax())
        if speeds[place] >= 0:
            bests.append(Best(grid.second(first + place), int(speeds[place])))
            since = stop
        first = stop
    return tuple(sorted(bests, key=lambda best: (-best.value, -best.second))[:KEPT])
