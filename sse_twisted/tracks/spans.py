"""Where a track goes on without a missing fix."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.oao.layout import Frames

LAST_YEAR: Final = 253_370_764_800_000  # ms UTC, the first of 9999: whatever the time zone, years have four digits


def breaks(frames: Frames) -> NDArray[np.bool_]:
    """Say for each frame whether it does not follow the one before: a fix is missing between them, or time goes back.

    What the period is, the frames tell: it is the median of their steps, for headers of ESP loggers hold no frequency.
    Half a period more is no gap, since the times of those jitter by 1 ms. The first frame follows nothing.
    """
    broken = np.ones(len(frames), np.bool_)
    steps = np.diff(frames["utc"].astype(np.int64))
    forward = steps[steps > 0]
    if len(forward):
        broken[1:] = (steps <= 0) | (2 * steps > 3 * int(np.median(forward)))
    return broken


def writable(frames: Frames) -> NDArray[np.bool_]:
    """Say which frames have a place on Earth, and a date before the year 9999: the others can't be put down as text."""
    mask: NDArray[np.bool_] = np.abs(frames["latitude"].astype(np.int64)) <= 90 * 10**7
    longitude = frames["longitude"]
    mask &= (longitude >= -180 * 10**7) & (longitude < 180 * 10**7)
    mask &= frames["utc"] < LAST_YEAR
    return mask
