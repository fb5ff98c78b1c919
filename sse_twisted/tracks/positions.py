"""Speeds made from positions, for files that hold no measured ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.format import Degrees, Mask, Times

EARTH: Final = 6_371_009.0  # m
MAX_STEP: Final = 1 << 53  # ms; beyond it, a float does not hold them
MAX_SPEED: Final = 1e6  # m/s; a hostile file could have more than a column holds


def speeds_between(time: Times, latitude: Degrees, longitude: Degrees) -> tuple[NDArray[np.float64], Mask]:
    """Return speeds in m/s made from each point and the one before, and whether there is one.

    A point that is not later than the one before has none. The first has that of the second.
    """
    speed = np.zeros(len(time))
    known = np.zeros(len(time), np.bool_)
    if len(time) < 2:
        return speed, known
    north, east = np.radians(np.diff(latitude)), np.radians(np.diff(longitude))
    half = np.sin(north / 2) ** 2
    half += np.cos(np.radians(latitude[1:])) * np.cos(np.radians(latitude[:-1])) * np.sin(east / 2) ** 2
    metres = 2 * EARTH * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    steps = np.diff(time)
    known[1:] = (steps > 0) & (steps < MAX_STEP)
    np.divide(metres * 1000, steps, out=speed[1:], where=known[1:])
    speed[0], known[0] = speed[1], known[1]
    return np.minimum(speed, MAX_SPEED), known
