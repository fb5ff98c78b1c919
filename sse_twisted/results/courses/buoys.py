"""The start line between two buoys that carry devices: their tracks of the day place it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.config.courses import BuoyLine, Line, Point
from sse_twisted.results.courses.plane import Plane
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.session import in_time

SLOW: Final = 1000  # mm/s; a device on a buoy is slower, one that is carried in a boat is not
MIN_FIXES: Final = 60  # slow ones, below which a buoy has no place
MOST: Final = 0.9  # of the slow fixes are within the spread


class Buoy(Struct, frozen=True):
    """Where a buoy was: the median of its slow fixes; 90 % of them are within `spread` m."""

    number: int
    position: Point
    spread: float
    fixes: int


def buoy_of(number: int, tracks: Iterable[Track], since: float, until: float) -> Buoy | None:
    """Place a buoy by the slow fixes of its tracks between two times in s since 1970; None if there are too few."""
    latitudes, longitudes = [], []
    for track in tracks:
        fixes = track.fixes
        slow = in_time(fixes.time) & (fixes.speed < SLOW) & np.isfinite(fixes.latitude) & np.isfinite(fixes.longitude)
        slow &= (fixes.time >= since * 1000) & (fixes.time < until * 1000)
        latitudes.append(fixes.latitude[slow])
        longitudes.append(fixes.longitude[slow])
    latitude, longitude = (np.concatenate(each) if each else np.zeros(0) for each in (latitudes, longitudes))
    if len(latitude) < MIN_FIXES:
        return None
    plane = Plane((float(latitude[0]), float(longitude[0])))
    east, north = plane.metres(latitude, longitude)
    middle = float(np.median(east)), float(np.median(north))
    spread = float(np.quantile(np.hypot(east - middle[0], north - middle[1]), MOST))
    return Buoy(number, plane.position(*middle), spread, len(latitude))


def line_between(one: Buoy, other: Buoy, course: BuoyLine) -> Line:
    """Return the line between two buoys."""
    return Line((one.position, other.position), course.direction)


def swing_warning(buoy: Buoy, swing: float) -> str:
    """Return a warning if a buoy moved by more than `swing` m; "" if it did not."""
    if buoy.spread <= swing:
        return ""
    return f"buoy {buoy.number} moved: 10 % of its fixes are more than {buoy.spread:.0f} m off (expected {swing:.0f} m)"


def spread_text(buoy: Buoy) -> str:
    """Return how exactly a buoy is placed."""
    return f"buoy {buoy.number}: {buoy.fixes:,} fixes, 90 % within {math.ceil(buoy.spread)} m"
