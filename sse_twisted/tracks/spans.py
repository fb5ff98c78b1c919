"""Breaks in a track, and fixes that cannot be written as text."""

from __future__ import annotations

from typing import Final

import numpy as np

from sse_twisted.tracks.format import Fixes, Mask, Times

LAST_YEAR: Final = 253_370_764_800_000  # ms UTC, the start of 9999: years have four digits in every time zone


def breaks(time: Times) -> Mask:
    """Tell for each fix whether it does not follow the one before: a fix is missing between them, or time goes back.

    The period is the median of the steps, since headers of ESP loggers hold no frequency. Half a period more is not a
    gap: the times of those loggers jitter by 1 ms. The first fix follows nothing.
    """
    broken = np.ones(len(time), np.bool_)
    steps = np.diff(time)
    forward = steps[steps > 0]
    if len(forward):
        broken[1:] = (steps <= 0) | (2 * steps > 3 * int(np.median(forward)))
    return broken


def writable(fixes: Fixes) -> Mask:
    """Tell for each fix whether it has a position on Earth, and a date from 1970 to 9998."""
    mask: Mask = np.abs(fixes.latitude) <= 90
    mask &= (fixes.longitude >= -180) & (fixes.longitude < 180)
    mask &= (fixes.time >= 0) & (fixes.time < LAST_YEAR)
    return mask
